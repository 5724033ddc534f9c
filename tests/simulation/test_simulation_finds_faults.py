"""An engine that is broken on purpose is found by the simulation: its oracles can fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.run import run
from tests.simulation.scenario import make_scenario
from weir.checkpoint import fence
from weir.connectors.fixed_splits import FixedSplits
from weir.jobmanager.checkpoints import checkpointing
from weir.jobmanager.history import journal
from weir.operators import process, sink
from weir.operators.base import OperatorSnapshot
from weir.state import timers
from weir.taskmanager import alignment, deployment

SEEDS = range(1, 61)


def faults() -> Iterator[str]:
    """What is found, seed by seed."""
    for seed in SEEDS:
        yield from run(make_scenario(seed)).faults


def found(*words: str) -> bool:
    return any(word in fault for fault in faults() for word in words)


def test_barriers_that_block_nothing_double_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "ExactlyOnce", alignment.AtLeastOnce)
    assert found("doubled", "counts are", "lost")


def test_commits_with_the_barrier_come_before_their_record(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = sink.SinkOperator.snapshot

    def snapshot(self: sink.SinkOperator, checkpoint_id: int) -> OperatorSnapshot:
        taken = honest(self, checkpoint_id)
        if taken.finish is None:
            self.notify_complete(checkpoint_id)
        return taken

    monkeypatch.setattr(sink.SinkOperator, "snapshot", snapshot)
    assert found("which no recorded checkpoint holds")


def test_a_fence_that_never_refuses_lets_two_jobmanagers_write(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = fence.FenceLog._create

    def create(self: fence.FenceLog, entry: fence.Entry) -> bool:
        if not honest(self, entry):
            self._storage.write(fence.paths.fence_record(entry.seq), fence.encode_entry(entry))
        return True

    monkeypatch.setattr(fence.FenceLog, "_create", create)
    assert found("write of fence record", "not linear", "than the newest start")


def test_restored_keyed_state_that_is_forgotten_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.KeyedBase, "_restore", lambda self, restored: None)
    assert found("lost", "counts are", "states disagree")


def test_an_enumerator_that_forgets_what_it_gave_away_doubles_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FixedSplits, "snapshot", _everything)
    assert found("doubled", "counts are")


def _everything(self: FixedSplits) -> bytes:
    import msgspec

    return msgspec.msgpack.encode(self._first)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _remember_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = FixedSplits.__init__

    def init(self: FixedSplits, splits, share_of=None) -> None:
        honest(self, splits, share_of)
        self._first = list(splits)  # type: ignore[attr-defined]

    monkeypatch.setattr(FixedSplits, "__init__", init)


def test_retention_that_deletes_one_too_many_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = checkpointing.Checkpointing._delete

    def delete(self, checkpoints) -> None:
        honest(self, (*checkpoints, *self._coordinator.completed))

    monkeypatch.setattr(checkpointing.Checkpointing, "_delete", delete)
    assert found("which the job would be restored from")


def test_a_claim_that_does_not_prove_the_tail_runs_a_finished_job_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = fence.FenceLog.start
    monkeypatch.setattr(
        fence.FenceLog, "start", lambda self, run, base_of, expected_tail=None: honest(self, run, base_of)
    )
    monkeypatch.setattr(journal.records, "Finished", type("Never", (), {}))
    assert run(make_scenario(102)).faults


def test_timers_that_are_not_restored_lose_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers.TimerQueue, "columns", lambda self: ([], []))
    assert found("lost", "not finished")
