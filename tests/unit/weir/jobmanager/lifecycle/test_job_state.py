"""The life of a job, event by event."""

from __future__ import annotations

import pytest

from weir.errors import FailureKind
from weir.ids import AttemptId, Epoch, JobId, SubtaskId, VertexId, WorkerId
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_phases import FAILURE_GRACE, TRANSITIONS, Moment, Phase
from weir.jobmanager.lifecycle.job_state import IllegalEvent, JobMachine
from weir.jobmanager.lifecycle.restart import FixedDelay, NoRestart, RestartStrategy
from weir.rpc.messages import Execution, Failure
from weir.rpc.requests import JobState

JOB = JobId("a" * 32)
FIRST, SECOND = SubtaskId(VertexId("v"), 0), SubtaskId(VertexId("v"), 1)
A, B, C, D = (WorkerId(name) for name in "abcd")
NOW = Moment(100.0)
USER = Failure(kind=FailureKind.USER, message="job.py:1: ValueError: no")
LOST = Failure(kind=FailureKind.WORKER_LOST, message="killed")


def execution(attempt: int, epoch: int = 1) -> Execution:
    return Execution(JOB, Epoch(epoch), AttemptId(attempt))


def planned(strategy: RestartStrategy | None = None, *, checkpointing: bool = True) -> ev.Planned:
    return ev.Planned(
        slots=2,
        subtasks=frozenset({FIRST, SECOND}),
        strategy=strategy or FixedDelay(attempts=3, delay=5.0),
        checkpointing=checkpointing,
        cancel_grace=30.0,
    )


def tell(machine: JobMachine, *events: ev.Event) -> list[ev.Instruction]:
    """All instructions that follow from ``events``."""
    return [order for event in events for order in machine.handle(event, NOW)]


def deployed(strategy: RestartStrategy | None = None) -> JobMachine:
    machine = JobMachine(JOB)
    tell(machine, planned(strategy), ev.Claimed(Epoch(1)), ev.SlotsGranted((A, B)))
    return machine


def running(strategy: RestartStrategy | None = None) -> JobMachine:
    machine = deployed(strategy)
    tell(machine, ev.SubtaskRunning(execution(1), FIRST), ev.SubtaskRunning(execution(1), SECOND))
    return machine


def committing() -> JobMachine:
    machine = running()
    tell(machine, ev.SubtaskEnded(execution(1), FIRST), ev.SubtaskEnded(execution(1), SECOND))
    return machine


def closing() -> JobMachine:
    machine = committing()
    tell(machine, ev.FinalCheckpointDone(execution(1)))
    return machine


def saving() -> JobMachine:
    machine = running()
    tell(machine, ev.SavepointStopRequested(execution(1)))
    return machine


def take_down(machine: JobMachine) -> list[ev.Instruction]:
    """The attempt's workers and checkpoints go, after its commits if a person wanted it."""
    attempt = machine.execution
    if machine.phase is Phase.DELIVERING:
        tell(machine, ev.CommitsDelivered(attempt))
    gone = [ev.WorkerGone(worker, LOST) for worker in sorted(machine.workers)]
    return tell(machine, ev.CheckpointsStopped(attempt), *gone)


def test_a_job_is_planned_claimed_given_slots_and_deployed() -> None:
    machine = JobMachine(JOB)
    assert machine.start() == [ev.MakePlan()]
    assert machine.state is JobState.CREATED
    assert tell(machine, planned()) == [ev.ClaimJob()]
    assert tell(machine, ev.Claimed(Epoch(7))) == [ev.RequestSlots(2)]
    assert tell(machine, ev.SlotsGranted((A, B))) == [ev.DeployAttempt(execution(1, epoch=7), (A, B))]
    assert machine.state is JobState.RUNNING


def test_checkpoints_begin_when_all_subtasks_run() -> None:
    machine = deployed()
    assert tell(machine, ev.SubtaskRunning(execution(1), FIRST)) == []
    assert tell(machine, ev.SubtaskRunning(execution(1), SECOND)) == [ev.StartCheckpoints(execution(1))]
    assert machine.phase is Phase.RUNNING


def test_a_job_whose_input_ends_commits_closes_and_finishes() -> None:
    machine = running()
    assert tell(machine, ev.SubtaskEnded(execution(1), FIRST)) == []
    assert tell(machine, ev.SubtaskEnded(execution(1), SECOND)) == [ev.TakeFinalCheckpoint(execution(1))]
    assert tell(machine, ev.FinalCheckpointDone(execution(1))) == [
        ev.StopCheckpoints(execution(1)),
        ev.FinishTasks(execution(1), (A, B)),
        ev.StartGrace(execution(1), 30.0),
    ]
    assert tell(machine, ev.WorkerStopped(execution(1), A), ev.CheckpointsStopped(execution(1))) == []
    assert tell(machine, ev.WorkerStopped(execution(1), B)) == [
        ev.ReleaseWorkers((A, B)),
        ev.WriteTerminal(JobState.FINISHED, None),
    ]
    assert machine.state is JobState.RUNNING, "finished only with its record"
    assert tell(machine, ev.TerminalWritten()) == [ev.Settle(JobState.FINISHED)]
    assert machine.state is JobState.FINISHED


def test_subtasks_may_end_before_others_run() -> None:
    machine = deployed()
    tell(machine, ev.SubtaskRunning(execution(1), FIRST), ev.SubtaskEnded(execution(1), FIRST))
    tell(machine, ev.SubtaskEnded(execution(1), SECOND))
    assert tell(machine, ev.SubtaskRunning(execution(1), SECOND)) == [
        ev.StartCheckpoints(execution(1)),
        ev.TakeFinalCheckpoint(execution(1)),
    ]


def test_a_failure_takes_the_whole_attempt_down_before_anything_else() -> None:
    machine = running()
    assert tell(machine, ev.AttemptFailed(execution(1), USER)) == [
        ev.StopCheckpoints(execution(1)),
        ev.CancelTasks(execution(1), (A, B)),
        ev.StartGrace(execution(1), FAILURE_GRACE),
    ]
    assert machine.state is JobState.RESTARTING


def test_a_worker_that_closed_its_functions_is_released_at_once() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER))
    assert tell(machine, ev.WorkerStopped(execution(1), B)) == [ev.ReleaseWorkers((B,))]


def test_workers_that_do_not_close_in_time_are_released() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER), ev.WorkerStopped(execution(1), B))
    tell(machine, ev.WorkerGone(B, LOST))
    assert tell(machine, ev.GraceOver(execution(1))) == [ev.ReleaseWorkers((A,))]


def test_the_next_attempt_waits_until_workers_are_gone_and_nothing_is_being_published() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER))
    assert tell(machine, ev.WorkerGone(A, LOST), ev.WorkerGone(B, LOST)) == []
    assert tell(machine, ev.CheckpointsStopped(execution(1))) == [
        ev.RecordFailure(USER, AttemptId(1)),
        ev.ScheduleRestart(AttemptId(1), 5.0),
    ]
    assert tell(machine, ev.RestartDue(AttemptId(1))) == [ev.RequestSlots(2)]
    assert machine.state is JobState.RESTARTING
    assert tell(machine, ev.SlotsGranted((C, D))) == [ev.DeployAttempt(execution(2), (C, D))]
    assert machine.restarts == 1


def test_what_an_older_attempt_says_is_dropped() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER))
    take_down(machine)
    tell(machine, ev.RestartDue(AttemptId(1)), ev.SlotsGranted((C, D)))
    late = [
        ev.SubtaskRunning(execution(1), FIRST),
        ev.SubtaskEnded(execution(1), FIRST),
        ev.AttemptFailed(execution(1), USER),
        ev.WorkerStopped(execution(1), A),
        ev.WorkerGone(A, LOST),
        ev.FinalCheckpointDone(execution(1)),
        ev.GraceOver(execution(1)),
        ev.RestartDue(AttemptId(1)),
        ev.SubtaskRunning(execution(2, epoch=2), FIRST),
    ]
    assert tell(machine, *late) == []
    assert machine.phase is Phase.STARTING
    assert machine.running == set()


def test_the_grace_of_a_stop_may_end_in_the_pause_after_it() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER))
    take_down(machine)
    assert tell(machine, ev.GraceOver(execution(1))) == []


def test_a_lost_worker_fails_the_attempt() -> None:
    machine = running()
    orders = tell(machine, ev.WorkerGone(A, LOST))
    assert ev.CancelTasks(execution(1), (B,)) in orders
    assert machine.workers == {B}


def test_a_lost_worker_of_another_job_is_nothing() -> None:
    assert tell(running(), ev.WorkerGone(WorkerId("z"), LOST)) == []


def test_the_users_failure_is_the_cause_even_if_its_consequences_came_first() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), LOST), ev.AttemptFailed(execution(1), USER))
    assert ev.RecordFailure(USER, AttemptId(1)) in take_down(machine)


def test_consequences_do_not_replace_the_cause() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER), ev.WorkerGone(A, LOST))
    assert ev.RecordFailure(USER, AttemptId(1)) in take_down(machine)


def test_a_cause_that_no_restart_cures_ends_a_restart_under_way() -> None:
    machine = running()
    final = Failure(kind=FailureKind.USER, message="another plan", restartable=False)
    tell(machine, ev.AttemptFailed(execution(1), LOST), ev.AttemptFailed(execution(1), final))
    assert ev.WriteTerminal(JobState.FAILED, final) in take_down(machine)


def test_a_failure_that_no_restart_cures_fails_the_job() -> None:
    machine = deployed()
    failure = Failure(kind=FailureKind.USER, message="other digest", restartable=False)
    tell(machine, ev.DeployFailed(execution(1), failure))
    assert machine.state is JobState.FAILING
    assert take_down(machine) == [
        ev.RecordFailure(failure, AttemptId(1)),
        ev.WriteTerminal(JobState.FAILED, failure),
    ]


def test_a_strategy_that_gives_up_fails_the_job_and_says_why() -> None:
    machine = running(NoRestart("checkpointing is off"))
    tell(machine, ev.AttemptFailed(execution(1), USER))
    record = take_down(machine)[0]
    assert isinstance(record, ev.RecordFailure)
    assert record.failure.message == f"{USER.message} (no restart: checkpointing is off)"


def test_code_that_cannot_be_loaded_fails_the_job_without_a_record() -> None:
    machine = JobMachine(JOB)
    assert tell(machine, ev.PlanningFailed(USER)) == [
        ev.RecordFailure(USER, AttemptId(0)),
        ev.Settle(JobState.FAILED),
    ]
    assert machine.state is JobState.FAILED


def test_a_job_that_cannot_be_claimed_fails() -> None:
    machine = JobMachine(JOB)
    tell(machine, planned())
    assert tell(machine, ev.ClaimFailed(USER))[-1] == ev.Settle(JobState.FAILED)


def test_a_job_that_had_ended_before_stays_ended() -> None:
    machine = JobMachine(JOB, recovering=True)
    tell(machine, planned())
    assert tell(machine, ev.FoundSettled(JobState.FINISHED)) == [ev.Settle(JobState.FINISHED)]
    assert machine.state is JobState.FINISHED


def test_a_recovered_job_without_checkpoints_fails_instead_of_starting_anew() -> None:
    machine = JobMachine(JOB, recovering=True)
    orders = tell(machine, planned(checkpointing=False))
    assert orders[-1] == ev.Settle(JobState.FAILED)
    assert isinstance(orders[0], ev.RecordFailure)
    assert "checkpointing is off" in orders[0].failure.message


def test_missing_slots_fail_the_job() -> None:
    machine = JobMachine(JOB)
    tell(machine, planned(), ev.Claimed(Epoch(1)))
    assert tell(machine, ev.SlotsMissing(LOST))[-1] == ev.WriteTerminal(JobState.FAILED, LOST)


def test_a_suspended_job_gets_no_terminal_record() -> None:
    machine = running()
    orders = tell(machine, ev.StopRequested(ev.StopKind.SUSPEND))
    assert ev.StartGrace(execution(1), 30.0) in orders, "a person's stop lets functions close"
    assert take_down(machine) == [ev.Settle(JobState.SUSPENDED)]
    assert machine.state is JobState.SUSPENDED


def test_a_cancelled_job_is_recorded_after_its_tasks_are_gone() -> None:
    machine = running()
    tell(machine, ev.StopRequested(ev.StopKind.CANCEL))
    assert machine.state is JobState.CANCELLING
    assert take_down(machine) == [ev.WriteTerminal(JobState.CANCELED, None)]


def test_cancel_wins_over_a_restart_and_over_a_suspension_under_way() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER), ev.StopRequested(ev.StopKind.SUSPEND))
    tell(machine, ev.StopRequested(ev.StopKind.CANCEL), ev.StopRequested(ev.StopKind.SUSPEND))
    assert take_down(machine) == [ev.WriteTerminal(JobState.CANCELED, None)]


def test_a_stop_while_planning_ends_the_child() -> None:
    orders = tell(JobMachine(JOB), ev.StopRequested(ev.StopKind.CANCEL))
    assert orders == [ev.AbandonPlan(), ev.Settle(JobState.CANCELED)]


def test_a_stop_while_claiming_waits_for_the_claim() -> None:
    machine = JobMachine(JOB)
    tell(machine, planned())
    assert tell(machine, ev.StopRequested(ev.StopKind.CANCEL)) == []
    assert tell(machine, ev.Claimed(Epoch(1))) == [ev.WriteTerminal(JobState.CANCELED, None)]


def test_a_stop_while_waiting_for_slots_withdraws_the_request() -> None:
    machine = JobMachine(JOB)
    tell(machine, planned(), ev.Claimed(Epoch(1)))
    assert tell(machine, ev.StopRequested(ev.StopKind.SUSPEND)) == [
        ev.WithdrawSlotRequest(),
        ev.Settle(JobState.SUSPENDED),
    ]


def test_a_stop_in_the_pause_before_a_restart_ends_the_job() -> None:
    machine = running()
    tell(machine, ev.AttemptFailed(execution(1), USER))
    take_down(machine)
    assert tell(machine, ev.StopRequested(ev.StopKind.SUSPEND)) == [ev.Settle(JobState.SUSPENDED)]
    assert tell(machine, ev.GraceOver(execution(1))) == []


def test_a_failure_while_committing_restarts_the_job() -> None:
    machine = committing()
    tell(machine, ev.AttemptFailed(execution(1), USER))
    assert ev.ScheduleRestart(AttemptId(1), 5.0) in take_down(machine)


def test_a_failure_while_closing_is_remembered_but_the_job_finished() -> None:
    machine = closing()
    assert tell(machine, ev.AttemptFailed(execution(1), USER)) == [ev.RecordFailure(USER, AttemptId(1))]
    tell(machine, ev.CheckpointsStopped(execution(1)), ev.WorkerGone(A, LOST))
    assert tell(machine, ev.GraceOver(execution(1)))[-1] == ev.WriteTerminal(JobState.FINISHED, None)


def test_a_person_cannot_stop_a_job_that_is_closing() -> None:
    machine = closing()
    assert tell(machine, ev.StopRequested(ev.StopKind.CANCEL)) == []
    assert machine.phase is Phase.CLOSING


def test_a_stop_with_a_savepoint_saves_closes_and_is_recorded_as_stopped() -> None:
    machine = running()
    assert tell(machine, ev.SavepointStopRequested(execution(1))) == [ev.TakeStopSavepoint(execution(1))]
    assert machine.state is JobState.RUNNING
    assert ev.FinishTasks(execution(1), (A, B)) in tell(machine, ev.FinalCheckpointDone(execution(1)))
    tell(machine, ev.CheckpointsStopped(execution(1)), ev.WorkerStopped(execution(1), A))
    orders = tell(machine, ev.WorkerStopped(execution(1), B))
    assert orders[-1] == ev.WriteTerminal(JobState.FINISHED, None, stopped=True)
    assert tell(machine, ev.TerminalWritten()) == [ev.Settle(JobState.FINISHED)]


def test_a_savepoint_that_fails_takes_all_tasks_back_to_the_last_checkpoint_at_once_and_is_no_restart() -> (
    None
):
    machine = saving()
    orders = tell(machine, ev.SavepointStopFailed(execution(1)))
    assert orders[0] == ev.StopCheckpoints(execution(1))
    assert take_down(machine) == [ev.RequestSlots(2)]
    assert machine.state is JobState.RESTARTING
    assert tell(machine, ev.SlotsGranted((C, D))) == [ev.DeployAttempt(execution(2), (C, D))]
    assert machine.restarts == 0
    tell(machine, ev.AttemptFailed(execution(2), USER))
    take_down(machine)
    tell(machine, ev.RestartDue(AttemptId(2)), ev.SlotsGranted((A, B)))
    assert machine.restarts == 1, "that one followed a failure"


def test_a_failure_while_saving_is_one_as_any_other() -> None:
    machine = saving()
    tell(machine, ev.WorkerGone(A, LOST))
    assert ev.ScheduleRestart(AttemptId(1), 5.0) in take_down(machine)


def test_input_that_ends_while_saving_changes_nothing_and_cancel_still_works() -> None:
    machine = saving()
    assert tell(machine, ev.SubtaskEnded(execution(1), FIRST), ev.SubtaskEnded(execution(1), SECOND)) == []
    assert machine.phase is Phase.SAVING
    tell(machine, ev.StopRequested(ev.StopKind.CANCEL))
    assert take_down(machine) == [ev.WriteTerminal(JobState.CANCELED, None)]


def test_a_rescale_restarts_at_once_with_other_slots_and_subtasks() -> None:
    machine = running()
    third = SubtaskId(VertexId("v"), 2)
    tell(machine, ev.RescaleReady(execution(1), 3, frozenset({FIRST, SECOND, third})))
    assert machine.slots == 3
    assert take_down(machine) == [ev.RequestSlots(3)]
    tell(machine, ev.SlotsGranted((A, B, C)))
    started = [ev.SubtaskRunning(execution(2), subtask) for subtask in (FIRST, SECOND)]
    assert tell(machine, *started) == []
    assert tell(machine, ev.SubtaskRunning(execution(2), third)) == [ev.StartCheckpoints(execution(2))]
    assert (machine.restarts, machine.epoch) == (0, 1)


def test_what_follows_from_a_planned_restart_is_no_cause_but_a_cancel_wins() -> None:
    machine = running()
    tell(machine, ev.RescaleReady(execution(1), 2, frozenset({FIRST, SECOND})))
    tell(machine, ev.AttemptFailed(execution(1), USER), ev.WorkerGone(A, LOST))
    assert machine.goal is not None
    assert machine.goal.failure is None
    tell(machine, ev.StopRequested(ev.StopKind.CANCEL))
    assert take_down(machine) == [ev.WriteTerminal(JobState.CANCELED, None)]


@pytest.mark.parametrize(
    "make", [JobMachine, lambda job: deployed(), lambda job: running(), lambda job: closing()]
)
def test_a_fenced_job_releases_everything_and_writes_nothing(make) -> None:
    machine = make(JOB)
    workers = tuple(sorted(machine.workers))
    orders = tell(machine, ev.FencedOut("epoch 2 exists"))
    released = [ev.ReleaseWorkers(workers)] if workers else []
    assert orders == [*released, ev.Settle(JobState.SUSPENDED)]
    assert machine.fenced == "epoch 2 exists"


@pytest.mark.parametrize(
    ("make", "event"),
    [
        (lambda: JobMachine(JOB), ev.Claimed(Epoch(1))),
        (lambda: JobMachine(JOB), ev.SlotsGranted((A, B))),
        (running, ev.TerminalWritten()),
        (running, ev.WorkerStopped(execution(1), A)),
        (running, ev.FinalCheckpointDone(execution(1))),
        (committing, ev.SubtaskEnded(execution(1), FIRST)),
        (running, planned()),
        (committing, ev.SavepointStopRequested(execution(1))),
        (saving, ev.SavepointStopRequested(execution(1))),
        (saving, ev.RescaleReady(execution(1), 1, frozenset())),
        (running, ev.SavepointStopFailed(execution(1))),
    ],
)
def test_an_event_that_cannot_happen_raises_and_changes_nothing(make, event: ev.Event) -> None:
    machine = make()
    before = vars(machine).copy()
    sets = {name: set(value) for name, value in before.items() if isinstance(value, set)}
    with pytest.raises(IllegalEvent, match=type(event).__name__):
        machine.handle(event, NOW)
    assert vars(machine) == before
    assert {name: set(getattr(machine, name)) for name in sets} == sets


def test_the_table_names_only_methods_that_exist() -> None:
    names = {name for row in TRANSITIONS.values() for name in row.values()}
    assert [name for name in names if not callable(getattr(JobMachine, f"_{name}", None))] == []


def test_every_phase_lets_a_person_stop_the_job() -> None:
    assert [phase for phase in Phase if ev.StopRequested not in TRANSITIONS[phase]] == []
