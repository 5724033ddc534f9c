"""What the threads of a worker do, looked at from beside: for thread dumps and flame graphs. Costs nothing unless asked for.

Runs on the I/O thread, which sees the frames of all others; the data thread is the main one.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType

import msgspec

from weir.errors import as_text
from weir.rpc.messages import SampleStacks, StackSample, StackSamples
from weir.taskmanager.kinds_of_work import kind_of

#: Samples and seconds that one question may take at most.
MOST_SAMPLES = 400
MOST_SECONDS = 20.0
#: Frames of a stack that are told.
_DEPTH = 60
#: Seconds that a sampler waits for the interpreter. With Python's 5 ms it would always come when the data thread gives way by itself,
#: each 4 ms, and see nothing else.
_SOON = 0.0001


class _Interrupting:
    """While somebody samples, threads give the interpreter up ``_SOON`` after another asked for it."""

    def __init__(self) -> None:
        self._samplers = 0
        self._usual = sys.getswitchinterval()

    @contextlib.contextmanager
    def now(self) -> Iterator[None]:
        self._samplers += 1
        sys.setswitchinterval(_SOON)
        try:
            yield
        finally:
            self._samplers -= 1
            if not self._samplers:
                sys.setswitchinterval(self._usual)


_INTERRUPTING = _Interrupting()


async def sample_stacks(
    question: SampleStacks, label: Callable[[], str], send: Callable[[msgspec.Struct], None]
) -> None:
    """Look as often as is asked, then answer. ``label``: the vertex that the data thread runs now, or ""."""
    data_thread = threading.main_thread().ident
    found: Counter[tuple[str, tuple[str, ...], str]] = Counter()
    count = max(1, min(question.samples, MOST_SAMPLES))
    interval = min(question.interval, MOST_SECONDS / count)
    with _INTERRUPTING.now():
        for number in range(count):
            if number:
                await asyncio.sleep(interval)
            vertex = label()
            frame = sys._current_frames().get(data_thread or 0)  # noqa: SLF001  the only way to see it
            if frame is not None:
                found[vertex, _names(frame), kind_of(_files(frame))] += 1
    samples = tuple(
        StackSample(vertex, frames, times, kind) for (vertex, frames, kind), times in found.items()
    )
    send(StackSamples(trigger=question.trigger, samples=samples, threads=thread_stacks()))


def thread_stacks() -> dict[str, str]:
    """By name: the stack of each thread of this process, innermost call last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found: dict[str, str] = {}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  the only way to see them
        name = names.get(ident, f"thread {ident}")
        found[as_text(name if name not in found else f"{name} ({ident})")] = as_text(
            "".join(traceback.format_stack(frame))
        )
    return found


def _files(innermost: FrameType) -> Iterator[str]:
    frame: FrameType | None = innermost
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def _names(innermost: FrameType) -> tuple[str, ...]:
    names: list[str] = []
    frame: FrameType | None = innermost
    while frame is not None and len(names) < _DEPTH:
        code = frame.f_code
        file = code.co_filename.replace("\\", "/").rpartition("/")[2]
        names.append(as_text(f"{code.co_qualname} ({file}:{code.co_firstlineno})"))
        frame = frame.f_back
    return tuple(reversed(names))
