"""Crashes one after the other while an ended job's checkpoints are deleted: what it ended as stays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from weir.checkpoint import events
from weir.checkpoint.metadata import FORMAT_VERSION, SnapshotKind, SnapshotMetadata
from weir.errors import StorageUnavailable
from weir.ids import AttemptId, CheckpointId, JobId
from weir.jobmanager.history.journal import AlreadyEnded, Claim, StoredJournal
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState
from weir.storage import MemoryStorage
from weir.storage.faults import Fail, FaultInjector, Operation
from weir.storage.memory import mount, unmount

JOB = JobId("d" * 32)
names = itertools.count()


class Clock:
    def wall_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def storage() -> Iterator[FaultInjector]:
    injector = FaultInjector(MemoryStorage("root"))
    mount("interrupted", injector)
    yield injector
    unmount("interrupted")


def journal() -> StoredJournal:
    return StoredJournal(JobSpec(name="job", entrypoint="x:y"), JOB, "memory://interrupted", "test", Clock())


def checkpoints(storage: FaultInjector) -> list[str]:
    return [info.name for info in storage.list() if "/chk-" in info.name]


def die_after_the_record(state: JobState, storage: FaultInjector) -> None:
    """A process with one checkpoint whose end is recorded, and whose deletion fails."""
    process = journal()
    claim = process.claim(recovering=False)
    assert isinstance(claim, Claim)
    metadata = SnapshotMetadata(
        format_version=FORMAT_VERSION,
        job_id=JOB,
        kind=SnapshotKind.CHECKPOINT,
        checkpoint_id=CheckpointId(1),
        epoch=claim.epoch,
        attempt=AttemptId(1),
        triggered_ms=0,
    )
    assert isinstance(process.publish(events.Publish(CheckpointId(1), metadata, None)), events.Published)
    storage.inject(Operation.DELETE, Fail(StorageUnavailable("down")), "_metadata")
    with pytest.raises(StorageUnavailable):
        process.end(state, "", deletes=True)
    assert checkpoints(storage)


@pytest.mark.parametrize("state", [JobState.FINISHED, JobState.CANCELED, JobState.FAILED])
def test_a_second_crash_after_the_epoch_for_the_deletion_does_not_run_the_job_again(
    storage: FaultInjector, state: JobState
) -> None:
    die_after_the_record(state, storage)
    # Record 3 is the end, 4 the start of the epoch that may delete, 5 would be the end again.
    storage.inject(Operation.CREATE, Fail(StorageUnavailable("down")), "fence/000000000005")
    with pytest.raises(StorageUnavailable):
        journal().claim(recovering=True)
    ended = journal().claim(recovering=True)
    assert isinstance(ended, AlreadyEnded)
    assert ended.state == state
    assert checkpoints(storage) == []
