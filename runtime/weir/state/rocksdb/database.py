"""The one door to rocksdict: options, reads, batches, checked scans, hard-link copies; its errors as ours.

rocksdict's iteration ends silently at a damaged block, so every scan goes through :meth:`Database.scan`, which asks for the
status at its end. There is no write-ahead log: what is not in a checkpoint is made again from the source.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import rocksdict

from weir.errors import LocalDiskError, StateDamaged, WeirError

#: rocksdict counts open files in hundreds; a slot may have many operators.
_OPEN_FILES: Final = 256
_BLOCK_BYTES: Final = 4096
_BLOOM_BITS: Final = 10
#: Whole filters are asked in half the time, but crowd the cache when they take more than this part of it.
_WHOLE_FILTERS: Final = 1 / 8
#: Batches between two looks at how large the filters are.
_LOOK_EVERY: Final = 128
_BASE_LEVEL_BYTES: Final = 64 * 1024 * 1024
_FILE_BYTES: Final = 32 * 1024 * 1024
#: Checkpoints flush often and little; merging such files again and again would upload them each time.
_L0_TRIGGER: Final = 8


@dataclass(frozen=True)
class SharedMemory:
    """What all databases of a slot share: blocks read and rows not yet in a file, in so many bytes together."""

    cache: Any
    cache_bytes: int
    write_buffers: Any
    write_buffer_bytes: int

    @classmethod
    def of(cls, size: int) -> SharedMemory:
        """For ``size`` bytes."""
        # The other kind is cut into shards of half a megabyte, and never keeps a filter that is larger.
        cache = rocksdict.Cache.new_hyper_clock_cache(size, 0)
        buffers = size // 2
        manager = rocksdict.WriteBufferManager.new_write_buffer_manager_with_cache(buffers, False, cache)
        return cls(cache, size, manager, buffers)


class Database:
    """An open database in a folder of its own. Any thread may read and copy; one at a time writes."""

    def __init__(self, folder: str, memory: SharedMemory, *, incremental: bool = False) -> None:
        """``incremental``: its files are stored as they come, so that merging them costs. Raises ``LocalDiskError`` or ``StateDamaged``."""
        self.folder = folder
        self._write_options = rocksdict.WriteOptions()
        self._write_options.disable_wal = True  # type: ignore[method-assign, assignment]  # a property, in the stubs too, but written twice
        self._memory = memory
        self._incremental = incremental
        self._written = 0
        self._open()

    def _open(self) -> None:
        with disk_errors("open", self.folder):
            os.makedirs(self.folder, exist_ok=True)
            # rocksdict remembers its own settings in a file; ours are always raw bytes.
            self._db = rocksdict.Rdict(self.folder, _options(self._memory, incremental=self._incremental))
        self._whole_filters = True
        self._suit_filters()

    def _suit_filters(self) -> None:
        """Write filters in parts from now on, if whole ones would crowd the cache: a read would then fetch a whole one each time."""
        size = self.property("estimate-num-keys") * _BLOOM_BITS / 8
        if self._whole_filters and size > self._memory.cache_bytes * _WHOLE_FILTERS:
            self._whole_filters = False
            with disk_errors("write", self.folder):
                self._db.set_options({"block_based_table_factory": "{partition_filters=true;}"})

    def get(self, key: bytes) -> bytes | None:
        """The record of ``key``."""
        with disk_errors("read", self.folder):
            found: bytes | None = self._db.get(key)
            return found

    def get_all(self, keys: list[bytes]) -> list[bytes | None]:
        """The records of ``keys``, in their order: one call, and neighbours are read together."""
        with disk_errors("read", self.folder):
            found: Any = self._db.get(keys)  # type: ignore[arg-type]  # the stubs want a list that may hold numbers too
            return cast("list[bytes | None]", found)

    def write(self, puts: Iterable[tuple[bytes, bytes]], deletes: Iterable[bytes] = ()) -> None:
        """Deletes, then puts, as one."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key in deletes:
            batch.delete(key)
        for key, record in puts:
            batch.put(key, record)
        if len(batch):
            with disk_errors("write", self.folder):
                self._db.write(batch, self._write_options)
            self._written += 1
            if self._written % _LOOK_EVERY == 0:
                self._suit_filters()

    def delete_range(self, start: bytes, stop: bytes) -> None:
        """Remove all keys from ``start`` to before ``stop``."""
        with disk_errors("write", self.folder):
            self._db.delete_range(start, stop, write_opt=self._write_options)

    def scan(self, start: bytes, stop: bytes, view: Any = None) -> Iterator[tuple[bytes, bytes]]:
        """Keys and records from ``start`` to before ``stop``, in order; of a moment, if ``view`` is given.

        Raises ``StateDamaged`` where the data cannot be read, never ends early instead.
        """
        options = rocksdict.ReadOptions()
        options.set_iterate_upper_bound(stop)
        with disk_errors("scan", self.folder):
            found = (view or self._db).iter(options)
            found.seek(start)
            while found.valid():
                yield found.key(), found.value()
                found.next()
            found.status()

    def view(self) -> Any:
        """The contents of this moment, for :meth:`scan`; dropping it frees what only it needed."""
        return self._db.snapshot()

    def flush(self) -> None:
        """Write what is in memory to files; the GIL is free meanwhile."""
        with disk_errors("flush", self.folder):
            self._db.flush()

    def copy_to(self, folder: str) -> None:
        """A copy of this moment by hard links, in a folder that does not exist; quick after :meth:`flush`."""
        with disk_errors("copy", self.folder):
            rocksdict.Checkpoint(self._db).create_checkpoint(folder)

    def compact(self) -> None:
        """Merge all files now."""
        with disk_errors("compact", self.folder):
            self._db.compact_range(None, None)

    def property(self, name: str) -> int:
        """A number that RocksDB knows of itself."""
        return int(self._db.property_int_value(f"rocksdb.{name}") or 0)

    def refill(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Be the database that these files, names and contents, are; what was in it is gone."""
        self.destroy()
        with disk_errors("write", self.folder):
            os.makedirs(self.folder)
            for name, data in files:
                with open(os.path.join(self.folder, name), "xb") as file:
                    file.write(data)
        self._open()

    def beside(self, name: str) -> Database:
        """An empty one that shares the memory, in a folder beside this one's; whoever asks destroys it."""
        return Database(f"{self.folder}-{name}", self._memory, incremental=self._incremental)

    def close(self) -> None:
        """Let go of the folder."""
        self._db.close()

    def destroy(self) -> None:
        """Close it and remove its folder."""
        with contextlib.suppress(Exception):
            self._db.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _options(memory: SharedMemory, *, incremental: bool) -> Any:
    table = rocksdict.BlockBasedOptions()
    table.set_block_cache(memory.cache)
    table.set_block_size(_BLOCK_BYTES)
    table.set_bloom_filter(_BLOOM_BITS, block_based=False)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_index_type(rocksdict.BlockBasedIndexType.two_level_index_search())
    table.set_pin_top_level_index_and_filter(True)
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_manager(memory.write_buffers)
    options.set_write_buffer_size(min(_BASE_LEVEL_BYTES, max(memory.write_buffer_bytes // 4, 1024 * 1024)))
    options.set_max_open_files(_OPEN_FILES)
    options.set_compression_type(rocksdict.DBCompressionType.lz4())
    options.set_target_file_size_base(_FILE_BYTES)
    options.set_max_bytes_for_level_base(_BASE_LEVEL_BYTES)
    options.set_level_zero_file_num_compaction_trigger(_L0_TRIGGER)
    options.set_level_zero_slowdown_writes_trigger(4 * _L0_TRIGGER)
    options.set_level_zero_stop_writes_trigger(6 * _L0_TRIGGER)
    options.set_paranoid_checks(True)
    options.set_keep_log_file_num(1)
    options.set_max_log_file_size(1024 * 1024)
    options.set_stats_dump_period_sec(0)
    options.set_max_background_jobs(2)
    if incremental:
        # Levels rewrite each byte about ten times, runs of like size two or three times; reads ask more files.
        options.set_compaction_style(rocksdict.DBCompactionStyle.universal())
    return options


@contextlib.contextmanager
def disk_errors(operation: str, folder: str) -> Iterator[None]:
    """What RocksDB or the operating system raises, as an error of ours that names the folder."""
    try:
        yield
    except (WeirError, GeneratorExit):
        raise
    except OSError as error:
        raise LocalDiskError(_said(operation, folder, error.strerror or str(error))) from error
    except Exception as error:
        message = str(error)
        if message.startswith("Corruption"):
            raise StateDamaged(
                f"cannot {operation} the state database {folder}: {message}; the job goes on from its last checkpoint"
            ) from error
        if message.startswith("IO error"):
            raise LocalDiskError(_said(operation, folder, message)) from error
        raise


def _said(operation: str, folder: str, message: str) -> str:
    return (
        f"cannot {operation} the state database {folder}: {message}; free space on that disk, or set "
        "state.backend.rocksdb.localdir (taskManager.localStorage in a cluster)"
    )
