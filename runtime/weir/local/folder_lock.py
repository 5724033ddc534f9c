"""One process at a time runs a job in a local checkpoint folder; a second one is refused and told who holds it.

The lock is the operating system's (``flock``), so it goes with its holder, however that ends. It is held by the process
that started the cluster, not by the JobManager: a JobManager that froze must not keep its successor out; the fence
log sees to those.
"""

from __future__ import annotations

import fcntl
import os
from typing import Self
from urllib.parse import quote, urlsplit

from weir.errors import FolderLocked, StorageDenied

_FOLDER = ".locks"


class FolderLock:
    """Holds the lock of one job name in one folder until it is closed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, root: str, namespace: str, name: str) -> Self | None:
        """Lock the job ``name`` in the checkpoint root ``root``, a URI. ``None`` if that is no local folder.

        Raises ``FolderLocked``, or ``StorageDenied`` for a folder that cannot be made.
        """
        parts = urlsplit(root)
        if parts.scheme not in ("", "file"):
            return None
        folder = os.path.join(parts.path, _FOLDER)
        path = os.path.join(folder, quote(f"{namespace}.{name}", safe=""))
        try:
            os.makedirs(folder, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageDenied(
                f"checkpoints cannot be kept in {parts.path}: {error.strerror} (user id {os.geteuid()}); correct the "
                "folder or its owner, or name another by storage.checkpoints or --set state.checkpoints.dir=FOLDER"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise FolderLocked(
                f"job {name!r} is running in {root} already, by process {holder}; end that process, or use another "
                "name (weir run --name) or folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def close(self) -> None:
        """Let others in."""
        os.close(self._descriptor)
