"""Where part files lie while they are written, and how they become visible: the contract, and its errors.

``local_parts`` and ``object_parts`` fulfil it. Committing is the same act however often it is done: the pending file
is moved if it is there; if it is not, the final one must be.
"""

from __future__ import annotations

import contextlib
import errno
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import IO

from weir.errors import StorageDenied, StorageError, StorageUnavailable


class Part(ABC):
    """A part file being written, on the data thread; ``make_durable`` and ``discard`` come from any thread."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append. Raises ``StorageError``."""
        with storage_errors("write", self.place):
            self._file.write(data)
        self.size += len(data)

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the bytes go, for messages."""

    @abstractmethod
    def make_durable(self) -> None:
        """From here on the pending file outlives this process. Ends writing."""

    @abstractmethod
    def discard(self) -> None:
        """Remove it; it was never described to anybody."""


class Parts(ABC):
    """All part files of one target."""

    @abstractmethod
    def check(self, probe: str) -> None:
        """Whether the target can be written to, tried with a file ``probe``. Raises ``UserError`` or ``StorageError``."""

    @abstractmethod
    def create(self, name: str) -> Part:
        """A new pending file for the final ``name``."""

    @abstractmethod
    def commit(self, names: Iterable[str]) -> None:
        """Make pending files visible, in this order. Raises ``StorageError``, naming both files when both are gone."""

    @abstractmethod
    def pending(self) -> list[str]:
        """Final names of all pending files."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a pending file, if it is there."""


@contextlib.contextmanager
def storage_errors(operation: str, place: str) -> Iterator[None]:
    """Turn what the operating system raises into ``StorageError``s; a full disk may pass."""
    try:
        yield
    except PermissionError as error:
        raise StorageDenied(
            f"the file sink cannot {operation} {place}: {error.strerror}; check owner and mode"
        ) from error
    except OSError as error:
        passing = error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EIO,
            errno.ESTALE,
            errno.EMFILE,
            errno.ENFILE,
        )
        kind = StorageUnavailable if passing else StorageError
        raise kind(f"the file sink cannot {operation} {place}: {error.strerror or error}") from error


def both_gone(pending: str, final: str) -> StorageError:
    """The error for a committable whose bytes are nowhere: data loss must be loud."""
    return StorageError(
        f"rows of a completed checkpoint are lost: neither the pending file {pending} nor the final file {final} is "
        "there. Restore one of them; if the final file was taken away by somebody who read it, put an empty file in "
        "its place"
    )
