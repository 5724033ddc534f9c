"""An attempt that meets a damaged snapshot: the job is claimed anew, and what it restores then is not for its machine to say."""

from __future__ import annotations

import pytest

from tests.unit.weir.jobmanager.lifecycle.test_job_state import (
    FIRST,
    JOB,
    LOST,
    SECOND,
    A,
    B,
    execution,
    planned,
    tell,
)
from weir.errors import FailureKind
from weir.ids import Epoch, WorkerId
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.failing import goal_after, with_cause
from weir.jobmanager.lifecycle.job_phases import ChooseGoal, EndGoal, Moment, Phase, RestartGoal
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.jobmanager.lifecycle.restart import FixedDelay, NoRestart
from weir.rpc.messages import Failure
from weir.rpc.requests import JobState

NOW = Moment(1.0)
DAMAGED = Failure(
    kind=FailureKind.STORAGE, message="state file x is damaged", restartable=False, damaged=True
)
USER = Failure(kind=FailureKind.USER, message="job.py:1: no", restartable=False)


def deployed(*, checkpointing: bool = True) -> JobMachine:
    machine = JobMachine(JOB)
    tell(
        machine,
        planned(NoRestart(), checkpointing=checkpointing),
        ev.Claimed(Epoch(1)),
        ev.SlotsGranted((A, B)),
    )
    return machine


def taken_down(machine: JobMachine) -> list[ev.Instruction]:
    """Everything of the attempt ends after the damage was met; what follows from that."""
    tell(machine, ev.AttemptFailed(execution(1), DAMAGED, A))
    return tell(
        machine,
        ev.CheckpointsStopped(execution(1)),
        ev.WorkerGone(A, LOST),
        ev.WorkerGone(B, LOST),
    )


def test_the_job_is_claimed_anew_whatever_its_restart_strategy_and_deployed_in_a_new_epoch() -> None:
    machine = deployed()
    assert taken_down(machine)[-2:] == [ev.RecordFailure(DAMAGED, execution(1).attempt), ev.ClaimJob(DAMAGED)]
    assert (machine.phase, machine.epoch, machine.state) == (Phase.CLAIMING, None, JobState.RESTARTING)
    tell(machine, ev.AttemptFailed(execution(1), LOST, A), ev.WorkerGone(B, LOST))
    tell(machine, ev.Claimed(Epoch(2)))
    (order,) = tell(machine, ev.SlotsGranted((WorkerId("c"), WorkerId("d"))))
    assert isinstance(order, ev.DeployAttempt)
    assert order.execution == execution(2, epoch=2)
    assert machine.restarts == 1


def test_a_job_that_finds_nothing_safe_holds_without_a_record_of_its_end() -> None:
    machine = deployed()
    taken_down(machine)
    blocked = Failure(kind=FailureKind.STORAGE, message="no other is safe", restartable=False)
    assert tell(machine, ev.ClaimFailed(blocked)) == [
        ev.RecordFailure(blocked, execution(1).attempt),
        ev.Settle(JobState.FAILED),
    ]


def test_a_job_that_is_cancelled_while_it_is_claimed_anew_is_cancelled() -> None:
    machine = deployed()
    taken_down(machine)
    tell(machine, ev.StopRequested(ev.StopKind.CANCEL))
    (order,) = tell(machine, ev.Claimed(Epoch(2)))
    assert isinstance(order, ev.WriteTerminal) and order.state is JobState.CANCELED


def test_without_checkpoints_there_is_no_other_snapshot() -> None:
    machine = deployed(checkpointing=False)
    orders = taken_down(machine)
    assert isinstance(orders[-1], ev.WriteTerminal) and orders[-1].state is JobState.FAILED


def test_damage_in_an_attempt_that_runs_is_no_reason_for_another_snapshot() -> None:
    machine = deployed()
    tell(machine, ev.SubtaskRunning(execution(1), FIRST), ev.SubtaskRunning(execution(1), SECOND))
    assert isinstance(taken_down(machine)[-1], ev.WriteTerminal)


@pytest.mark.parametrize(
    ("goal", "failure", "after"),
    [
        (RestartGoal(1.0, LOST), DAMAGED, ChooseGoal(DAMAGED)),
        (RestartGoal(1.0, LOST), USER, EndGoal(JobState.FAILED, USER)),
        (ChooseGoal(DAMAGED), USER, ChooseGoal(DAMAGED)),
        (EndGoal(JobState.FAILED, LOST), DAMAGED, EndGoal(JobState.FAILED, DAMAGED)),
        (EndGoal(JobState.CANCELED), DAMAGED, EndGoal(JobState.CANCELED)),
        (RestartGoal(0.0, None), DAMAGED, RestartGoal(0.0, None)),
    ],
)
def test_the_likelier_cause_of_an_end_decides(goal: object, failure: Failure, after: object) -> None:
    assert with_cause(goal, failure, restoring=True) == after  # type: ignore[arg-type]


def test_no_restart_is_counted_for_a_snapshot_that_is_given_up() -> None:
    strategy = FixedDelay(1, 2.0)
    goal, same = goal_after(DAMAGED, strategy, NOW, restoring=True)
    assert (goal, same) == (ChooseGoal(DAMAGED), strategy)
    goal, _ = goal_after(LOST, same, NOW, restoring=True)
    assert goal == RestartGoal(2.0, LOST)
