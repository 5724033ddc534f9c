"""A whole job against workers that are only a gateway's memory, on storage in memory and time that jumps."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import pytest

from tests.support.manual_loop import ManualClock, at_once, run
from weir.errors import FailureKind
from weir.graph.logical import Chaining, LogicalEdge, LogicalGraph, LogicalNode, NodeKind, Partitioning
from weir.ids import JobId, OperatorId, SubtaskId, TaskManagerId, WorkerId
from weir.jobmanager.deployment.slot_request import SLOT_TIMEOUT
from weir.jobmanager.history.journal import Journal, StoredJournal
from weir.jobmanager.history.unstored_journal import UnstoredJournal
from weir.jobmanager.job import Job
from weir.jobmanager.job_services import JobServices
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.planning import PlannedJob, PlanningError, planned
from weir.jobmanager.slots.slot_pool import SlotPool
from weir.rpc import messages
from weir.rpc.fingerprint import named
from weir.rpc.messages import Failure, JobSpec
from weir.rpc.requests import JobState
from weir.state.snapshot import OperatorSubtaskState, inline_handle
from weir.storage import MemoryStorage

JOB = JobId("b" * 32)
FAILURE = Failure(kind=FailureKind.USER, message="job.py:7: ValueError: no")


def graph() -> LogicalGraph:
    nodes = (
        LogicalNode(id=1, kind=NodeKind.SOURCE, name="numbers", type="source", uid="numbers"),
        LogicalNode(id=2, kind=NodeKind.SINK, name="out", type="sink", uid="out", chaining=Chaining.NEVER),
    )
    edges = (LogicalEdge(id=0, source=1, target=2, partitioning=Partitioning.REBALANCE),)
    return LogicalGraph(name="job", nodes=nodes, edges=edges)


class World:
    """A pool of workers, and what a job told them. Workers answer only what a test lets them."""

    def __init__(self, checkpointing: bool = True, workers: int = 2) -> None:
        self.clock = ManualClock(asyncio.get_running_loop())
        self.pool = SlotPool()
        self.sent: list[tuple[WorkerId, messages.ToWorkerMessage]] = []
        self.released: list[WorkerId] = []
        self.fenced: list[str] = []
        self.root = f"memory://{secrets.token_hex(8)}"
        self.started = 0
        settings = {"execution.checkpointing.interval": "10s"} if checkpointing else {}
        self.spec = JobSpec(
            name="job",
            entrypoint="x:y",
            parallelism=2,
            overrides={**settings, "restart-strategy.type": "fixed-delay"} if checkpointing else {},
            checkpoint_storage=self.root,
        )
        self.jobs: list[Job] = []
        for _ in range(workers):
            self.add_worker()

    def job(self, *, recovering: bool = False, plan: Callable[[JobSpec], PlannedJob] | None = None) -> Job:
        async def planner(spec: JobSpec) -> PlannedJob:
            return planned(spec, graph()) if plan is None else plan(spec)

        services = JobServices(
            clock=self.clock,
            gateway=self,
            pool=self.pool,
            planner=planner,
            journal_of=self.journal,
            fenced=self.fenced.append,
            jitter=lambda: 0.0,
            blocking=at_once,
            replan=planner,
        )
        made = Job(JOB, self.spec, services, recovering=recovering)
        self.jobs.append(made)
        made.start()
        return made

    def journal(self, job: PlannedJob, job_id: JobId) -> Journal:
        if not job.options.checkpoints.enabled:
            return UnstoredJournal(job.spec, job_id)
        return StoredJournal(job.spec, job_id, self.root, "test", self.clock)

    # ---- Gateway

    def send(self, worker: WorkerId, message: messages.ToWorkerMessage) -> None:
        self.sent.append((worker, message))

    def release(self, worker: WorkerId) -> None:
        self.released.append(worker)
        failure = Failure(kind=FailureKind.WORKER_LOST, message="released")
        asyncio.get_running_loop().call_soon(self.lose, worker, failure)

    def data_address(self, worker: WorkerId) -> str:
        return f"{worker}:1"

    # ---- what happens to workers

    def add_worker(self) -> None:
        self.started += 1
        self.pool.add(WorkerId(f"w{self.started}"), TaskManagerId("tm"))

    def lose(self, worker: WorkerId, failure: Failure) -> None:
        self.pool.remove(worker)
        for job in self.jobs:
            job.worker_lost(worker, failure)
        self.add_worker()

    # ---- what workers say

    def of(self, kind: type) -> list:
        return [message for _, message in self.sent if isinstance(message, kind)]

    async def until(self, condition: Callable[[], bool], seconds: float = 1000.0) -> None:
        deadline = self.clock.monotonic() + seconds
        while not condition():
            assert self.clock.monotonic() < deadline, [type(message).__name__ for _, message in self.sent]
            await asyncio.sleep(0.01)

    async def deployed(self, attempt: int = 1) -> dict[SubtaskId, messages.Deploy]:
        def found() -> list[messages.Deploy]:
            return [deploy for deploy in self.of(messages.Deploy) if deploy.execution.attempt == attempt]

        await self.until(lambda: len(found()) == 2)
        return {SubtaskId(task.vertex, task.index): deploy for deploy in found() for task in deploy.tasks}

    async def run_all(self, job: Job, attempt: int = 1) -> messages.Execution:
        tasks = await self.deployed(attempt)
        execution = next(iter(tasks.values())).execution
        for subtask in tasks:
            self.say(
                job, messages.TaskRunning(execution=execution, vertex=subtask.vertex, index=subtask.index)
            )
        return execution

    def say(self, job: Job, message: messages.FromWorkerMessage) -> None:
        job.hear(WorkerId("w1"), message)

    async def acknowledge(self, job: Job, number: int, *, commits: bool = False, but: int = 0) -> None:
        """All subtasks, ``but`` for so many, acknowledge checkpoint ``number``."""
        await self.until(lambda: any(t.checkpoint_id == number for t in self.of(messages.TriggerCheckpoint)))
        deploy = self.of(messages.Deploy)[-1]
        subtasks = [(vertex, index) for vertex in deploy.plan.vertices for index in range(vertex.parallelism)]
        for vertex, index in subtasks[but:]:
            operator = vertex.operators[-1].operator_id
            state = OperatorSubtaskState(
                subtask=index,
                operator=inline_handle(f"{number}".encode()),
                has_commits=commits and vertex.name == "out",
            )
            self.say(
                job,
                messages.CheckpointAck(
                    execution=deploy.execution,
                    checkpoint_id=number,
                    vertex=vertex.id,
                    index=index,
                    states={OperatorId(operator): state},
                    finished=False,
                    stats=messages.SnapshotStats(),
                ),
            )

    def end_all(self, job: Job, execution: messages.Execution) -> None:
        for vertex in self.of(messages.Deploy)[-1].plan.vertices:
            for index in range(vertex.parallelism):
                self.say(job, messages.TaskEnded(execution=execution, vertex=vertex.id, index=index))

    def committed(self, job: Job, execution: messages.Execution, number: int) -> None:
        for vertex in self.of(messages.Deploy)[-1].plan.vertices:
            if vertex.name == "out":
                for index in range(vertex.parallelism):
                    self.say(
                        job,
                        messages.CommitsDone(
                            execution=execution, checkpoint_id=number, vertex=vertex.id, index=index
                        ),
                    )

    def stored(self) -> list[str]:
        storage = MemoryStorage.named(self.root.removeprefix("memory://"))
        return sorted(info.name.removeprefix(f"{JOB}/") for info in storage.list())


def test_checkpoints_are_published_in_storage_before_workers_hear_of_them() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        await world.acknowledge(job, 1)
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        assert world.stored() == [
            f"by-name/local/job/{JOB}",
            "chk-1/_metadata",
            "fence/000000000001",
            "fence/000000000002",
        ]
        assert job.status().checkpoints.last is not None
        assert job.status().checkpoints.completed == 1
        assert world.clock.monotonic() >= 10.0, "the first comes after one interval"

    run(scenario)


def test_triggers_go_only_where_enumerators_are() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        await world.until(lambda: world.of(messages.TriggerCheckpoint) != [])
        receivers = [
            worker for worker, message in world.sent if isinstance(message, messages.TriggerCheckpoint)
        ]
        (deploy,) = [
            deploy
            for deploy in world.of(messages.Deploy)
            if any(deploy.plan.vertex(task.vertex).kind == "enumerator" for task in deploy.tasks)
        ]
        holder = next(worker for worker, message in world.sent if message is deploy)
        assert receivers == [holder]

    run(scenario)


def test_a_failed_attempt_is_followed_by_one_from_the_last_checkpoint_on_fresh_workers() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        await world.acknowledge(job, 1)
        await world.until(lambda: job.status().checkpoints.completed == 1)
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        tasks = await world.deployed(attempt=2)
        restored = [
            task
            for subtask, deploy in tasks.items()
            for task in deploy.tasks
            if task.restored and (task.vertex, task.index) == subtask
        ]
        assert len(restored) == 5, "the enumerator, two readers, two sinks"
        handle = restored[0].restored[0].states[0].operator
        assert handle is not None
        assert handle.data == b"1"
        assert world.released == ["w1", "w2"]
        assert {worker for worker, m in world.sent if isinstance(m, messages.Deploy)} == {
            "w1",
            "w2",
            "w3",
            "w4",
        }
        assert job.status().restarts == 1
        assert job.status().failures[0].failure == named(FAILURE)

    run(scenario)


def test_workers_get_a_short_grace_to_close_before_they_are_released() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        failed_at = world.clock.monotonic()
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        assert len(world.of(messages.CancelTasks)) == 2
        await asyncio.sleep(0)
        assert world.released == []
        job.hear(WorkerId("w2"), messages.TasksCancelled(execution=execution))
        assert world.released == ["w2"]
        await world.until(lambda: world.released == ["w2", "w1"])
        assert world.clock.monotonic() - failed_at == pytest.approx(3.0, abs=0.1)

    run(scenario)


def test_a_job_finishes_only_after_its_last_commits_are_acknowledged() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        ended_at = world.clock.monotonic()
        world.end_all(job, execution)
        await world.acknowledge(job, 1, commits=True)
        assert world.clock.monotonic() - ended_at < 1, "the final checkpoint does not wait for the interval"
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        await asyncio.sleep(5)
        assert world.of(messages.FinishTasks) == []
        world.committed(job, execution, 1)
        assert len(world.of(messages.FinishTasks)) == 2
        for worker in ("w1", "w2"):
            job.hear(WorkerId(worker), messages.TasksCancelled(execution=execution))
        await job.settled.wait()
        assert job.state is JobState.FINISHED
        assert world.stored() == [
            f"by-name/local/job/{JOB}",
            "fence/000000000001",
            "fence/000000000002",
            "fence/000000000003",
        ]

    run(scenario)


def test_without_checkpoints_a_final_round_still_commits_and_stores_nothing() -> None:
    async def scenario() -> None:
        world = World(checkpointing=False)
        job = world.job()
        execution = await world.run_all(job)
        assert world.of(messages.Deploy)[0].checkpoint_root is None
        world.end_all(job, execution)
        await world.acknowledge(job, 1, commits=True)
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        world.committed(job, execution, 1)
        for worker in ("w1", "w2"):
            job.hear(WorkerId(worker), messages.TasksCancelled(execution=execution))
        await job.settled.wait()
        assert job.state is JobState.FINISHED
        assert world.stored() == []

    run(scenario)


def test_without_checkpoints_a_failure_fails_the_job() -> None:
    async def scenario() -> None:
        world = World(checkpointing=False)
        job = world.job()
        execution = await world.run_all(job)
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        await job.settled.wait()
        assert job.state is JobState.FAILED
        assert "checkpointing is off" in job.status().failures[-1].failure.message

    run(scenario)


def test_late_messages_of_an_older_attempt_change_nothing() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        old = await world.run_all(job)
        world.say(job, messages.TaskFailed(execution=old, failure=FAILURE))
        tasks = await world.deployed(attempt=2)
        sent = len(world.sent)
        vertex, index = next(iter(tasks))
        world.say(job, messages.TaskRunning(execution=old, vertex=vertex, index=index))
        world.say(job, messages.TaskFailed(execution=old, failure=FAILURE))
        world.say(job, messages.CommitsDone(execution=old, checkpoint_id=1, vertex=vertex, index=index))
        assert len(world.sent) == sent
        assert job.state is JobState.RUNNING

    run(scenario)


def test_a_suspended_job_keeps_its_checkpoints_and_goes_on_from_them() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        await world.acknowledge(job, 1)
        await world.until(lambda: job.status().checkpoints.completed == 1)
        job.stop_nowait(StopKind.SUSPEND)
        await job.settled.wait()
        assert job.state is JobState.SUSPENDED
        assert "chk-1/_metadata" in world.stored()
        world.sent.clear()
        again = world.job()
        await world.deployed()
        assert again.status().epoch == 2
        restored = again.status().checkpoints.restored
        assert restored is not None
        assert restored.id == 1

    run(scenario)


def test_a_cancelled_job_deletes_its_checkpoints_after_its_record() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        await world.acknowledge(job, 1)
        await world.until(lambda: job.status().checkpoints.completed == 1)
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        assert job.state is JobState.CANCELED
        assert [name for name in world.stored() if name.startswith("chk-")] == []

    run(scenario)


def test_a_jobmanager_that_was_overtaken_stops_everything_and_writes_nothing() -> None:
    async def scenario() -> None:
        world = World(workers=4)
        old = world.job()
        await world.run_all(old)
        await world.until(lambda: world.of(messages.TriggerCheckpoint) != [])
        world.job(recovering=True)
        await world.until(lambda: len(world.of(messages.Deploy)) == 4)
        before = world.stored()
        old_deploy = world.of(messages.Deploy)[0]
        world.sent = [("w1", old_deploy), *world.sent[len(world.sent) :]]
        world.sent.append(
            (
                WorkerId("w1"),
                messages.TriggerCheckpoint(execution=old_deploy.execution, checkpoint_id=1, timestamp_ms=0),
            )
        )
        await world.acknowledge(old, 1)
        await world.until(lambda: world.fenced != [])
        assert "must stop" in world.fenced[0]
        assert world.of(messages.NotifyComplete) == []
        assert old.is_settled
        assert {"w1", "w2"} <= set(world.released)
        assert [name for name in world.stored() if name.startswith("fence")] == [
            name for name in before if name.startswith("fence")
        ]

    run(scenario)


def test_a_recovered_job_that_had_finished_stays_finished() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        again = world.job(recovering=True)
        await again.settled.wait()
        assert again.state is JobState.CANCELED
        assert len(world.of(messages.Deploy)) == 2

    run(scenario)


def test_a_job_without_slots_says_so_and_fails_in_time() -> None:
    async def scenario() -> None:
        world = World(workers=1)
        job = world.job()
        await world.until(lambda: job.status().slots_required == 2)
        assert (job.status().state, job.status().slots_available) == (JobState.CREATED, 1)
        await job.settled.wait()
        assert world.clock.monotonic() == pytest.approx(SLOT_TIMEOUT, abs=1)
        assert job.state is JobState.FAILED
        assert "no 2 free slots within 300 s" in job.status().failures[-1].failure.message

    run(scenario)


def test_code_that_cannot_be_planned_fails_the_job_with_its_failure() -> None:
    def refuse(_spec: JobSpec) -> PlannedJob:
        raise PlanningError(FAILURE)

    async def scenario() -> None:
        job = World().job(plan=refuse)
        await job.settled.wait()
        assert job.state is JobState.FAILED
        assert job.status().failure == named(FAILURE)

    run(scenario)


def test_a_checkpoint_that_expires_fails_the_attempt_beyond_what_is_tolerated() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        await world.acknowledge(job, 1, but=1)
        await world.deployed(attempt=2)
        failure = job.status().failures[0].failure
        assert failure.kind is FailureKind.CHECKPOINT
        assert "tolerableFailures is 0" in failure.message
        assert {aborted.checkpoint_id for aborted in world.of(messages.NotifyAborted)} == {1}

    run(scenario)


def test_a_checkpoint_on_demand_comes_before_its_time_and_says_where_it_is() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        begun = job.trigger_checkpoint("c" * 32)
        assert job.trigger_checkpoint("c" * 32) == begun
        await world.acknowledge(job, 1)
        await world.until(lambda: job.operations.get(begun.kind, begun.trigger).done, seconds=5)
        ended = job.operations.get(begun.kind, begun.trigger)
        assert (ended.checkpoint, ended.failure) == (1, None)
        assert ended.path.endswith("/chk-1")
        assert [trigger.checkpoint_id for trigger in world.of(messages.TriggerCheckpoint)] == [1]
        stats = job.facts().checkpoints.recent[-1]
        assert stats.awaited == stats.acks.keys()
        now = world.clock.wall_ms()
        assert all(stats.triggered_ms <= ack.at_ms <= now for ack in stats.acks.values())

    run(scenario)


def test_a_checkpoint_on_demand_fails_when_no_tasks_run_or_the_job_ends() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        early = job.trigger_checkpoint()
        assert job.operations.get(early.kind, early.trigger).failure == "the job's tasks do not run"
        await world.run_all(job)
        begun = job.trigger_checkpoint()
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        late = job.trigger_checkpoint()
        for each in (begun, late):
            ended = job.operations.get(each.kind, each.trigger)
            assert ended.done
            assert "The job failed or was cancelled" in ended.failure

    run(scenario)


def test_facts_tell_when_each_state_was_entered_and_what_the_newest_attempt_was_restored_from() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        assert job.facts().checkpoints.restored is None
        await world.acknowledge(job, 1)
        await world.until(lambda: job.status().checkpoints.completed == 1)
        execution = world.of(messages.Deploy)[-1].execution
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        await world.run_all(job, attempt=2)
        found = job.facts()
        assert found.checkpoints.restores == 1
        assert found.checkpoints.restored.summary.id == 1
        assert found.checkpoints.restored.at_ms == world.clock.wall_ms()
        assert (
            found.entered[JobState.CREATED]
            < found.entered[JobState.RESTARTING]
            <= found.entered[JobState.RUNNING]
        )

    run(scenario)


def test_an_order_that_cannot_be_carried_out_fails_the_attempt_and_keeps_no_other_from_it() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        gone = {WorkerId("w1"), WorkerId("w2")}

        def send(worker: WorkerId, message: messages.ToWorkerMessage) -> None:
            if isinstance(message, messages.CancelTasks) and worker == "w1":
                raise RuntimeError("no way there")
            world.sent.append((worker, message))

        world.send = send  # type: ignore[method-assign]
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        await world.deployed(attempt=2)
        assert set(world.released) == gone, "the grace was begun although the order before it failed"

    run(scenario)
