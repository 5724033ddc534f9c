"""Wall clocks that a test sets for one process alone: Python takes the time from a file there, by a module that it loads at its start.

The machine has one wall clock for all processes, which is not a test's to set. Only calls of Python are reached, and Weir makes no others.
"""

from __future__ import annotations

import os
from pathlib import Path

_MODULE = """
import os
import time

_time, _time_ns = time.time, time.time_ns


def _ahead():
    try:
        with open(os.path.join({folder!r}, str(os.getpid()))) as file:
            return int(file.read())
    except FileNotFoundError:
        return 0


time.time = lambda: _time() + _ahead()
time.time_ns = lambda: _time_ns() + _ahead() * 10**9
"""


class Clocks:
    """Those of all processes that have :attr:`environment`."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made."""
        folder.mkdir()
        self._folder = folder
        (folder / "sitecustomize.py").write_text(_MODULE.format(folder=str(folder)))
        #: For the processes.
        self.environment = {"PYTHONPATH": str(folder)}

    def set_ahead(self, pid: int, seconds: int) -> None:
        """The process is so far ahead of the machine from now on."""
        whole = self._folder / f"{pid}.new"
        whole.write_text(str(seconds))
        os.replace(whole, self._folder / str(pid))
