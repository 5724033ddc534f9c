"""A person stops a job while a checkpoint is being published or committed: what is waited for, told and kept."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.manual_loop import run
from tests.unit.weir.jobmanager.test_job_shell import FAILURE, World
from weir.jobmanager.job import Job
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.rpc import messages
from weir.rpc.requests import JobState

STOPS = pytest.mark.parametrize("kind", list(StopKind))


def kept(world: World) -> list[str]:
    return [name for name in world.stored() if name.startswith("chk-")]


def told(job: Job) -> list[str]:
    return [note for note in job.status().notes if "not all output" in note]


async def completed(world: World, job: Job, number: int = 1) -> messages.Execution:
    """All tasks run, and a checkpoint with commits is complete; nobody has acknowledged them."""
    execution = await world.run_all(job)
    await world.acknowledge(job, number, commits=True)
    await world.until(lambda: job.status().checkpoints.completed == number)
    return execution


@STOPS
def test_a_checkpoint_that_is_being_published_is_published_and_committed_first(kind: StopKind) -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        await world.acknowledge(job, 1, commits=True)
        job.stop_nowait(kind)
        assert job.status().checkpoints.completed == 0
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        await asyncio.sleep(5)
        assert world.of(messages.CancelTasks) == []
        world.committed(job, execution, 1)
        assert len(world.of(messages.CancelTasks)) == 2
        await job.settled.wait()
        assert told(job) == []

    run(scenario)


@STOPS
def test_commits_under_way_are_waited_for_and_nothing_new_begins(kind: StopKind) -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await completed(world, job)
        begun = len(world.of(messages.TriggerCheckpoint))
        job.stop_nowait(kind)
        refused = job.trigger_checkpoint()
        await asyncio.sleep(15)
        assert len(world.of(messages.TriggerCheckpoint)) == begun
        assert "being stopped" in str(job.operations.get(refused.kind, refused.trigger))
        assert (job.state, world.of(messages.CancelTasks)) == (JobState.CANCELLING, [])
        world.committed(job, execution, 1)
        await job.settled.wait()
        assert told(job) == []
        assert bool(kept(world)) == (kind is StopKind.SUSPEND)

    run(scenario)


def test_a_checkpoint_that_tasks_still_work_on_is_given_up_at_once() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await world.run_all(job)
        await world.acknowledge(job, 1, but=1)
        job.stop_nowait(StopKind.CANCEL)
        assert [aborted.checkpoint_id for aborted in world.of(messages.NotifyAborted)] == [1, 1]
        assert len(world.of(messages.CancelTasks)) == 2
        await job.settled.wait()
        assert job.status().restarts == 0

    run(scenario)


@STOPS
def test_commits_that_nobody_acknowledges_hold_a_stop_up_for_the_grace_only_and_are_kept(
    kind: StopKind,
) -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        await completed(world, job)
        asked = world.clock.monotonic()
        job.stop_nowait(kind)
        await asyncio.sleep(1)
        job.stop_nowait(kind)
        await world.until(lambda: world.of(messages.CancelTasks) != [])
        assert world.clock.monotonic() - asked == pytest.approx(30.0, abs=0.1)
        await job.settled.wait()
        assert world.clock.monotonic() - asked == pytest.approx(33.0, abs=0.2)
        assert "chk-1/_metadata" in kept(world)
        (note,) = told(job)
        assert "checkpoint 1" in note
        assert note.endswith("/chk-1 commits the rest")

    run(scenario)


def test_a_stop_after_a_failure_keeps_what_the_failed_attempt_had_not_committed() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await completed(world, job)
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        await world.until(lambda: job.state is JobState.RESTARTING)
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        assert job.state is JobState.CANCELED
        assert "chk-1/_metadata" in kept(world)
        assert len(told(job)) == 1

    run(scenario)


def test_what_an_attempt_restored_is_committed_once_all_its_tasks_run() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await completed(world, job)
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        await world.run_all(job, attempt=2)
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        assert (kept(world), told(job)) == ([], [])

    run(scenario)


def test_a_cancel_in_the_middle_of_the_final_checkpoint_keeps_its_promise_too() -> None:
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await world.run_all(job)
        world.end_all(job, execution)
        await world.acknowledge(job, 1, commits=True)
        job.stop_nowait(StopKind.CANCEL)
        await world.until(lambda: world.of(messages.NotifyComplete) != [])
        assert world.of(messages.CancelTasks) == []
        world.committed(job, execution, 1)
        await job.settled.wait()
        assert job.state is JobState.CANCELED
        assert told(job) == []

    run(scenario)


def test_an_acknowledgement_of_an_older_checkpoint_proves_nothing_about_one_that_was_never_announced() -> (
    None
):
    async def scenario() -> None:
        world = World()
        job = world.job()
        execution = await completed(world, job)
        await world.acknowledge(job, 2, commits=True)
        # The second is being published when a failure ends the attempt, so nobody is told of it.
        world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
        await world.until(lambda: job.status().checkpoints.completed == 2)
        world.committed(job, execution, 1)
        job.stop_nowait(StopKind.CANCEL)
        await job.settled.wait()
        (note,) = told(job)
        assert "checkpoint 2" in note

    run(scenario)
