"""The one way in which tests wait: for a condition, with a deadline far above what it takes on a busy machine."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

#: Seconds; a test that waits this long has failed.
LIMIT = 120.0
POLL = 0.02
T = TypeVar("T")


def wait_for(
    condition: Callable[[], T], what: str | Callable[[], object], seconds: float = LIMIT, poll: float = POLL
) -> T:
    """What ``condition`` answers when it is true at last; fails naming ``what`` (asked then, if it is a function).

    A condition that costs something to ask is asked less often, by ``poll``.
    """
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        _check(deadline, what, seconds)
        time.sleep(poll)
    return answer


async def until(
    condition: Callable[[], T | Awaitable[T]],
    what: str | Callable[[], object],
    seconds: float = LIMIT,
    poll: float = POLL,
) -> T:
    """``wait_for`` on an event loop that has other work meanwhile; ``condition`` may itself have to wait."""
    deadline = time.monotonic() + seconds
    while True:
        asked = condition()
        answer = await asked if inspect.isawaitable(asked) else asked
        if answer:
            return answer
        _check(deadline, what, seconds)
        await asyncio.sleep(poll)


def _check(deadline: float, what: str | Callable[[], object], seconds: float) -> None:
    if time.monotonic() > deadline:
        named = what if isinstance(what, str) else what()
        raise AssertionError(f"waited {seconds:g} s in vain until {named}")


def stat_of(pid: int) -> list[str]:
    """What ``/proc`` says of a process, from its state on; nothing but ``X`` (gone) if it is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X"]


def wait_until_stopped(pid: int) -> None:
    """Until the process is held by SIGSTOP; fails if it ends before."""

    def stopped() -> bool:
        state = stat_of(pid)[0]
        assert state not in {"X", "Z"}, f"process {pid} ended before its crash point"
        return state == "T"

    wait_for(stopped, f"process {pid} stands at its crash point")
