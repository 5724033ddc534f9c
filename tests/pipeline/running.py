"""A step that runs: a process group with one log, ended as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.pipeline.steps import Step

#: Seconds that a step gets to take down what it brought up when it is told to end.
ENDS_WITHIN_S = 60.0


@dataclass
class Running:
    """A step, its process and when it began; ``code`` and ``seconds`` once it has ended."""

    step: Step
    log: Path
    process: subprocess.Popen[bytes]
    began: float
    code: int | None = None
    seconds: float = 0.0

    @classmethod
    def start(cls, step: Step, log: Path, folder: Path) -> Self:
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["make", "--no-print-directory", step.name],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(step, log, process, time.monotonic())

    def poll(self) -> bool:
        """Whether it has ended."""
        self.code = self.process.poll()
        self.seconds = time.monotonic() - self.began
        return self.code is not None

    def kill(self) -> None:
        """Asks the whole group to end, and insists."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(ENDS_WITHIN_S)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.poll()
        self.code = None
