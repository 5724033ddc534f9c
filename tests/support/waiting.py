"""The one way in which tests wait: for a condition, with a deadline far above what it takes on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

#: Seconds; a test that waits this long has failed.
LIMIT = 120.0
POLL = 0.02
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str | Callable[[], object], seconds: float = LIMIT) -> T:
    """What ``condition`` answers when it is true at last; fails naming ``what`` (asked then, if it is a function)."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            named = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {seconds:g} s in vain until {named}")
        time.sleep(POLL)
    return answer


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
