"""Named points at which a test may kill or freeze a process: ``hit("jobmanager.fence.before-record")``.

Unarmed (always, outside tests) a hit is one comparison. Armed by the environment variable
``WEIR_CRASH_POINT=NAME[:COUNT]``, the COUNT-th hit of NAME in a process ends it by ``SIGKILL`` (or stops it
when ``WEIR_CRASH_SIGNAL=STOP``), but only for the first process that creates the file
``WEIR_CRASH_MARKER``, so that the replacement process lives on. ``WEIR_CRASH_LOG`` names a file that
gets a line for each point that was passed, for coverage.
"""

from __future__ import annotations

import os
import signal

_armed, _, _count = os.environ.get("WEIR_CRASH_POINT", "").partition(":")
_remaining = int(_count or 1)
_log = os.environ.get("WEIR_CRASH_LOG")
_seen: set[str] = set()


def hit(name: str) -> None:
    """Pass the crash point ``name``."""
    if not _armed and not _log:
        return
    _passed(name)


def _passed(name: str) -> None:
    global _remaining
    if _log and name not in _seen:
        _seen.add(name)
        with open(_log, "a") as log:
            log.write(name + "\n")
    if name != _armed:
        return
    _remaining -= 1
    if _remaining > 0:
        return
    marker = os.environ.get("WEIR_CRASH_MARKER")
    if marker:
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
    stop = os.environ.get("WEIR_CRASH_SIGNAL") == "STOP"
    os.kill(os.getpid(), signal.SIGSTOP if stop else signal.SIGKILL)
