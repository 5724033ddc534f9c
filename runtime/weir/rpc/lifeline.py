"""A child process ends when its parent does, however the parent ends.

The parent puts its process id into the child's environment (:func:`environment`); the child, before anything
else, asks the kernel for ``SIGKILL`` on its parent's death (:func:`follow_parent`). Asked for by the child itself,
since running code between fork and exec is not safe in a process with gRPC's threads.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from typing import Final

PARENT: Final = "WEIR_PARENT_PID"
_PR_SET_PDEATHSIG: Final = 1


def environment(**extra: str) -> dict[str, str]:
    """This process's environment for a child of its own, with ``extra`` and the child's lifeline."""
    return {**inherited(), **extra, PARENT: str(os.getpid())}


def inherited() -> dict[str, str]:
    """A copy of this process's environment; another thread may take a variable away meanwhile."""
    return {name: value for name in list(os.environ) if (value := os.environ.get(name)) is not None}


def follow_parent() -> None:
    """From now on die with the process that started this one; ends at once if that is gone already.

    Does nothing for a process that was started by something else than Weir (the variable is absent or stale).
    """
    parent = os.environ.pop(PARENT, None)
    if parent is None or not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        os._exit(1)


def main() -> None:
    """``python -m weir.rpc.lifeline MODULE ARGUMENTS``: run MODULE as the main program, with a lifeline."""
    follow_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
