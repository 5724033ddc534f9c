"""A state file on its way back that is too large for memory: on the worker's own disk, without a name, gone when nobody holds it."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import Final

from weir.errors import LocalDiskError

#: Files up to this size are read into memory.
SPOOL_BYTES: Final = 4 * 1024 * 1024


class SpooledFile:
    """Filled once, then read anywhere. Raises ``LocalDiskError``."""

    def __init__(self, folder: str) -> None:
        """``folder``: made if it is not there."""
        self._folder = folder
        self.size = 0  #: bytes
        try:
            os.makedirs(folder, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._failed("make", error) from error
        weakref.finalize(self, self._file.close)  # whoever reads chunks late holds it

    def clear(self) -> None:
        """Hold nothing."""
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self._failed("empty", error) from error
        self.size = 0

    def append(self, piece: bytes) -> None:
        """Add bytes at the end."""
        left = memoryview(piece)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._failed("write", error) from error
        self.size += len(piece)

    def read(self, start: int, length: int) -> bytes:
        """So many bytes; fewer at the end."""
        found: list[bytes] = []
        try:
            while length and (part := os.pread(self._file.fileno(), length, start)):
                found.append(part)
                start, length = start + len(part), length - len(part)
        except OSError as error:
            raise self._failed("read", error) from error
        return found[0] if len(found) == 1 else b"".join(found)

    def _failed(self, operation: str, error: OSError) -> LocalDiskError:
        return LocalDiskError(
            f"cannot {operation} a file for restored state in {self._folder}: {error.strerror}; free space on that disk, or set "
            "state.backend.rocksdb.localdir (taskManager.localStorage in a cluster)"
        )
