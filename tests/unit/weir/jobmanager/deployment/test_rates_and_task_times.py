"""Rates of subtasks, the times at which they entered their states, and operations that are polled for."""

from __future__ import annotations

import pytest

from tests.support import rest_facts as facts
from weir.ids import CheckpointId, SubtaskId, WorkerId
from weir.jobmanager.deployment.rates import WINDOW, rates
from weir.jobmanager.deployment.task_table import TaskTable
from weir.jobmanager.operations import REMEMBERED, OperationKind, Operations
from weir.rpc.messages import TaskMetrics
from weir.rpc.requests import TaskState

SUBTASK = SubtaskId(facts.READER, 0)


def report(busy: int, idle: int, backpressured: int, rows: int = 0) -> TaskMetrics:
    return TaskMetrics(
        vertex=facts.READER,
        index=0,
        busy_ms=busy,
        idle_ms=idle,
        backpressured_ms=backpressured,
        records_in=rows,
        records_out=2 * rows,
        bytes_in=3 * rows,
        bytes_out=4 * rows,
    )


def test_rates_are_by_the_second_of_the_subtasks_own_time() -> None:
    found = rates(report(100, 100, 0), report(600, 600, 1000, rows=5000))
    assert found is not None
    assert (found.busy_ms, found.idle_ms, found.backpressured_ms) == (250, 250, 500)
    assert (found.records_in, found.records_out) == (2500.0, 5000.0)
    assert (found.bytes_in, found.bytes_out) == (7500.0, 10_000.0)


@pytest.mark.parametrize("shares", [(1, 1, 1), (333, 333, 334), (0, 7, 0), (999, 1, 3), (1, 0, 6), (2, 1, 0)])
def test_shares_of_time_always_add_up_to_a_second(shares: tuple[int, int, int]) -> None:
    found = rates(report(0, 0, 0), report(*shares))
    assert found is not None
    assert found.busy_ms + found.idle_ms + found.backpressured_ms == 1000
    assert min(found.busy_ms, found.idle_ms, found.backpressured_ms) >= 0


def test_without_time_between_two_reports_there_are_no_rates() -> None:
    assert rates(report(1, 1, 1), report(1, 1, 1)) is None


@pytest.fixture
def table() -> TaskTable:
    table = TaskTable(facts.PLAN.plan)
    table.begin_attempt({subtask: WorkerId("w") for subtask in facts.SUBTASKS}, now_ms=1000)
    return table


def status_of(table: TaskTable, *, live: bool = True):
    return next(v for v in table.vertices(live=live) if v.id == facts.READER).tasks[0]


def test_a_subtask_remembers_when_it_entered_each_state_of_its_attempt(table: TaskTable) -> None:
    table.set_state(SUBTASK, TaskState.RUNNING, 2000)
    table.set_all(TaskState.CANCELED, 3000)
    assert status_of(table).entered == {
        TaskState.INITIALIZING: 1000,
        TaskState.RUNNING: 2000,
        TaskState.CANCELED: 3000,
    }
    table.begin_attempt({SUBTASK: WorkerId("w")}, now_ms=9000)
    assert status_of(table).entered == {TaskState.INITIALIZING: 9000}


def test_rates_are_those_of_the_last_reports_only(table: TaskTable) -> None:
    table.set_state(SUBTASK, TaskState.RUNNING, 2000)
    for second in range(20):
        table.report([report(0, 1000 * second, 0)])
    for second in range(WINDOW):
        table.report([report(1000 * second, 20_000, 0)])
    assert status_of(table).rates.busy_ms == 1000


def test_a_subtask_that_does_not_run_has_no_rates(table: TaskTable) -> None:
    table.set_state(SUBTASK, TaskState.RUNNING, 2000)
    table.report([report(0, 0, 0)])
    table.report([report(10, 990, 0)])
    assert status_of(table).rates.busy_ms == 10
    assert status_of(table, live=False).rates is None, "the job is over; its last report is history"
    table.set_state(SUBTASK, TaskState.FAILED, 3000)
    assert status_of(table).rates is None
    table.begin_attempt({SUBTASK: WorkerId("w")}, now_ms=9000)
    table.set_state(SUBTASK, TaskState.RUNNING, 9500)
    assert status_of(table).rates is None


def test_an_operation_is_in_progress_until_it_is_finished() -> None:
    operations = Operations()
    begun, new = operations.begin(OperationKind.CHECKPOINT)
    assert new
    assert len(begun.trigger) == 32
    assert operations.get(OperationKind.CHECKPOINT, begun.trigger) == begun
    operations.finish(begun, checkpoint=CheckpointId(3), path="s3://b/chk-3")
    ended = operations.get(OperationKind.CHECKPOINT, begun.trigger)
    assert (ended.done, ended.checkpoint, ended.path, ended.failure) == (True, 3, "s3://b/chk-3", None)


def test_a_repeated_call_with_its_own_trigger_is_the_same_operation() -> None:
    operations = Operations()
    first, _ = operations.begin(OperationKind.CHECKPOINT, "a" * 32)
    assert operations.begin(OperationKind.CHECKPOINT, "a" * 32) == (first, False)
    operations.finish(first, failure="no")
    again, new = operations.begin(OperationKind.CHECKPOINT, "a" * 32)
    assert (again.failure, new) == ("no", False)


def test_of_many_operations_the_oldest_that_ended_are_forgotten_and_none_that_is_open() -> None:
    operations = Operations()
    opened, _ = operations.begin(OperationKind.CHECKPOINT, "0" * 32)
    for number in range(1, 3 * REMEMBERED):
        each, _ = operations.begin(OperationKind.CHECKPOINT, f"{number:032}")
        operations.finish(each, checkpoint=CheckpointId(number))
    known = [n for n in range(3 * REMEMBERED) if operations.get(OperationKind.CHECKPOINT, f"{n:032}")]
    assert known == [0, *range(2 * REMEMBERED, 3 * REMEMBERED)]
    assert not opened.done
