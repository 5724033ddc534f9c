"""What follows from a failure of an attempt: another one, another snapshot, or the job's end. Pure; ``job_state`` asks."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from weir.jobmanager.lifecycle.job_phases import RANK, ChooseGoal, EndGoal, Goal, Moment, RestartGoal
from weir.jobmanager.lifecycle.restart import GiveUp, RestartStrategy
from weir.rpc.messages import Failure
from weir.rpc.requests import JobState


def goal_after(
    failure: Failure, strategy: RestartStrategy, moment: Moment, *, restoring: bool
) -> tuple[Goal, RestartStrategy]:
    """What to do after ``failure``. ``restoring``: subtasks are being restored, from a snapshot of which there may be older ones.

    Each snapshot is given up once, so there is an end to that without a strategy.
    """
    if failure.damaged and restoring:
        return ChooseGoal(failure), strategy
    if not failure.restartable:
        return EndGoal(JobState.FAILED, failure), strategy
    decision, strategy = strategy.next(moment.now, moment.jitter)
    if isinstance(decision, GiveUp):
        message = f"{failure.message} (no restart: {decision.reason})"
        return EndGoal(JobState.FAILED, structs.replace(failure, message=message)), strategy
    return RestartGoal(decision.delay, failure), strategy


def with_cause(goal: Goal, failure: Failure, *, restoring: bool) -> Goal:
    """``goal`` after another failure of the same attempt: the likelier cause is kept, and one that no restart can cure ends the job."""
    if goal.failure is None or RANK[failure.kind] <= RANK[goal.failure.kind]:
        return goal
    if isinstance(goal, RestartGoal) and failure.damaged and restoring:
        return ChooseGoal(failure)
    if isinstance(goal, RestartGoal) and not failure.restartable:
        return EndGoal(JobState.FAILED, failure)
    return goal if isinstance(goal, ChooseGoal) else replace(goal, failure=failure)
