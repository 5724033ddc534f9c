"""What a sampler sees of the data thread: where its time goes, not where it gives way."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import SimpleNamespace

import msgspec

from weir.clock import SystemClock
from weir.rpc.messages import SampleStacks, StackSamples
from weir.taskmanager.loop import DataLoop
from weir.taskmanager.sampling import sample_stacks


def users_work() -> int:
    """Much shorter than what a data thread does between two pauses."""
    return sum(number * number for number in range(100))


class Counting:
    """A subtask that never runs out of rows."""

    identity = SimpleNamespace(vertex=SimpleNamespace(name="count"))
    started, busy_seconds = True, 0.0

    def step(self, now: float) -> bool:
        users_work()
        return True


def sampled(*questions: SampleStacks) -> list[StackSamples]:
    """The answers to questions that are asked at once, of this thread while it works."""
    answers: list[msgspec.Struct] = []
    loop = DataLoop(SystemClock())
    loop.tasks = [Counting()]

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
    return [answer for answer in answers if isinstance(answer, StackSamples)]


def test_samples_fall_into_user_code_though_the_data_thread_gives_way_elsewhere() -> None:
    (answer,) = sampled(SampleStacks(trigger="1", samples=100, interval=0.005))
    assert sum(sample.count for sample in answer.samples) == 100
    inside = sum(
        sample.count for sample in answer.samples if any("users_work" in frame for frame in sample.frames)
    )
    assert inside > 50, answer.samples
    assert {sample.vertex for sample in answer.samples} == {"count"}


def test_afterwards_threads_switch_as_before_also_when_two_ask_at_once() -> None:
    before = sys.getswitchinterval()
    answers = sampled(
        SampleStacks(trigger="1", samples=3, interval=0.001),
        SampleStacks(trigger="2", samples=20, interval=0.001),
    )
    assert sorted(answer.trigger for answer in answers) == ["1", "2"]
    assert sys.getswitchinterval() == before
