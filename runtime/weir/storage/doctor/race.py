"""Many writers that create the same object at once: what each was told, and what it read right after."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from weir.errors import ObjectExists, ObjectNotFound, StorageError
from weir.storage.doctor.recording import Recording

#: Seconds; if some threads cannot be started, the others must not wait for ever.
_ALL_THERE_WITHIN = 30.0


@dataclass(frozen=True)
class Attempt:
    """One writer of a race."""

    writer: bytes  #: what it tried to write
    created: bool
    read: bytes | None
    error: str = ""  #: instead of an answer


def race(storage: Recording, name: str, writers: int) -> list[Attempt]:
    """Let ``writers`` threads create ``name``, each with other bytes, as nearly at once as threads can."""
    start = threading.Barrier(writers)

    def attempt(number: int) -> Attempt:
        writer = f"writer {number} {secrets.token_hex(16)}".encode()
        created, error = False, ""
        start.wait(_ALL_THERE_WITHIN)
        try:
            storage.create_if_absent(name, writer)
            created = True
        except ObjectExists:
            pass
        except StorageError as raised:
            error = str(raised)
        read = None
        try:
            read = storage.read(name)
        except ObjectNotFound:
            pass
        except StorageError as raised:
            error = error or str(raised)
        # A lost response makes an own success look refused; the engine looks for its writer id, too.
        return Attempt(writer, created or read == writer, read, error)

    with ThreadPoolExecutor(writers) as pool:
        try:
            return list(pool.map(attempt, range(writers)))
        except BaseException:
            start.abort()  # Ctrl-C: those that wait for others need not wait until their time is over
            raise
