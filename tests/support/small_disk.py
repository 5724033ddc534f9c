"""A disk of a few megabytes that only the processes of a test see: a tmpfs in a mount namespace of theirs, full or read-only for real."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.processes import Process


def _namespace() -> list[str]:
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        *([] if os.getuid() == 0 else ["--map-root-user"]),
    ]


@cache
def reason_against() -> str:
    """Why there can be none here; empty if there can."""
    command = [*_namespace(), "sh", "-c", "mount -t tmpfs none /mnt && mount -o remount,ro /mnt"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return ended.stderr.strip() if ended.returncode else ""


@dataclass(frozen=True)
class SmallDisk:
    """Mounted on ``folder``."""

    folder: Path
    size: int  #: bytes

    @property
    def within(self) -> Sequence[str]:
        """The command before the one that is to see it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        script = f'mount -t tmpfs -o size={self.size} none "$0" && exec "$@"'
        return [*_namespace(), "sh", "-c", script, str(self.folder)]

    def fill(self, pid: int) -> None:
        """Until there is no space left, as the process ``pid`` sees it."""
        with self._ballast(pid).open("ab", buffering=0) as file:
            for size in (64 * 1024, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self, pid: int) -> None:
        """Give back what :meth:`fill` took."""
        self._ballast(pid).unlink()

    def remount(self, process: Process, mode: str) -> bool:
        """Make it ``ro`` or ``rw``; whether that was done: not while somebody writes a file there."""
        command = ["nsenter", "--target", str(process.pid), "--mount", "--user", "--preserve-credentials"]
        if os.getuid() == 0:
            command = command[:4]
        ended = subprocess.run(
            [*command, "mount", "-o", f"remount,{mode}", str(self.folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode == 0

    def _ballast(self, pid: int) -> Path:
        return Path(f"/proc/{pid}/root{self.folder}/ballast")
