"""The data loop: rounds, posts, failures, deadlines."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.checkpoints import ManualClock
from weir.taskmanager.loop import FLUSH_SECONDS, LONG_WAIT, YIELD_SECONDS, DataLoop


class ScriptedTask:
    """Does what the test says."""

    def __init__(self, name: str = "task", steps: int = 0, due: float | None = None) -> None:
        self.identity = SimpleNamespace(vertex=SimpleNamespace(name=name))
        self.started = True
        self.busy_seconds = 0.0
        self.left, self.due = steps, due
        self.stepped = self.flushed = 0
        self.on_step: Callable[[], None] = lambda: None
        self.on_flush: Callable[[], None] = lambda: None

    def step(self, now: float) -> bool:
        self.stepped += 1
        self.on_step()
        self.left -= 1
        return self.left >= 0

    def flush(self) -> None:
        self.flushed += 1
        self.on_flush()

    def next_deadline(self, now: float) -> float | None:
        return self.due


class Looped:
    """A loop with tasks, and what it reported."""

    def __init__(self, *tasks: ScriptedTask) -> None:
        self.clock = ManualClock()
        self.labels: list[str] = []
        self.loop = DataLoop(self.clock, self)
        self.loop.tasks = list(tasks)
        self.failures: list[tuple[Any, BaseException]] = []
        self.loop.on_failure = lambda task, error: self.failures.append((task, error))

    def busy(self, label: str) -> None:
        self.labels.append(label)

    def idle(self) -> None:
        self.labels.append("idle")


def test_a_round_steps_each_task_once_and_flushes_those_that_had_nothing() -> None:
    busy, quiet = ScriptedTask("busy", steps=1), ScriptedTask("quiet")
    looped = Looped(busy, quiet)
    assert looped.loop.round()
    assert (busy.stepped, busy.flushed, quiet.stepped, quiet.flushed) == (1, 0, 1, 1)
    assert not looped.loop.round()
    assert busy.flushed == 1
    assert looped.labels == ["busy", "quiet"] * 2


def test_a_task_that_has_not_started_is_left_alone() -> None:
    task = ScriptedTask(steps=1, due=0.0)
    task.started = False
    looped = Looped(task)
    assert not looped.loop.round()
    assert (task.stepped, task.flushed) == (0, 0)
    assert looped.loop.idle_timeout() == LONG_WAIT


def test_time_in_a_step_counts_as_busy_for_that_task_only() -> None:
    first, second = ScriptedTask(steps=1), ScriptedTask(steps=1)
    looped = Looped(first, second)
    first.on_step = lambda: setattr(looped.clock, "now", looped.clock.now + 3.0)
    looped.loop.round()
    assert (first.busy_seconds, second.busy_seconds) == (3.0, 0.0)


def test_posted_calls_run_in_order_before_the_tasks_and_between_their_steps() -> None:
    order: list[str] = []
    first, second = ScriptedTask(steps=1), ScriptedTask(steps=1)
    looped = Looped(first, second)
    looped.loop.post(lambda: order.append("one"))
    looped.loop.post(lambda: order.append("two"))
    first.on_step = lambda: (order.append("first"), looped.loop.post(lambda: order.append("between")))
    second.on_step = lambda: order.append("second")
    assert looped.loop.round()
    assert order == ["one", "two", "first", "between", "second"]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), MemoryError()], ids=repr)
def test_a_step_that_raises_is_reported_with_its_task_and_ends_the_round(error: BaseException) -> None:
    def fails() -> None:
        raise error

    bad, after = ScriptedTask(steps=1), ScriptedTask(steps=1)
    bad.on_step = fails
    looped = Looped(bad, after)
    assert looped.loop.round()
    assert looped.failures == [(bad, error)]
    assert after.stepped == 0


def test_a_flush_that_raises_is_the_tasks_failure_too() -> None:
    def fails() -> None:
        raise TypeError("cannot pickle")

    bad = ScriptedTask()
    bad.on_flush = fails
    looped = Looped(bad)
    looped.loop.round()
    assert [task for task, _ in looped.failures] == [bad]


def test_a_posted_call_that_raises_belongs_to_no_task_and_the_others_still_run() -> None:
    done: list[int] = []
    looped = Looped()
    looped.loop.post(lambda: 1 // 0)
    looped.loop.post(lambda: done.append(1))
    looped.loop.round()
    assert [(task, type(error)) for task, error in looped.failures] == [(None, ZeroDivisionError)]
    assert done == [1]


def test_ctrl_c_is_reported_and_goes_on_to_whoever_runs_the_loop() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    task = ScriptedTask(steps=1)
    task.on_step = interrupt
    looped = Looped(task)
    with pytest.raises(KeyboardInterrupt):
        looped.loop.round()
    assert len(looped.failures) == 1


def test_tasks_that_were_closed_within_a_round_are_not_stepped_any_more() -> None:
    first, second = ScriptedTask(steps=1), ScriptedTask(steps=1)
    looped = Looped(first, second)
    first.on_step = lambda: looped.loop.post(lambda: setattr(looped.loop, "tasks", []))
    assert looped.loop.round()
    assert second.stepped == 0


def test_the_wait_is_as_long_as_the_earliest_deadline() -> None:
    looped = Looped(ScriptedTask(due=0.7), ScriptedTask(due=0.3), ScriptedTask())
    assert looped.loop.idle_timeout() == pytest.approx(0.3)
    looped.clock.now = 1.0
    assert looped.loop.idle_timeout() < 0


def test_what_was_gathered_leaves_now_and_then_and_after_each_round_without_work() -> None:
    looped = Looped(ScriptedTask(steps=4))
    calls: list[int] = []
    looped.loop.before_pause = lambda: calls.append(looped.loop.tasks[0].stepped)
    looped.loop.round()
    assert calls == [1], "the first step is far behind the last time"
    looped.loop.round()
    assert calls == [1], "no time passed: what gathers shares the next wake-up"
    looped.clock.now += YIELD_SECONDS
    looped.loop.round()
    assert calls == [1], "a yield alone: each message costs"
    looped.clock.now += FLUSH_SECONDS
    looped.loop.round()
    assert calls == [1, 4]
    looped.loop.round()
    assert calls == [1, 4, 5], "nothing to do"


def test_run_ends_after_stop_and_with_nothing_to_wait_for() -> None:
    task = ScriptedTask(steps=3)
    looped = Looped(task)
    task.on_step = lambda: looped.loop.stop() if task.left == 1 else None
    looped.loop.run()
    assert task.stepped == 3
