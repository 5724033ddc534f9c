"""A JobManager that froze while another took its job over finds out wherever it stood; found by the simulation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from weir.checkpoint import events
from weir.checkpoint.metadata import FORMAT_VERSION, SnapshotKind, SnapshotMetadata
from weir.errors import FailureKind, Fenced
from weir.ids import AttemptId, CheckpointId, Epoch, JobId
from weir.jobmanager.history.journal import AlreadyEnded, Claim, Overtaken, StoredJournal
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.lifecycle.job_phases import Moment, Phase
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.jobmanager.lifecycle.restart import FixedDelay
from weir.rpc.messages import Failure, JobSpec
from weir.rpc.requests import JobState
from weir.storage import MemoryStorage
from weir.storage.faults import Call, FaultInjector, Operation
from weir.storage.memory import mount, unmount

JOB = JobId("c" * 32)
SPEC = JobSpec(name="job", entrypoint="x:y")
NOW = Moment(0.0)
FAILURE = Failure(kind=FailureKind.WORKER_LOST, message="gone")
names = itertools.count()


class Clock:
    def wall_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Place:
    name: str
    storage: FaultInjector

    def journal(self) -> StoredJournal:
        return StoredJournal(SPEC, JOB, f"memory://{self.name}", "test", Clock())


@pytest.fixture
def place() -> Iterator[Place]:
    name = f"overtaken-{next(names)}"
    storage = FaultInjector(MemoryStorage(name))
    mount(name, storage)
    yield Place(name, storage)
    unmount(name)


def claimed(journal: StoredJournal, *, recovering: bool = False) -> Claim:
    claim = journal.claim(recovering=recovering)
    assert isinstance(claim, Claim)
    return claim


def order(number: int, claim: Claim) -> events.Publish:
    metadata = SnapshotMetadata(
        format_version=FORMAT_VERSION,
        job_id=JOB,
        kind=SnapshotKind.CHECKPOINT,
        checkpoint_id=CheckpointId(number),
        epoch=claim.epoch,
        attempt=AttemptId(1),
        triggered_ms=0,
    )
    return events.Publish(CheckpointId(number), metadata, None)


@pytest.mark.parametrize("recovering", [False, True])
def test_a_claim_during_which_another_process_started_the_job_is_overtaken(
    place: Place, recovering: bool
) -> None:
    def successor() -> None:
        claimed(place.journal(), recovering=True)

    place.storage.inject(Operation.CREATE, Call(successor), "fence/000000000001")
    with pytest.raises(Overtaken, match="the start was planned for 0"):
        place.journal().claim(recovering=recovering)


def test_a_claim_during_which_another_process_finished_the_job_does_not_run_it_again(place: Place) -> None:
    def successor() -> None:
        journal = place.journal()
        assert isinstance(journal.publish(order(1, claimed(journal))), events.Published)
        journal.end(JobState.FINISHED, "", deletes=True)

    place.storage.inject(Operation.CREATE, Call(successor), "by-name")
    with pytest.raises(Overtaken):
        place.journal().claim(recovering=False)


def test_a_job_that_finished_is_not_run_again_by_whoever_is_told_to_start_it(place: Place) -> None:
    journal = place.journal()
    claimed(journal)
    journal.end(JobState.FINISHED, "", deletes=True)
    ended = place.journal().claim(recovering=False)
    assert isinstance(ended, AlreadyEnded)
    assert (ended.state, ended.position.ending) == (JobState.FINISHED, "Finished")


def test_a_job_that_was_cancelled_can_be_started_again(place: Place) -> None:
    journal = place.journal()
    claimed(journal)
    journal.end(JobState.CANCELED, "", deletes=False)
    assert claimed(place.journal()).epoch == 2


def test_ownership_is_lost_with_the_successors_first_record(place: Place) -> None:
    journal = place.journal()
    claimed(journal)
    journal.check_owned()
    claimed(place.journal(), recovering=True)
    with pytest.raises(Fenced):
        journal.check_owned()


def backing_off() -> JobMachine:
    machine = JobMachine(JOB)
    strategy = FixedDelay(attempts=3, delay=1.0)
    machine.handle(
        ev.Planned(slots=1, subtasks=frozenset(), strategy=strategy, checkpointing=True, cancel_grace=1.0),
        NOW,
    )
    machine.handle(ev.Claimed(Epoch(1)), NOW)
    machine.handle(ev.SlotsGranted(()), NOW)
    machine.handle(ev.AttemptFailed(machine.execution, FAILURE), NOW)
    machine.handle(ev.CheckpointsStopped(machine.execution), NOW)
    assert machine.phase is Phase.BACKING_OFF
    return machine


def test_a_restart_that_comes_due_after_the_job_was_overtaken_is_late() -> None:
    machine = backing_off()
    machine.handle(ev.FencedOut("epoch 2"), NOW)
    assert machine.handle(ev.RestartDue(machine.attempt), NOW) == []
    assert machine.phase is Phase.SETTLED


def test_a_restart_that_comes_due_while_the_end_is_written_is_late() -> None:
    machine = backing_off()
    machine.handle(ev.StopRequested(StopKind.CANCEL), NOW)
    assert machine.phase is Phase.SETTLING
    assert machine.handle(ev.RestartDue(machine.attempt), NOW) == []
    assert machine.phase is Phase.SETTLING


def test_what_workers_still_say_to_a_jobmanager_that_was_overtaken_is_late() -> None:
    machine = backing_off()
    machine.handle(ev.FencedOut("epoch 2"), NOW)
    assert machine.handle(ev.FinalCheckpointDone(machine.execution), NOW) == []
