"""Savepoints, stops and rescales of a whole job against workers that are only a gateway's memory."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.manual_loop import run
from tests.unit.weir.jobmanager.test_job_shell import FAILURE, JOB, World, graph
from weir.errors import ConfigError, FailureKind, StorageUnavailable, WrongState
from weir.ids import TaskManagerId, WorkerId
from weir.jobmanager import steering
from weir.jobmanager.job import Job
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.operations import Operation
from weir.jobmanager.planning import PlannedJob, PlanningError, planned
from weir.jobmanager.rescales import in_place
from weir.rpc import messages
from weir.rpc.messages import Failure, JobSpec
from weir.rpc.requests import JobState
from weir.storage import MemoryStorage

TRIGGER = "ab" * 16
LOST = Failure(kind=FailureKind.WORKER_LOST, message="killed")


def place(world: World) -> MemoryStorage:
    return MemoryStorage.named(world.root.removeprefix("memory://") + "-savepoints")


def target(world: World) -> str:
    return f"{world.root}-savepoints/flights"


def now(job: Job, operation: Operation) -> Operation:
    found = job.operations.get(operation.kind, operation.trigger)
    assert found is not None
    return found


def triggers(world: World) -> list[messages.TriggerCheckpoint]:
    return world.of(messages.TriggerCheckpoint)


def records(world: World) -> list[dict]:
    storage = MemoryStorage.named(world.root.removeprefix("memory://"))
    return [json.loads(storage.read(info.name))["record"] for info in storage.list(f"{JOB}/fence/")]


async def close(world: World, job: Job, execution: messages.Execution) -> None:
    """The workers of the attempt close their functions."""
    for worker in sorted(job.machine.workers):
        job.hear(worker, messages.TasksCancelled(execution=execution))


# ---- savepoints


def test_a_savepoint_is_told_to_tasks_by_its_folder_and_recorded_and_committed_like_a_checkpoint() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        operation = job.steering.savepoint(target(world), TRIGGER)
        assert job.steering.savepoint(target(world), TRIGGER) == operation, "asked again"
        await world.until(lambda: triggers(world) != [])
        (trigger,) = triggers(world)
        folder = f"{target(world)}/savepoint-{JOB[:6]}-1"
        assert (trigger.savepoint, trigger.stop, trigger.drain) == (folder, False, False)
        await world.acknowledge(job, 1, commits=True)
        await world.until(lambda: now(job, operation).done)
        ended = now(job, operation)
        assert (ended.path, ended.checkpoint, ended.failure) == (folder, 1, None)
        assert world.of(messages.NotifyComplete)[0].checkpoint_id == 1
        assert [info.name for info in place(world).list()] == [f"flights/savepoint-{JOB[:6]}-1/_metadata"]
        assert records(world)[-1]["point"]["path"] == folder
        assert job.status().checkpoints.completed == 1

        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        tasks = await world.deployed(attempt=2)
        assert {deploy.restore_root for deploy in tasks.values()} == {folder}, "it is never rewound"

    run(scenario)


@pytest.mark.parametrize("given", [None, ""])
def test_without_any_folder_a_savepoint_is_refused_at_once(given: str | None) -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        for call in (job.steering.savepoint, job.steering.stop):
            with pytest.raises(ConfigError, match=r"no folder for the savepoint of job job was given"):
                call(given)
        assert triggers(world) == []

    run(scenario)


def test_a_folder_that_cannot_be_written_fails_the_savepoint_before_any_task_hears_of_it() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)

        def deny(name: str, data: bytes) -> None:
            raise StorageUnavailable(f"no place for {name}")

        place(world).write = deny  # type: ignore[method-assign]
        saved = job.steering.savepoint(target(world))
        stopped = job.steering.stop(target(world))
        await world.until(lambda: now(job, saved).done and now(job, stopped).done)
        assert "no place for" in str(now(job, saved).failure)
        assert "no place for" in str(now(job, stopped).failure)
        assert triggers(world) == []
        assert job.state is JobState.RUNNING
        assert job.status().notes[-1].startswith("was not stopped: ")

    run(scenario)


def test_a_savepoint_that_a_task_declines_is_discarded_and_counts_against_nothing() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        operation = job.steering.savepoint(target(world))
        await world.until(lambda: triggers(world) != [])
        await world.acknowledge(job, 1, but=1)
        vertex = world.of(messages.Deploy)[0].plan.vertices[0]
        world.say(
            job,
            messages.CheckpointDeclined(
                execution=execution, checkpoint_id=1, vertex=vertex.id, index=0, message="disk full"
            ),
        )
        await world.until(lambda: now(job, operation).done)
        assert "disk full" in str(now(job, operation).failure)
        assert job.state is JobState.RUNNING
        assert list(place(world).list()) == []

    run(scenario)


# ---- stop


def test_a_stop_is_done_only_after_commits_closing_and_its_record() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        operation = job.steering.stop(target(world), drain=True)
        await world.until(lambda: triggers(world) != [])
        assert (triggers(world)[0].stop, triggers(world)[0].drain) == (True, True)
        await world.acknowledge(job, 1, commits=True)
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        await asyncio.sleep(60)
        assert len(triggers(world)) == 1, "no checkpoint follows"
        assert world.of(messages.FinishTasks) == []
        assert not now(job, operation).done
        world.committed(job, execution, 1)
        assert len(world.of(messages.FinishTasks)) == 2
        await close(world, job, execution)
        await job.settled.wait()
        assert job.state is JobState.FINISHED
        assert [record["type"] for record in records(world)] == ["start", "checkpoint", "stopped"]
        ended = now(job, operation)
        assert (ended.failure, ended.path) == (None, records(world)[-1]["savepoint"]["path"])
        assert job.status().notes[-1] == f"stopped with savepoint {ended.path}"

        again = world.job(recovering=True)
        await again.settled.wait()
        assert again.state is JobState.FINISHED, "one that finds it stopped does not run it"
        further = world.job()
        await world.until(lambda: further.status().attempt == 1)
        assert world.of(messages.Deploy)[-1].restore_root == ended.path

    run(scenario)


def test_a_stop_whose_savepoint_fails_takes_the_job_back_without_a_restart() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        await world.acknowledge(job, 1)
        await world.until(lambda: job.status().checkpoints.completed == 1)
        operation = job.steering.stop(target(world))
        await world.until(lambda: triggers(world)[-1].stop)
        vertex = world.of(messages.Deploy)[0].plan.vertices[0]
        declined = messages.CheckpointDeclined(
            execution=execution, checkpoint_id=2, vertex=vertex.id, index=0, message="disk full"
        )
        world.say(job, declined)
        await world.until(lambda: now(job, operation).done)
        assert "disk full" in str(now(job, operation).failure)
        await world.run_all(job, attempt=2)
        status = job.status()
        assert (status.state, status.restarts, status.failures) == (JobState.RUNNING, 0, ())
        assert world.of(messages.Deploy)[-1].restore_root is None, "its own checkpoint"
        second = job.steering.stop(target(world))
        await world.until(lambda: triggers(world)[-1].checkpoint_id == 3)
        await world.acknowledge(job, 3)
        await world.until(lambda: world.of(messages.FinishTasks) != [])
        assert not now(job, second).done

    run(scenario)


def test_a_worker_lost_after_the_savepoint_but_before_its_commits_is_told_and_nothing_is_rewound() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        operation = job.steering.stop(target(world))
        await world.acknowledge(job, 1, commits=True)
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        world.lose(WorkerId("w1"), LOST)
        failure = str(now(job, operation).failure)
        assert (
            f"savepoint {target(world)}/savepoint-{JOB[:6]}-1 is complete, but the job could not stop"
            in failure
        )
        tasks = await world.deployed(attempt=2)
        assert {d.restore_root for d in tasks.values()} == {f"{target(world)}/savepoint-{JOB[:6]}-1"}
        assert job.status().restarts == 1

    run(scenario)


def test_a_cancel_while_the_job_stops_wins() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        operation = job.steering.stop(target(world))
        await world.until(lambda: triggers(world) != [])
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        assert job.state is JobState.CANCELED
        assert "the tasks were stopped" in str(now(job, operation).failure)

    run(scenario)


def test_a_cancel_after_the_savepoint_is_complete_keeps_it_and_the_job_does_not_go_on() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        operation = job.steering.stop(target(world))
        await world.acknowledge(job, 1, commits=True)
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        job.stop_nowait(StopKind.CANCEL)
        world.committed(job, execution, 1)
        await job.settled.wait()
        ended = now(job, operation)
        assert job.state is JobState.CANCELED
        assert str(ended.failure).endswith("but the job could not stop with it and is CANCELLING now")
        assert [info.name for info in place(world).list()] == [f"flights/savepoint-{JOB[:6]}-1/_metadata"]

    run(scenario)


def test_only_one_stop_at_a_time_and_only_of_a_job_that_runs() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        with pytest.raises(WrongState, match="is CREATED and not all of its tasks run"):
            job.steering.stop(target(world))
        execution = await world.run_all(job)
        first = job.steering.stop(target(world), trigger=TRIGGER)
        assert job.steering.stop(target(world), trigger=TRIGGER) == first
        with pytest.raises(WrongState, match=f"being stopped with a savepoint already .trigger {TRIGGER}"):
            job.steering.stop(target(world))
        await world.until(lambda: triggers(world) != [])
        with pytest.raises(WrongState, match="being stopped with a savepoint already"):
            job.steering.savepoint(target(world))
        await world.acknowledge(job, 1)
        await world.until(lambda: world.of(messages.FinishTasks) != [])
        with pytest.raises(WrongState, match="is at the end of its input and about to finish"):
            job.steering.rescale(3)
        await close(world, job, execution)
        await job.settled.wait()
        with pytest.raises(
            WrongState, match="a stop with a savepoint needs a running job, and job job is FINISHED"
        ):
            job.steering.stop(target(world))

    run(scenario)


def test_a_job_that_is_being_cancelled_is_said_to_be_and_not_to_try_again() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        job.stop_nowait(StopKind.CANCEL)
        with pytest.raises(WrongState, match=r"and job job is CANCELLING$"):
            job.steering.stop(target(world))
        await job.settled.wait()

    run(scenario)


def test_a_fault_on_the_way_ends_the_stop_so_that_another_may_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_folder: str, _trigger: str) -> None:
        raise OSError("out of file descriptors")

    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        with monkeypatch.context() as patch:
            patch.setattr(steering, "_check_writable", broken)
            asked = (job.steering.stop(target(world)), job.steering.savepoint(target(world)))
            await world.until(lambda: all(now(job, operation).done for operation in asked))
        assert {"out of file descriptors" in str(now(job, operation).failure) for operation in asked} == {
            True
        }
        job.steering.stop(target(world))
        await world.until(lambda: triggers(world) != [])
        assert job.state is JobState.RUNNING

    run(scenario)


def test_a_job_that_stores_no_checkpoints_can_be_saved_and_stopped() -> None:
    async def scenario() -> None:
        world = World(checkpointing=False)
        job = world.job()
        execution = await world.run_all(job)
        saved = job.steering.savepoint(target(world))
        await world.acknowledge(job, 1)
        await world.until(lambda: now(job, saved).done)
        stopped = job.steering.stop(target(world))
        await world.acknowledge(job, 2, commits=True)
        await world.until(lambda: len(world.of(messages.NotifyComplete)) == 4)
        world.committed(job, execution, 2)
        await close(world, job, execution)
        await job.settled.wait()
        assert (job.state, now(job, stopped).failure) == (JobState.FINISHED, None)
        names = [info.name for info in place(world).list()]
        assert names == [f"flights/savepoint-{JOB[:6]}-{number}/_metadata" for number in (1, 2)]
        assert world.stored() == []

    run(scenario)


# ---- rescale


def test_a_rescale_takes_a_checkpoint_and_deploys_the_new_plan_from_it_in_the_same_epoch() -> None:
    async def scenario() -> None:
        world = World(workers=4)
        job = world.job()
        await world.run_all(job)
        operation = job.steering.rescale(4, TRIGGER)
        assert job.steering.rescale(4, TRIGGER) == operation
        with pytest.raises(WrongState, match="is being rescaled to 4 already"):
            job.steering.rescale(3)
        assert job.steering.rescale(4).trigger == TRIGGER, "it is under way, so nothing else is begun"
        await world.acknowledge(job, 1, commits=True)
        await world.until(lambda: job.status().attempt == 2)
        deploys = [d for d in world.of(messages.Deploy) if d.execution.attempt == 2]
        assert len(deploys) == 4
        (plan,) = {deploy.plan.digest for deploy in deploys}
        assert plan != world.of(messages.Deploy)[0].plan.digest
        assert {deploy.settings["parallelism.default"] for deploy in deploys} == {"4"}
        assert {deploy.job.overrides["parallelism.default"] for deploy in deploys} == {"4"}
        assert not now(job, operation).done
        assert job.steering.rescale(4).trigger == TRIGGER, "also while the job is restarted for it"
        for deploy in deploys:
            for task in deploy.tasks:
                world.say(
                    job,
                    messages.TaskRunning(execution=deploy.execution, vertex=task.vertex, index=task.index),
                )
        assert now(job, operation).done and now(job, operation).failure is None
        status = job.status()
        assert (status.parallelism, status.slots_required, status.restarts, status.epoch) == (4, 4, 0, 1)
        await world.acknowledge(job, 2)
        await world.until(lambda: job.status().checkpoints.completed == 2)
        storage = MemoryStorage.named(world.root.removeprefix("memory://"))
        metadata = json.loads(storage.read(f"{JOB}/chk-2/_metadata"))
        assert {op["parallelism"] for op in metadata["operators"]} == {1, 4}

    run(scenario)


def test_a_checkpoint_of_just_now_is_young_enough() -> None:
    async def scenario() -> None:
        world = World(workers=4)
        job = world.job()
        await world.run_all(job)
        await world.acknowledge(job, 1)
        await world.until(lambda: job.status().checkpoints.completed == 1)
        job.steering.rescale(1)
        await world.until(lambda: job.status().attempt == 2)
        assert len(triggers(world)) == 1

    run(scenario)


def test_a_rescale_waits_for_slots_while_the_job_runs_on_and_gives_up() -> None:
    async def scenario() -> None:
        world = World(workers=2)
        job = world.job()
        await world.run_all(job)
        operation = job.steering.rescale(3)
        await asyncio.sleep(5)
        assert job.status().slots_required == 3, "whoever starts TaskManagers sees it"
        await world.acknowledge(job, 1)
        await world.until(lambda: job.status().checkpoints.completed == 1)
        await asyncio.sleep(in_place.SLOT_PATIENCE)
        assert "would need 3 slots, there are 2 after 120 s" in str(now(job, operation).failure)
        assert (job.state, job.status().attempt, job.status().slots_required) == (JobState.RUNNING, 1, 2)
        assert job.status().notes[-1].startswith("was not rescaled: ")
        again = job.steering.rescale(3)
        world.add_worker()
        await world.until(lambda: len(triggers(world)) > 1)
        assert not now(job, again).done

    run(scenario)


def test_a_rescale_that_waits_for_slots_ends_with_its_job() -> None:
    async def scenario() -> None:
        world = World(workers=2)
        job = world.job()
        await world.run_all(job)
        operation = job.steering.rescale(3)
        await asyncio.sleep(1)
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        ended = world.clock.monotonic()
        await world.until(lambda: now(job, operation).done)
        assert world.clock.monotonic() - ended < 1
        assert "a rescale needs a running job, and job job is CANCEL" in str(now(job, operation).failure)
        assert job.steering.rescales.slots_wanted == 0, "nobody starts TaskManagers for it"

    run(scenario)


def test_a_rescale_to_code_that_cannot_be_planned_is_told_and_the_job_runs_on() -> None:
    async def scenario() -> None:
        world = World(workers=3)

        def plan(spec: JobSpec) -> PlannedJob:
            if spec.overrides.get("parallelism.default") == "3":
                raise PlanningError(Failure(kind=FailureKind.USER, message="job.py:7: no"))
            return planned(spec, graph())

        job = world.job(plan=plan)
        await world.run_all(job)
        operation = job.steering.rescale(3)
        await world.until(lambda: now(job, operation).done)
        assert now(job, operation).failure == "job.py:7: no"
        assert (job.state, job.status().attempt) == (JobState.RUNNING, 1)

    run(scenario)


def test_a_checkpoint_that_fails_leaves_the_job_as_it_is() -> None:
    async def scenario() -> None:
        world = World(workers=3)
        job = world.job()
        execution = await world.run_all(job)
        operation = job.steering.rescale(3)
        await world.until(lambda: triggers(world) != [])
        vertex = world.of(messages.Deploy)[0].plan.vertices[0]
        world.say(
            job,
            messages.TaskFailed(execution=execution, failure=FAILURE, vertex=vertex.id, index=0),
        )
        await world.until(lambda: now(job, operation).done)
        assert "no checkpoint to rescale from" in str(now(job, operation).failure)
        await world.run_all(job, attempt=2)
        assert job.status().parallelism == 2

    run(scenario)


def test_a_job_that_shrinks_stays_on_as_few_task_managers_as_possible() -> None:
    async def scenario() -> None:
        world = World(workers=0)
        for task_manager in ("tm-a", "tm-b"):
            for number in range(2):
                world.pool.add(WorkerId(f"{task_manager}-{number}"), TaskManagerId(task_manager))
        world.spec = messages.JobSpec(
            name="job",
            entrypoint="x:y",
            parallelism=4,
            overrides=world.spec.overrides,
            checkpoint_storage=world.root,
        )
        job = world.job()
        await world.until(lambda: len(world.of(messages.Deploy)) == 4)
        execution = world.of(messages.Deploy)[0].execution
        for deploy in world.of(messages.Deploy):
            for task in deploy.tasks:
                world.say(
                    job, messages.TaskRunning(execution=execution, vertex=task.vertex, index=task.index)
                )
        job.steering.rescale(2)
        await world.acknowledge(job, 1)
        await world.until(lambda: len(world.released) == 4)
        await asyncio.sleep(1)
        # The worker that comes back first is of the TaskManager that is to be left.
        for number, task_manager in enumerate(("tm-b", "tm-b", "tm-a", "tm-a")):
            world.pool.add(WorkerId(f"new-{number}"), TaskManagerId(task_manager))
        await world.until(lambda: job.status().attempt == 2)
        workers = {w for w, m in world.sent if isinstance(m, messages.Deploy) and m.execution.attempt == 2}
        assert workers == {"new-2", "new-3"}

    run(scenario)
