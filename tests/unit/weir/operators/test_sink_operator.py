"""The end of a stream: prepared with the barrier, committed with the notice, tried again, restored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from tests.support.operator_driver import Driver
from weir.connectors.sink import Committer, Sink, Writer, WriterContext
from weir.errors import StorageDenied, StorageUnavailable
from weir.operators.base import RestoredState
from weir.operators.failures import OperatorFailure
from weir.operators.sink import SinkOperator


class Rows(msgspec.Struct, frozen=True):
    rows: list[int]


class Outside(Sink[int, Rows], Committer[Rows], Writer[int, Rows]):
    """Sink, writer and committer in one, with everything that happened to them."""

    committable_type = Rows

    def __init__(self) -> None:
        self.written: list[int] = []
        self.times: list[list[int] | None] = []
        self.durable: list[Rows] = []
        self.visible: list[int] = []
        self.swept: list[WriterContext] = []
        self.closed = False
        self.finish_fails: Exception | None = None
        self.commit_fails: Exception | None = None

    def create_writer(self, context: WriterContext) -> Writer[int, Rows]:
        self.context = context
        return self

    def create_committer(self) -> Committer[Rows]:
        return self

    def write(self, values: list[int], timestamps: list[int] | None) -> None:
        self.written.extend(values)
        self.times.append(timestamps)

    def prepare_commit(self) -> list[Rows]:
        rows, self.written = self.written, []
        return [Rows(rows)] if rows else []

    def finish_prepare(self, committables: Sequence[Rows]) -> None:
        if self.finish_fails is not None:
            raise self.finish_fails
        self.durable.extend(committables)

    def commit(self, committables: Sequence[Rows]) -> None:
        if self.commit_fails is not None:
            raise self.commit_fails
        for committable in committables:
            assert committable in self.durable
            self.visible.extend(committable.rows)

    def abort_leftovers(self, context: WriterContext) -> None:
        self.swept.append(context)

    def close(self) -> None:
        self.closed = True


class Sinking:
    """A sink operator whose background work waits for the test."""

    def __init__(self, outside: Outside | None = None, restored: Any = None) -> None:
        self.outside = outside or Outside()
        self.work: list[tuple[Callable[[], Any], Callable[..., None]]] = []
        self.driver = Driver(
            lambda: SinkOperator(self.outside),
            restored=restored,
            run_async=lambda work, done: self.work.append((work, done)),
        )
        self.operator: SinkOperator = self.driver.operator

    def barrier(self, number: int, *rows: int, finish: bool = True) -> Any:
        if rows:
            self.driver.process(*rows)
        snapshot = self.operator.snapshot(number)
        if finish and snapshot.finish is not None:
            snapshot.finish()
        return snapshot

    def background(self) -> None:
        """Run what waits, and what follows from it."""
        while self.work:
            work, done = self.work.pop(0)
            try:
                result, error = work(), None
            except Exception as raised:
                result, error = None, raised
            done(result, error)


def test_rows_are_written_as_they_come_and_none_go_on() -> None:
    sinking = Sinking()
    assert sinking.driver.process(1, 2, stamps=[5, 6]) == []
    assert (sinking.outside.written, sinking.outside.times) == ([1, 2], [[5, 6]])
    assert sinking.outside.context.subtask_index == 0


def test_rows_become_visible_after_the_notice_of_their_checkpoint_and_not_before() -> None:
    sinking = Sinking()
    snapshot = sinking.barrier(1, 1, 2)
    assert snapshot.has_commits
    sinking.background()
    assert (sinking.outside.visible, sinking.operator.pending_commits()) == ([], 0)
    sinking.operator.notify_complete(1)
    assert sinking.operator.pending_commits() == 2
    sinking.background()
    assert (sinking.outside.visible, sinking.operator.pending_commits()) == ([1, 2], 0)


def test_an_empty_barrier_has_nothing_to_commit() -> None:
    sinking = Sinking()
    snapshot = sinking.barrier(1)
    assert (snapshot.has_commits, snapshot.finish, snapshot.operator) == (False, None, None)


def test_a_notice_stands_for_all_that_were_lost_before_it_in_order() -> None:
    sinking = Sinking()
    for number in (1, 2, 3):
        sinking.barrier(number, number)
    sinking.operator.notify_complete(2)
    sinking.background()
    assert sinking.outside.visible == [1, 2]
    sinking.operator.notify_complete(3)
    sinking.background()
    assert sinking.outside.visible == [1, 2, 3]


def test_commits_are_called_one_at_a_time() -> None:
    sinking = Sinking()
    sinking.barrier(1, 1)
    sinking.barrier(2, 2)
    sinking.operator.notify_complete(1)
    sinking.operator.notify_complete(2)
    assert len(sinking.work) == 1
    sinking.background()
    assert sinking.outside.visible == [1, 2]


def test_a_fault_that_may_pass_is_tried_again_with_the_next_notice_or_a_retry() -> None:
    sinking = Sinking()
    sinking.barrier(1, 1)
    sinking.outside.commit_fails = StorageUnavailable("503")
    sinking.operator.notify_complete(1)
    sinking.background()
    assert sinking.operator.pending_commits() == 1
    sinking.operator.retry_commits()
    sinking.background()
    sinking.barrier(2, 2)
    sinking.outside.commit_fails = None
    sinking.operator.notify_complete(2)
    sinking.background()
    assert (sinking.outside.visible, sinking.operator.pending_commits()) == ([1, 2], 0)
    sinking.operator.retry_commits()
    assert sinking.work == []


def test_a_commit_that_fails_for_good_fails_the_task_and_names_the_operator() -> None:
    sinking = Sinking()
    sinking.barrier(1, 1)
    sinking.outside.commit_fails = StorageDenied("403")
    sinking.operator.notify_complete(1)
    with pytest.raises(OperatorFailure, match=r"StorageDenied: 403 .in operator 'Op' .uid op."):
        sinking.background()


def test_what_is_prepared_but_not_committed_is_in_every_snapshot_until_it_is() -> None:
    sinking = Sinking()
    sinking.barrier(1, 1)
    second = sinking.barrier(2)
    assert second.has_commits
    again = Sinking(sinking.outside, sinking.driver.saved())
    assert sinking.outside.visible == [1]
    sinking.operator.notify_complete(2)
    sinking.background()
    assert not sinking.barrier(3).has_commits
    assert again.operator.pending_commits() == 0


def test_restored_rows_are_committed_before_the_first_row_comes() -> None:
    before = Sinking()
    before.barrier(1, 1, 2)
    saved = before.driver.saved()
    after = Sinking(before.outside, saved)
    assert before.outside.visible == [1, 2]
    assert not after.barrier(2).has_commits


def test_after_a_rescale_what_one_subtask_left_is_committed_by_one_in_its_order() -> None:
    before = Sinking()
    for number in range(1, 6):
        before.barrier(number, number)
    saved = before.driver.saved()
    saved = type(saved)(operator=saved.operator, own_only=False)
    committed = []
    for index in range(3):
        Driver(lambda: SinkOperator(before.outside), restored=saved, parallelism=3, subtask_index=index)
        committed.append(before.outside.visible[:])
    assert committed == [[1, 2, 3, 4, 5]] * 3


def test_what_several_subtasks_left_is_committed_once_by_whoever_gets_it() -> None:
    outside = Outside()
    blobs = []
    for number in range(2):
        sinking = Sinking(outside)
        sinking.barrier(1, number)
        blobs.append(sinking.driver.saved().operator[0])
    for index in range(3):
        Driver(
            lambda: SinkOperator(outside),
            restored=RestoredState(operator=tuple(blobs), own_only=False),
            parallelism=3,
            subtask_index=index,
        )
    assert sorted(outside.visible) == [0, 1]


def test_a_snapshot_is_not_complete_before_its_rows_are_durable() -> None:
    sinking = Sinking()
    snapshot = sinking.barrier(1, 1, finish=False)
    assert sinking.outside.durable == []
    snapshot.finish()
    assert sinking.outside.durable == [Rows([1])]


def test_rows_whose_checkpoint_was_declined_are_made_durable_with_the_next_one() -> None:
    sinking = Sinking()
    sinking.outside.finish_fails = StorageUnavailable("503")
    with pytest.raises(StorageUnavailable):
        sinking.barrier(1, 1)
    sinking.outside.finish_fails = None
    later = sinking.barrier(2, finish=False)
    assert later.finish is not None
    later.finish()
    assert sinking.outside.durable == [Rows([1])]
    sinking.operator.notify_complete(2)
    sinking.background()
    assert sinking.outside.visible == [1]
    assert sinking.barrier(3).finish is None


def test_leftovers_are_swept_once_after_the_first_completed_checkpoint_also_without_rows() -> None:
    sinking = Sinking()
    sinking.background()
    assert sinking.outside.swept == []
    for number in (1, 2):
        sinking.barrier(number)
        sinking.operator.notify_complete(number)
        sinking.background()
    assert len(sinking.outside.swept) == 1
    assert sinking.outside.swept[0].attempt == 1


def test_a_sink_without_committables_is_only_told_to_flush() -> None:
    class AtOnce(Outside):
        committable_type = None

    outside = AtOnce()
    sinking = Sinking(outside)
    snapshot = sinking.barrier(1, 1)
    assert outside.written == []
    assert (snapshot.has_commits, snapshot.operator) == (False, None)
    sinking.operator.notify_complete(1)
    assert sinking.work == []


def test_closing_closes_the_writer() -> None:
    sinking = Sinking()
    sinking.operator.close()
    assert sinking.outside.closed
