"""What a sampler sees of the data thread: where its time goes, not where it gives way."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import SimpleNamespace

import msgspec

from weir.clock import SystemClock
from weir.rpc.messages import SampleStacks, StackSamples
from weir.taskmanager.loop import YIELD_SECONDS, DataLoop
from weir.taskmanager.sampling import sample_stacks


def users_work() -> int:
    """A tenth of a millisecond; between two pauses a data thread does forty times that."""
    return sum(number * number for number in range(2000))


class Counting:
    """A subtask that never runs out of rows."""

    identity = SimpleNamespace(vertex=SimpleNamespace(name="count"))
    started, busy_seconds = True, 0.0

    def __init__(self) -> None:
        #: Seconds after which a thread gave way, as it was while this ran.
        self.intervals: set[float] = set()

    def step(self, now: float) -> bool:
        self.intervals.add(sys.getswitchinterval())
        users_work()
        return True


def sampled(*questions: SampleStacks) -> tuple[list[StackSamples], set[float]]:
    """The answers to questions that are asked at once, of this thread while it works, and how soon it gave way."""
    answers: list[msgspec.Struct] = []
    loop = DataLoop(SystemClock())
    task = Counting()
    loop.tasks = [task]

    async def ask() -> None:
        await asyncio.gather(
            *(sample_stacks(question, lambda: "count", answers.append) for question in questions)
        )

    def beside() -> None:
        try:
            asyncio.run(ask())
        finally:
            loop.stop()

    thread = threading.Thread(target=beside)
    thread.start()
    loop.run()
    thread.join()
    return [answer for answer in answers if isinstance(answer, StackSamples)], task.intervals


def test_the_data_thread_gives_way_soon_while_it_is_sampled_so_that_user_code_is_seen() -> None:
    answers, intervals = sampled(SampleStacks(trigger="1", samples=100, interval=0.005))
    assert min(intervals) < YIELD_SECONDS / 10, (
        "else samplers come when it gives way by itself, and see only that"
    )
    (answer,) = answers
    assert sum(sample.count for sample in answer.samples) == 100
    # How many of them depends on how often the machine lets this thread run between two pauses.
    assert any("users_work" in frame for sample in answer.samples for frame in sample.frames)
    assert {sample.vertex for sample in answer.samples} == {"count"}


def test_afterwards_threads_switch_as_before_also_when_two_ask_at_once() -> None:
    before = sys.getswitchinterval()
    answers, _ = sampled(
        SampleStacks(trigger="1", samples=3, interval=0.001),
        SampleStacks(trigger="2", samples=20, interval=0.001),
    )
    assert sorted(answer.trigger for answer in answers) == ["1", "2"]
    assert sys.getswitchinterval() == before
