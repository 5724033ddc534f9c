"""State backends by name, behind one protocol: who makes the keyed state of an operator.

``Memory`` and ``FileSystem`` both keep state on the heap; they differ in where a snapshot goes: inline with the acknowledgement,
within a limit, or as a file to storage. ``RocksDB`` keeps it on the local disk.
"""

from __future__ import annotations

import importlib.util
import tempfile
from typing import Final, Protocol

from weir.config import StateBackendOptions
from weir.config.options import StateBackendType
from weir.errors import ConfigError, SnapshotError
from weir.state.heap import KeyCell
from weir.state.keyed import KeyedStateStore
from weir.state.keyed_place import KeyedPlace
from weir.state.registration import KeyedStates

__all__ = [
    "HEAP",
    "MEMORY_LIMIT_BYTES",
    "StateBackend",
    "StateBackendType",
    "backend_for",
    "check_available",
    "check_memory_limit",
    "local_folder",
]

#: Flink's limit of its in-memory checkpoint storage, per operator and subtask.
MEMORY_LIMIT_BYTES: Final = 5 * 1024 * 1024


class StateBackend(Protocol):
    """Makes keyed state."""

    def open(self, cell: KeyCell, place: KeyedPlace) -> KeyedStates:
        """Empty state of an operator; whoever asked closes it."""
        ...


class HeapBackend:
    """State as Python objects in memory."""

    def open(self, cell: KeyCell, place: KeyedPlace) -> KeyedStates:
        return KeyedStateStore(cell, place.max_parallelism, place.key_groups, place.label, clock=place.clock)


HEAP: Final = HeapBackend()


def backend_for(options: StateBackendOptions) -> StateBackend:
    """The backend of a worker. Raises ``ConfigError`` when its package is not installed."""
    if options.type is not StateBackendType.ROCKSDB:
        return HEAP
    check_available(options.type)
    # Only here: it brings a library of ten megabytes into the process.
    from weir.state.rocksdb.backend import RocksDBBackend

    return RocksDBBackend(options)


def local_folder(options: StateBackendOptions) -> str | None:
    """The folder on the worker's own disk that a backend may fill; ``None``: it keeps state in memory."""
    if options.type is not StateBackendType.ROCKSDB:
        return None
    return options.local_directory or tempfile.gettempdir()


def check_available(backend: StateBackendType) -> None:
    """Raises ``ConfigError`` when a package is missing, with the command that installs it."""
    if backend is StateBackendType.ROCKSDB and importlib.util.find_spec("rocksdict") is None:
        raise ConfigError(
            "state.backend.type is RocksDB, and the package rocksdict is not installed; "
            "pip install 'weir-stream[rocksdb]' (the image has it), or use FileSystem"
        )


def check_memory_limit(operator: str, subtask: int, size: int, limit: int = MEMORY_LIMIT_BYTES) -> None:
    """Raises ``SnapshotError`` when a subtask's state of one operator is too large to go inline (bytes)."""
    if size > limit:
        raise SnapshotError(
            f"state of operator {operator}, subtask {subtask}, is {size} bytes; the Memory backend keeps at most "
            f"{limit} bytes per operator and subtask; set stateBackend.type: FileSystem"
        )
