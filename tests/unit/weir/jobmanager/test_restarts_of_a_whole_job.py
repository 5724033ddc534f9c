"""What follows failures and failed checkpoints, as a job's settings say, on a clock that jumps. Rows B13 and B15."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from msgspec import structs

from tests.support.manual_loop import run
from tests.unit.weir.jobmanager.test_job_shell import FAILURE, World
from weir.errors import FailureKind
from weir.ids import WorkerId
from weir.jobmanager.job import Job
from weir.rpc import messages
from weir.rpc.requests import JobState

INTERVAL = "execution.checkpointing.interval"
FIXED, EXPONENTIAL, RATE = (
    f"restart-strategy.{kind}" for kind in ("fixed-delay", "exponential-delay", "failure-rate")
)
#: Ends the list of delays: the job fails instead, and says this.
GivesUp = str


@dataclass(frozen=True)
class Row:
    """Each failure comes so many seconds after all tasks ran; the delays until the next deployment."""

    name: str
    settings: dict[str, str]
    ran: Sequence[float]
    delays: Sequence[float | GivesUp]


TABLE = [
    Row("none", {"restart-strategy.type": "none"}, [5], ["the restart strategy is None"]),
    Row("not set", {}, [5, 5, 5, 5], [1, 1.5, 2.25, 3.375]),
    Row(
        "fixed delay",
        {"restart-strategy.type": "fixed-delay", f"{FIXED}.attempts": "3", f"{FIXED}.delay": "5s"},
        [5, 10_000, 5, 10_000],
        [5, 5, 5, "all 3 restarts of FixedDelay are used"],
    ),
    Row("fixed delay as it is", {"restart-strategy.type": "fixed-delay"}, [5, 5], [1, "all 1 restarts"]),
    Row(
        "exponential delay",
        {
            "restart-strategy.type": "exponential-delay",
            f"{EXPONENTIAL}.initial-backoff": "1s",
            f"{EXPONENTIAL}.max-backoff": "5s",
            f"{EXPONENTIAL}.backoff-multiplier": "2",
            f"{EXPONENTIAL}.reset-backoff-threshold": "100s",
        },
        [5, 99, 5, 5, 5, 101, 5],
        [1, 2, 4, 5, 5, 1, 2],
    ),
    Row(
        "failure rate, too many",
        {
            "restart-strategy.type": "failure-rate",
            f"{RATE}.max-failures-per-interval": "2",
            f"{RATE}.delay": "3s",
        },
        [5, 20, 20],
        [3, 3, "3 failures within 60 s, 2 are allowed"],
    ),
    Row(
        "failure rate, spread out",
        {
            "restart-strategy.type": "failure-rate",
            f"{RATE}.max-failures-per-interval": "2",
            f"{RATE}.delay": "3s",
        },
        [5, 40, 30, 40, 30],
        [3, 3, 3, 3, 3],
    ),
]


def world_with(settings: dict[str, str]) -> World:
    world = World()
    world.spec = structs.replace(world.spec, overrides={INTERVAL: "10h", **settings})
    return world


async def fail(world: World, job: Job, execution: messages.Execution) -> float:
    """A task fails and all workers close at once; when that was."""
    failed_at = world.clock.monotonic()
    world.say(job, messages.TaskFailed(execution=execution, failure=FAILURE))
    for worker, message in list(world.sent):
        if isinstance(message, messages.CancelTasks) and message.execution == execution:
            job.hear(WorkerId(worker), messages.TasksCancelled(execution=execution))
    return failed_at


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_delays_and_give_up_match_the_table(row: Row) -> None:
    async def scenario() -> None:
        world = world_with(row.settings)
        job = world.job()
        for attempt, (ran, delay) in enumerate(zip(row.ran, row.delays, strict=True), 1):
            execution = await world.run_all(job, attempt)
            await asyncio.sleep(ran)
            failed_at = await fail(world, job, execution)
            if isinstance(delay, GivesUp):
                await job.settled.wait()
                assert job.state is JobState.FAILED
                assert delay in job.status().failures[-1].failure.message
                return
            await world.deployed(attempt + 1)
            assert world.clock.monotonic() - failed_at == pytest.approx(delay, abs=0.05)
            assert job.status().restarts == attempt
        assert len(job.status().failures) == len(row.delays)

    run(scenario)


def test_all_that_one_failure_brings_about_counts_once() -> None:
    async def scenario() -> None:
        settings = {"restart-strategy.type": "fixed-delay", f"{FIXED}.attempts": "1"}
        world = world_with(settings)
        job = world.job()
        execution = await world.run_all(job)
        lost = messages.Failure(kind=FailureKind.WORKER_LOST, message="a peer lost its connection")
        for failure in (lost, FAILURE, lost):
            world.say(job, messages.TaskFailed(execution=execution, failure=failure))
        await world.deployed(2)
        assert [record.failure.message for record in job.status().failures] == [FAILURE.message]

    run(scenario)


# ---- checkpoints that fail


def decline(world: World, job: Job, number: int) -> None:
    deploy = world.of(messages.Deploy)[-1]
    task = deploy.tasks[0]
    world.say(
        job,
        messages.CheckpointDeclined(
            execution=deploy.execution,
            checkpoint_id=number,
            vertex=task.vertex,
            index=task.index,
            message="the disk is full",
        ),
    )


async def triggered(world: World, number: int) -> None:
    await world.until(lambda: any(t.checkpoint_id == number for t in world.of(messages.TriggerCheckpoint)))


@pytest.mark.parametrize(
    ("outcomes", "restarts"),
    [
        ("ff", 0),
        ("fff", 1),
        ("ffsff", 0),
        ("ffsfff", 1),
        ("fee", 1),
        ("sfse", 0),
    ],
)
def test_two_tolerable_failures_in_a_row_are_borne_the_third_fails_over_and_a_success_resets(
    outcomes: str, restarts: int
) -> None:
    """``f``: a subtask declines, ``e``: it expires, ``s``: it completes."""

    async def scenario() -> None:
        settings = {
            INTERVAL: "10s",
            "execution.checkpointing.tolerable-failed-checkpoints": "2",
            "execution.checkpointing.timeout": "4s",
        }
        world = world_with(settings)
        job = world.job()
        await world.run_all(job)
        for number, outcome in enumerate(outcomes, 1):
            await triggered(world, number)
            before = job.status().checkpoints
            if outcome == "s":
                await world.acknowledge(job, number)
            elif outcome == "f":
                decline(world, job, number)
            ended = before.completed + before.failed + 1
            await world.until(lambda ended=ended: _over(job) >= ended)
        if restarts:
            await world.deployed(attempt=2)
            message = job.status().failures[-1].failure.message
            assert "that makes 3 in a row, and checkpoints.tolerableFailures is 2" in message
        else:
            await triggered(world, len(outcomes) + 1)
        assert job.status().restarts == restarts

    run(scenario)


def _over(job: Job) -> int:
    told = job.status().checkpoints
    return told.completed + told.failed


def test_failures_of_one_attempt_do_not_count_in_the_next() -> None:
    async def scenario() -> None:
        settings = {INTERVAL: "10s", "execution.checkpointing.tolerable-failed-checkpoints": "2"}
        world = world_with(settings)
        job = world.job()
        execution = await world.run_all(job)
        for number in (1, 2):
            await triggered(world, number)
            decline(world, job, number)
        await fail(world, job, execution)
        await world.run_all(job, attempt=2)
        for number in (3, 4):
            await triggered(world, number)
            decline(world, job, number)
        await triggered(world, 5)
        assert job.status().restarts == 1

    run(scenario)
