"""One region fails while the others go on: what belongs to a region, and the life of one that returns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weir.errors import FailureKind
from weir.graph.logical import LogicalEdge, LogicalGraph, LogicalNode, NodeKind, Partitioning
from weir.graph.physical import PhysicalPlan, VertexKind
from weir.graph.plan import make_plan
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, SubtaskId, VertexId, WorkerId
from weir.jobmanager.checkpoints.commits import Commits
from weir.jobmanager.deployment.task_table import TaskTable
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle import region_events
from weir.jobmanager.lifecycle.job_phases import FAILURE_GRACE, Moment, Phase
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.jobmanager.lifecycle.regions import Region, regions_of
from weir.jobmanager.lifecycle.restart import FixedDelay, RestartStrategy
from weir.jobmanager.slots.slot_matching import match
from weir.rpc.messages import Execution, Failure, TaskMetrics
from weir.rpc.requests import JobState, TaskState

JOB = JobId("a" * 32)
A, B, C, D, E, F = (WorkerId(name) for name in "abcdef")
LOST = Failure(kind=FailureKind.WORKER_LOST, message="killed")
USER = Failure(kind=FailureKind.USER, message="job.py:1: ValueError: no")
DEAD = Failure(kind=FailureKind.USER, message="another plan", restartable=False)
NOW = Execution(JOB, Epoch(1), AttemptId(1))
LEFT = Region(frozenset({SubtaskId(VertexId("left"), 0), SubtaskId(VertexId("left"), 1)}), (0, 1))
RIGHT = Region(frozenset({SubtaskId(VertexId("right"), 0)}), (2,))
SECOND = AttemptId(2)


# ---- what belongs together


def plan_of(groups: dict[str, str], joined: bool = False, parallelism: int = 2) -> PhysicalPlan:
    """Two parts of source and sink, each operator in the slot sharing group that ``groups`` names."""
    nodes, edges = [], []
    for number, part in enumerate(("left", "right")):
        source, sink = 2 * number + 1, 2 * number + 2
        nodes += [
            LogicalNode(
                id=source,
                kind=NodeKind.SOURCE,
                name=part,
                type="source",
                uid=part,
                slot_group=groups[part],
                parallelism=parallelism,
            ),
            LogicalNode(
                id=sink,
                kind=NodeKind.SINK,
                name=f"{part}-out",
                type="sink",
                uid=f"{part}-out",
                slot_group=groups[part],
                parallelism=parallelism,
            ),
        ]
        edges.append(LogicalEdge(id=number, source=source, target=sink, partitioning=Partitioning.REBALANCE))
    if joined:
        edges.append(LogicalEdge(id=2, source=1, target=4, partitioning=Partitioning.REBALANCE))
    return make_plan(
        LogicalGraph(name="job", nodes=tuple(nodes), edges=tuple(edges)), parallelism, max_parallelism=128
    )


def names(region: Region, plan: PhysicalPlan) -> set[str]:
    return {plan.vertex(subtask.vertex).name for subtask in region.subtasks}


def test_parts_with_slots_of_their_own_are_regions_and_a_source_is_with_its_enumerator() -> None:
    plan = plan_of({"left": "a", "right": "b"})
    left, right = regions_of(plan)
    assert (left.slots, right.slots) == ((0, 1), (2, 3))
    assert names(left, plan) == {"left (enumerator)", "left", "left-out"}
    assert not left.subtasks & right.subtasks
    placed = match(plan, (A, B, C, D))
    assert {placed[subtask] for subtask in left.subtasks} == {A, B}
    assert len(placed) == len(left.subtasks | right.subtasks)


def test_parts_that_share_slots_are_one_region() -> None:
    plan = plan_of({"left": "default", "right": "default"})
    (all_of_it,) = regions_of(plan)
    assert all_of_it.slots == (0, 1)
    assert {plan.vertex(s.vertex).kind for s in all_of_it.subtasks} == {
        VertexKind.ENUMERATOR,
        VertexKind.READER,
        VertexKind.TASK,
    }


def test_parts_that_are_connected_are_one_region_whatever_their_slots() -> None:
    (all_of_it,) = regions_of(plan_of({"left": "a", "right": "b"}, joined=True))
    assert all_of_it.slots == (0, 1, 2, 3)


# ---- the life of one that fails


def tell(machine: JobMachine, *events: ev.Event) -> list[ev.Instruction]:
    return [order for event in events for order in machine.handle(event, Moment(0.0))]


def running(
    strategy: RestartStrategy | None = None, regions: tuple[Region, ...] = (LEFT, RIGHT)
) -> JobMachine:
    machine = JobMachine(JOB)
    subtasks = LEFT.subtasks | RIGHT.subtasks
    planned = ev.Planned(3, subtasks, strategy or FixedDelay(3, 5.0), True, 30.0, regions)
    tell(machine, planned, ev.Claimed(Epoch(1)), ev.SlotsGranted((A, B, C)))
    tell(machine, *(ev.SubtaskRunning(NOW, subtask) for subtask in sorted(subtasks)))
    assert machine.phase is Phase.RUNNING
    return machine


def stopping() -> JobMachine:
    machine = running()
    tell(machine, ev.AttemptFailed(NOW, USER, A))
    return machine


def backing_off() -> JobMachine:
    machine = stopping()
    tell(machine, region_events.CheckpointsPaused(NOW), ev.WorkerGone(A, LOST), ev.WorkerGone(B, LOST))
    return machine


def waiting() -> JobMachine:
    machine = backing_off()
    tell(machine, region_events.RegionRestartDue(NOW, SECOND))
    return machine


def starting() -> JobMachine:
    machine = waiting()
    tell(machine, ev.SlotsGranted((D, E)))
    return machine


def test_only_the_workers_of_the_failed_region_are_stopped() -> None:
    machine = running()
    assert tell(machine, ev.AttemptFailed(NOW, USER, A)) == [
        region_events.PauseCheckpoints(NOW),
        region_events.StopRegion(NOW, SECOND, LEFT.subtasks, (A, B), FAILURE_GRACE),
    ]
    assert (machine.phase, machine.state) == (Phase.REGION_STOPPING, JobState.RESTARTING)
    assert tell(machine, ev.WorkerStopped(NOW, B)) == [ev.ReleaseWorkers((B,))]
    assert tell(machine, region_events.RegionGraceOver(NOW, SECOND)) == [ev.ReleaseWorkers((A, B))]


def test_a_lost_worker_fails_its_region() -> None:
    machine = running()
    orders = tell(machine, ev.WorkerGone(C, LOST))
    assert orders[1] == region_events.StopRegion(NOW, SECOND, RIGHT.subtasks, (), FAILURE_GRACE)
    assert tell(machine, region_events.CheckpointsPaused(NOW)) == [
        ev.RecordFailure(LOST, AttemptId(1)),
        region_events.ScheduleRegionRestart(NOW, SECOND, 5.0),
    ]


@pytest.mark.parametrize("last", ["worker", "publishing"])
def test_it_returns_when_its_workers_are_gone_and_nothing_is_being_published(last: str) -> None:
    machine = stopping()
    events: list[ev.Event] = [ev.WorkerGone(A, LOST), ev.WorkerGone(B, LOST)]
    events.insert(0 if last == "worker" else 2, region_events.CheckpointsPaused(NOW))
    assert tell(machine, *events[:-1]) == []
    assert tell(machine, events[-1]) == [
        ev.RecordFailure(USER, AttemptId(1)),
        region_events.ScheduleRegionRestart(NOW, SECOND, 5.0),
    ]


def test_it_is_given_slots_deployed_and_checkpoints_go_on_when_all_run() -> None:
    machine = backing_off()
    assert tell(machine, region_events.RegionRestartDue(NOW, SECOND)) == [ev.RequestSlots(2)]
    assert tell(machine, ev.SlotsGranted((D, E))) == [
        region_events.DeployRegion(NOW, SECOND, LEFT.subtasks, (D, E, C), (D, E))
    ]
    assert (machine.restarts, machine.attempt, machine.workers) == (1, 1, {C, D, E})
    first, second = sorted(LEFT.subtasks)
    assert tell(machine, ev.SubtaskRunning(NOW, first)) == []
    assert tell(machine, ev.SubtaskRunning(NOW, second)) == [
        region_events.ResumeCheckpoints(NOW, LEFT.subtasks)
    ]
    assert (machine.phase, machine.state) == (Phase.RUNNING, JobState.RUNNING)
    assert machine.region_attempts == {LEFT: 2, RIGHT: 1}


def test_it_may_fail_again_and_others_after_it_each_with_a_number_of_its_own() -> None:
    machine = starting()
    tell(machine, *(ev.SubtaskRunning(NOW, subtask) for subtask in LEFT.subtasks))
    orders = tell(machine, ev.AttemptFailed(NOW, USER, C))
    assert orders[1] == region_events.StopRegion(NOW, AttemptId(3), RIGHT.subtasks, (C,), FAILURE_GRACE)
    orders = tell(machine, region_events.CheckpointsPaused(NOW), ev.WorkerGone(C, LOST))
    assert orders[0] == ev.RecordFailure(USER, AttemptId(1))
    tell(machine, region_events.RegionRestartDue(NOW, AttemptId(3)), ev.SlotsGranted((F,)))
    assert machine.placed == (D, E, F)
    # And all together after that: a number that no region had.
    tell(machine, ev.AttemptFailed(NOW, LOST))
    tell(machine, ev.CheckpointsStopped(NOW), *(ev.WorkerGone(w, LOST) for w in (D, E, F)))
    (order,) = tell(machine, ev.RestartDue(AttemptId(1)), ev.SlotsGranted((A, B, C)))[1:]
    assert order == ev.DeployAttempt(Execution(JOB, Epoch(1), AttemptId(4)), (A, B, C))


def test_input_of_the_others_may_end_meanwhile_and_the_regions_own_end_does_not_count_any_more() -> None:
    machine = running()
    (right,) = RIGHT.subtasks
    left = sorted(LEFT.subtasks)
    tell(machine, ev.SubtaskEnded(NOW, left[0]), ev.AttemptFailed(NOW, USER, A), ev.SubtaskEnded(NOW, right))
    tell(machine, region_events.CheckpointsPaused(NOW), ev.WorkerGone(A, LOST), ev.WorkerGone(B, LOST))
    tell(machine, region_events.RegionRestartDue(NOW, SECOND), ev.SlotsGranted((D, E)))
    assert machine.ended == {right}
    tell(machine, *(ev.SubtaskEnded(NOW, subtask) for subtask in left))
    orders = tell(machine, *(ev.SubtaskRunning(NOW, subtask) for subtask in left))
    assert orders == [
        region_events.ResumeCheckpoints(NOW, LEFT.subtasks),
        ev.TakeFinalCheckpoint(NOW),
    ]


def test_the_likelier_cause_of_its_end_is_the_one_that_is_told() -> None:
    machine = running()
    tell(machine, ev.WorkerGone(A, LOST), ev.AttemptFailed(NOW, USER, B))
    orders = tell(machine, region_events.CheckpointsPaused(NOW), ev.WorkerGone(B, LOST))
    assert orders[0] == ev.RecordFailure(USER, AttemptId(1))


# ---- what takes all down


def everything_stops(orders: list[ev.Instruction]) -> bool:
    return ev.StopCheckpoints(NOW) in orders and any(isinstance(order, ev.CancelTasks) for order in orders)


def test_a_failure_that_belongs_to_no_region_fails_all() -> None:
    machine = running()
    assert everything_stops(tell(machine, ev.AttemptFailed(NOW, USER)))


def test_a_job_of_one_region_fails_as_a_whole() -> None:
    machine = running(regions=(Region(LEFT.subtasks | RIGHT.subtasks, (0, 1, 2)),))
    assert everything_stops(tell(machine, ev.AttemptFailed(NOW, USER, A)))


def test_a_strategy_that_gives_up_ends_the_job_not_the_region() -> None:
    machine = running(FixedDelay(0, 1.0))
    assert everything_stops(tell(machine, ev.AttemptFailed(NOW, USER, A)))
    assert machine.state is JobState.FAILING


def test_a_failure_that_no_restart_cures_ends_the_job_also_while_its_region_stops() -> None:
    machine = running()
    assert everything_stops(tell(machine, ev.AttemptFailed(NOW, DEAD, A)))
    machine = stopping()
    assert everything_stops(tell(machine, ev.AttemptFailed(NOW, DEAD, B)))
    assert machine.state is JobState.FAILING


@pytest.mark.parametrize("make", [stopping, backing_off, waiting, starting])
@pytest.mark.parametrize(
    "event",
    [ev.AttemptFailed(NOW, USER, C), ev.AttemptFailed(NOW, USER), ev.WorkerGone(C, LOST)],
    ids=["task", "checkpoints", "worker"],
)
def test_another_failure_while_it_is_down_takes_all_down(
    make: Callable[[], JobMachine], event: ev.Event
) -> None:
    machine = make()
    withdraws = machine.phase is Phase.REGION_WAITING
    orders = tell(machine, event)
    assert everything_stops(orders)
    assert (orders[0] == ev.WithdrawSlotRequest()) == withdraws
    assert machine.phase is Phase.STOPPING
    assert machine.recovery is None


@pytest.mark.parametrize("make", [stopping, backing_off, waiting, starting])
@pytest.mark.parametrize("kind", list(ev.StopKind))
def test_a_person_may_stop_the_job_while_it_is_down(
    make: Callable[[], JobMachine], kind: ev.StopKind
) -> None:
    machine = make()
    assert everything_stops(tell(machine, ev.StopRequested(kind)))
    assert machine.state is JobState.CANCELLING


def test_its_second_failure_before_it_runs_takes_all_down() -> None:
    assert everything_stops(tell(starting(), ev.AttemptFailed(NOW, USER, D)))
    assert everything_stops(tell(starting(), ev.WorkerGone(E, LOST)))
    assert everything_stops(tell(starting(), ev.DeployFailed(NOW, DEAD)))


def test_missing_slots_fail_the_job() -> None:
    machine = waiting()
    assert everything_stops(tell(machine, ev.SlotsMissing(LOST)))
    assert machine.state is JobState.FAILING


@pytest.mark.parametrize("make", [running, starting, backing_off])
def test_timers_of_an_earlier_recovery_are_nothing(make: Callable[[], JobMachine]) -> None:
    machine = make()
    earlier = AttemptId(machine.last_attempt - 1)
    before = machine.phase
    late = [region_events.RegionGraceOver(NOW, earlier), region_events.RegionRestartDue(NOW, earlier)]
    assert tell(machine, *late) == []
    assert machine.phase is before


# ---- what else knows of regions


def test_commits_of_subtasks_that_were_restored_are_owed_no_more() -> None:
    commits = Commits()
    (right,) = RIGHT.subtasks
    for subtask in (*LEFT.subtasks, right):
        commits.promise(subtask, CheckpointId(1))
        commits.promise(subtask, CheckpointId(2))
    commits.announce(CheckpointId(1))
    commits.forget(LEFT.subtasks)
    assert not commits.all_done
    commits.acknowledge(right, CheckpointId(1))
    assert commits.all_done
    commits.announce(CheckpointId(2))
    commits.acknowledge(right, CheckpointId(2))
    assert commits.all_done, "what an aborted checkpoint promised of them is not owed either"


def test_rows_of_a_region_that_was_deployed_again_are_kept_as_sums_and_the_others_count_on() -> None:
    plan = plan_of({"left": "a", "right": "b"}, parallelism=1)
    table = TaskTable(plan)
    placed = match(plan, (A, B))
    table.begin_attempt(placed, 0, attempt=1)
    readers = [vertex for vertex in plan.vertices if vertex.kind is VertexKind.READER]
    counted = [TaskMetrics(vertex=vertex.id, index=0, records_in=10) for vertex in readers]
    table.report(counted)
    (left, _) = regions_of(plan)
    table.begin_region(dict.fromkeys(left.subtasks, C), 5, attempt=2)
    assert table.totals()[0] == 20
    shown = {vertex.name: vertex.tasks[0] for vertex in table.vertices()}
    assert (shown["left"].attempt, shown["left"].state, shown["left"].worker) == (
        2,
        TaskState.INITIALIZING,
        C,
    )
    assert (shown["right"].attempt, shown["right"].worker, shown["right"].records_in) == (1, B, 10)
    table.report([TaskMetrics(vertex=vertex.id, index=0, records_in=15) for vertex in readers])
    assert table.totals()[0] == 10 + 15 + 15
