"""RocksDB as a state backend: where databases lie on the local disk, and what memory they share.

A worker's databases lie in a folder of its own below ``state.backend.rocksdb.localdir`` or the machine's folder for temporary
files, gone with the last of them. What killed workers left there is removed by others: the truth is in checkpoints.
"""

from __future__ import annotations

import os
import tempfile

from weir.config import StateBackendOptions
from weir.errors import LocalDiskError
from weir.state.heap import KeyCell
from weir.state.keyed_place import KeyedPlace
from weir.state.registration import KeyedStates
from weir.state.rocksdb.database import Database, SharedMemory
from weir.state.rocksdb.local_folder import LocalFolder
from weir.state.rocksdb.store import CacheBudget, RocksDBKeyedState


class RocksDBBackend:
    """Of one worker process: half of the memory is RocksDB's, half is for decoded values."""

    def __init__(self, options: StateBackendOptions) -> None:
        """``options``: where, and the memory in bytes."""
        self._memory = SharedMemory.of(options.memory // 2)
        self._incremental = options.incremental
        self._budget = CacheBudget(options.memory // 2)
        self._root = options.local_directory or tempfile.gettempdir()
        self._folder: LocalFolder | None = None
        self._opened = 0
        self._open = 0

    def open(self, cell: KeyCell, place: KeyedPlace) -> KeyedStates:
        """Raises ``LocalDiskError`` when nothing can be written there."""
        if self._folder is None:
            self._folder = self._claim()
        self._opened += 1
        name = f"{place.operator_id[:16]}-{place.subtask}-{self._opened}"
        database = Database(
            os.path.join(self._folder.path, name), self._memory, incremental=self._incremental
        )
        self._open += 1
        return RocksDBKeyedState(
            cell,
            place.max_parallelism,
            place.key_groups,
            place.label,
            database,
            self._budget,
            place.clock,
            on_closed=self._on_closed,
            incremental=self._incremental,
        )

    def _claim(self) -> LocalFolder:
        try:
            return LocalFolder(self._root)
        except OSError as error:
            raise LocalDiskError(
                f"cannot make a folder for state in {self._root}: {error.strerror}; free space there, or set "
                "state.backend.rocksdb.localdir"
            ) from error

    def _on_closed(self) -> None:
        self._open -= 1
        if not self._open and self._folder is not None:
            self._folder.give_up()
            self._folder = None
