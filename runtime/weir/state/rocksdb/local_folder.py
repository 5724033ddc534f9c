"""A worker's folder on the local disk, and what workers that are gone left beside it.

A folder is locked by its worker for as long as that lives, and the system lets go of the lock at its death, however it
died. So whoever can lock a folder knows that nobody uses it; a process id would not say so, for a container that starts
again counts from one again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil

_NAME = re.compile(r"weir-state-[0-9a-f]{16}")


class LocalFolder:
    """Locked until it is given up, or its process ends."""

    def __init__(self, root: str) -> None:
        """Make one below ``root``, after removing those of workers that are gone. Raises ``OSError``."""
        self._root = root
        os.makedirs(root, exist_ok=True)
        remove_left_overs(root)
        while True:
            self.path = os.path.join(root, f"weir-state-{secrets.token_hex(8)}")
            os.mkdir(self.path)
            lock = _lock(self.path)
            # Another worker may have come between the two, and taken it for left over.
            if lock is not None:
                self._lock = lock
                return

    def give_up(self) -> None:
        """Remove it, and once more what was left beside it: a worker may have died since."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        with contextlib.suppress(OSError):
            remove_left_overs(self._root)


def remove_left_overs(root: str) -> None:
    """Remove the folders of workers that are gone."""
    for name in os.listdir(root):
        if _NAME.fullmatch(name) is None:
            continue
        folder = os.path.join(root, name)
        with contextlib.suppress(OSError):
            lock = _lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _lock(folder: str) -> int | None:
    """A descriptor that holds the lock; ``None``: another one holds it, or removed the folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    if not os.path.isdir(folder):
        os.close(descriptor)
        return None
    return descriptor
