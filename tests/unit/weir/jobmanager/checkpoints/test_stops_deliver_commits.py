"""A person's stop: what a completed checkpoint promised is committed before the tasks are cancelled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weir.errors import FailureKind
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, SubtaskId, VertexId, WorkerId
from weir.jobmanager.checkpoints.commits import Commits
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_phases import FAILURE_GRACE, TRANSITIONS, Moment, Phase
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.jobmanager.lifecycle.restart import FixedDelay
from weir.rpc.messages import Execution, Failure
from weir.rpc.requests import JobState

JOB = JobId("a" * 32)
FIRST, SECOND = SubtaskId(VertexId("v"), 0), SubtaskId(VertexId("v"), 1)
A, B = WorkerId("a"), WorkerId("b")
FAILED = Failure(kind=FailureKind.USER, message="job.py:1: ValueError: no")
LOST = Failure(kind=FailureKind.WORKER_LOST, message="killed")
NOW = Execution(JOB, Epoch(1), AttemptId(1))
GRACE = 30.0
CANCEL, SUSPEND = ev.StopRequested(ev.StopKind.CANCEL), ev.StopRequested(ev.StopKind.SUSPEND)


def tell(machine: JobMachine, *events: ev.Event) -> list[ev.Instruction]:
    return [order for event in events for order in machine.handle(event, Moment(0.0))]


def deployed() -> JobMachine:
    machine = JobMachine(JOB)
    subtasks = frozenset({FIRST, SECOND})
    planned = ev.Planned(
        slots=2, subtasks=subtasks, strategy=FixedDelay(3, 5.0), checkpointing=True, cancel_grace=GRACE
    )
    tell(machine, planned, ev.Claimed(Epoch(1)), ev.SlotsGranted((A, B)))
    return machine


def running() -> JobMachine:
    machine = deployed()
    tell(machine, ev.SubtaskRunning(NOW, FIRST), ev.SubtaskRunning(NOW, SECOND))
    return machine


def committing() -> JobMachine:
    machine = running()
    tell(machine, ev.SubtaskEnded(NOW, FIRST), ev.SubtaskEnded(NOW, SECOND))
    return machine


def saving() -> JobMachine:
    machine = running()
    tell(machine, ev.SavepointStopRequested(NOW))
    return machine


def delivering(stop: ev.StopRequested = CANCEL) -> JobMachine:
    machine = running()
    tell(machine, stop)
    return machine


def cancelled(orders: list[ev.Instruction]) -> bool:
    return any(isinstance(order, ev.CancelTasks) for order in orders)


@pytest.mark.parametrize("make", [running, committing, saving])
@pytest.mark.parametrize(("stop", "end"), [(CANCEL, JobState.CANCELED), (SUSPEND, JobState.SUSPENDED)])
def test_a_stop_delivers_first_and_cancels_then(
    make: Callable[[], JobMachine], stop: ev.StopRequested, end: JobState
) -> None:
    machine = make()
    assert tell(machine, stop) == [ev.StartGrace(NOW, GRACE), ev.DeliverCommits(NOW)]
    assert (machine.phase, machine.state) == (Phase.DELIVERING, JobState.CANCELLING)
    assert tell(machine, ev.CommitsDelivered(NOW)) == [ev.StopCheckpoints(NOW), ev.CancelTasks(NOW, (A, B))]
    gone = tell(machine, ev.CheckpointsStopped(NOW), ev.WorkerGone(A, LOST), ev.WorkerGone(B, LOST))
    ends = ev.WriteTerminal(end, None) if end is JobState.CANCELED else ev.Settle(end)
    assert gone == [ends]


def test_the_grace_is_one_for_commits_and_closing() -> None:
    machine = delivering()
    tell(machine, ev.CommitsDelivered(NOW))
    assert tell(machine, ev.GraceOver(NOW)) == [ev.ReleaseWorkers((A, B))]


def test_commits_that_take_too_long_are_left_to_whoever_starts_from_that_checkpoint() -> None:
    machine = delivering()
    assert tell(machine, ev.GraceOver(NOW)) == [
        ev.StopCheckpoints(NOW),
        ev.CancelTasks(NOW, (A, B)),
        ev.StartGrace(NOW, FAILURE_GRACE),
    ]
    assert machine.state is JobState.CANCELLING


def test_before_all_tasks_run_there_is_nothing_to_deliver() -> None:
    machine = deployed()
    assert cancelled(tell(machine, CANCEL))
    assert machine.phase is Phase.STOPPING


def test_a_task_that_fails_meanwhile_is_told_but_changes_nothing_about_the_stop() -> None:
    machine = delivering(SUSPEND)
    orders = tell(machine, ev.AttemptFailed(NOW, FAILED))
    assert orders[0] == ev.RecordFailure(FAILED, AttemptId(1))
    assert cancelled(orders)
    gone = tell(machine, ev.CheckpointsStopped(NOW), ev.WorkerGone(A, LOST), ev.WorkerGone(B, LOST))
    assert gone == [ev.Settle(JobState.SUSPENDED)]


def test_a_worker_that_dies_meanwhile_is_told_and_not_cancelled_any_more() -> None:
    machine = delivering()
    orders = tell(machine, ev.WorkerGone(A, LOST))
    assert orders[0] == ev.RecordFailure(LOST, AttemptId(1))
    assert ev.CancelTasks(NOW, (B,)) in orders
    assert machine.workers == {B}


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        ((CANCEL, CANCEL), JobState.CANCELED),
        ((CANCEL, SUSPEND), JobState.CANCELED),
        ((SUSPEND, CANCEL), JobState.CANCELED),
        ((SUSPEND, SUSPEND), JobState.SUSPENDED),
    ],
)
def test_whoever_stops_it_again_orders_nothing_and_cancel_wins(
    asked: tuple[ev.StopRequested, ev.StopRequested], end: JobState
) -> None:
    machine = delivering(asked[0])
    assert tell(machine, asked[1]) == []
    assert machine.phase is Phase.DELIVERING
    tell(machine, ev.CommitsDelivered(NOW), ev.CheckpointsStopped(NOW), ev.WorkerGone(A, LOST))
    last = tell(machine, ev.WorkerGone(B, LOST))[-1]
    assert isinstance(last, ev.WriteTerminal | ev.Settle)
    assert last.state is end


def test_input_that_ends_meanwhile_changes_nothing() -> None:
    machine = delivering()
    assert tell(machine, ev.SubtaskEnded(NOW, FIRST), ev.SubtaskEnded(NOW, SECOND)) == []
    assert machine.phase is Phase.DELIVERING


def test_a_fenced_job_delivers_nothing() -> None:
    machine = delivering()
    assert tell(machine, ev.FencedOut("epoch 2 exists")) == [
        ev.ReleaseWorkers((A, B)),
        ev.Settle(JobState.SUSPENDED),
    ]


def test_every_event_of_the_table_is_tried_here() -> None:
    assert TRANSITIONS[Phase.DELIVERING].keys() == {
        ev.CommitsDelivered,
        ev.GraceOver,
        ev.AttemptFailed,
        ev.WorkerGone,
        ev.StopRequested,
        ev.SubtaskEnded,
    }


# ---- what is owed


def numbered(number: int) -> CheckpointId:
    return CheckpointId(number)


def test_nothing_is_owed_before_a_checkpoint_is_announced() -> None:
    commits = Commits()
    commits.promise(FIRST, numbered(1))
    assert commits.all_done
    commits.announce(numbered(1))
    assert not commits.all_done


def test_all_is_done_when_every_subtask_acknowledged_its_newest_promise() -> None:
    commits = Commits()
    for subtask in (FIRST, SECOND):
        commits.promise(subtask, numbered(1))
    commits.promise(FIRST, numbered(2))
    commits.announce(numbered(2))
    commits.acknowledge(SECOND, numbered(1))
    commits.acknowledge(FIRST, numbered(1))
    assert not commits.all_done
    commits.acknowledge(FIRST, numbered(2))
    assert commits.all_done
    assert commits.announced_to == 2


def test_what_belongs_to_a_checkpoint_that_failed_is_owed_with_the_next() -> None:
    commits = Commits()
    commits.promise(FIRST, numbered(1))
    commits.announce(numbered(2))
    assert not commits.all_done
    commits.acknowledge(FIRST, numbered(2))
    assert commits.all_done


def test_a_promise_for_a_later_checkpoint_is_not_owed_with_an_earlier_one() -> None:
    commits = Commits()
    commits.promise(FIRST, numbered(2))
    commits.announce(numbered(1))
    assert commits.all_done


def test_an_older_acknowledgement_takes_nothing_back() -> None:
    commits = Commits()
    commits.promise(FIRST, numbered(3))
    commits.announce(numbered(3))
    commits.acknowledge(FIRST, numbered(3))
    commits.acknowledge(FIRST, numbered(2))
    assert commits.all_done
