"""A reader of a how-to page with two terminals: one where ``weir run`` goes on, one for everything else."""

from __future__ import annotations

import re
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.support.documents import blocks, shell
from tests.support.processes import JobFolder, Started


class Terminal(Started, JobFolder):
    """A terminal with a ``weir run`` in the foreground."""

    def __init__(self, folder: Path, command: str, name: str) -> None:
        super().__init__(folder, shlex.split(command), {"WEIR_LOG_LEVEL": "ERROR"}, name, cwd=folder)

    def address(self) -> str:
        """Where its REST server listens, as it says."""
        return self.wait(lambda: re.findall(r"REST at http://(\S+)", self.stderr), "REST is served")[-1]


class Reader:
    """Does what pages say, block by block; use it as a context: nothing that it started lives longer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes = ExitStack()
        self._running: Terminal | None = None
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._processes.close()

    def follow(self, document: str) -> list[str]:
        """Write its files and run its commands in the order of the page; what each block printed."""
        printed = []
        for block in blocks(document):
            if block.language in ("python", "yaml"):
                assert block.file is not None, f"{document}: a block without a file's name before it"
                (self._folder / block.file).write_text(block.text)
            elif block.language == "sh" and block.text.startswith("weir run "):
                printed.append(self._run(block.text))
            elif block.language == "sh":
                printed.append(shell(block.text, self._folder, self._environment()))
        return printed

    def _run(self, command: str) -> str:
        """Type a ``weir run``; the reader goes on when a checkpoint of the job is complete."""
        self.finish()
        self._started += 1
        run = Terminal(self._folder, command, f"terminal-{self._started}")
        self._running = self._processes.enter_context(run)
        known = len(run.completed())
        run.wait(lambda: len(run.completed()) > known, "a checkpoint is complete")
        return ""

    def finish(self) -> str:
        """Wait for the last ``weir run`` to end by what was done to it; what it said."""
        if self._running is None:
            return ""
        assert self._running.finish() == 0, self._running.story()
        return self._running.stderr

    def _environment(self) -> dict[str, str]:
        """A page means the JobManager of this machine; the tests have several at a time."""
        return {} if self._running is None else {"WEIR_ADDRESS": self._running.address()}
