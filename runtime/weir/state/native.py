"""Keyed state in the files of its own backend: what an incremental checkpoint consists of, and how it comes back.

Files that no longer change are shared: each is uploaded once and then named by every checkpoint that it is part of. What is
left, small, is the state file of that checkpoint. Only the backend that wrote it reads it; a savepoint is made so if it is to be native.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from weir.errors import SnapshotMismatch
from weir.state.snapshot import StateHandle
from weir.state.statefile import Source


class Reuse(enum.Enum):
    """What an increment does with files that are stored already."""

    KNOWN = enum.auto()  #: it names them
    ANEW = enum.auto()  #: it stores all anew, and what follows names those
    APART = enum.auto()  #: it stores all anew, for itself alone


#: Stores a file, by the name that its backend gave it, and says where; raises ``StorageError``.
Upload: TypeAlias = "Callable[[str, bytes], StateHandle]"


@dataclass(frozen=True)
class Increment:
    """Keyed state of a moment, stored but for its state file, which is taken once."""

    pieces: Iterable[bytes]
    shared: tuple[StateHandle, ...]


@runtime_checkable
class IncrementalSnapshot(Protocol):
    """A ``KeyedSnapshot`` that may be stored in the files of its backend."""

    def increment(self, upload: Upload, reuse: Reuse = Reuse.KNOWN) -> Increment:
        """``upload`` what no earlier increment did, or all. Raises ``StorageError``, ``SerializationError``, ``LocalDiskError``."""
        ...


@runtime_checkable
class PiecewiseSnapshot(Protocol):
    """A ``KeyedSnapshot`` whose state file need not be in memory at once."""

    def pieces(self) -> Iterator[bytes]:
        """What ``encode`` gives, as it is made; raises the same."""
        ...


@dataclass(frozen=True)
class NativeKeyed:
    """An increment to restore."""

    data: bytes
    shared: tuple[StateHandle, ...]
    #: Raises ``SnapshotCorrupt`` naming the file.
    read: Callable[[StateHandle], bytes]
    #: The files lie in the job's own folder: its next checkpoints may name them again.
    own: bool


#: What one old subtask left: a state file that every backend reads, or an increment.
KeyedState: TypeAlias = Source | NativeKeyed


def state_files(found: Iterable[KeyedState], operator: str) -> Iterator[Source]:
    """Those of a snapshot that is no increment. Raises ``SnapshotMismatch`` for one that is, naming ``operator``."""
    for each in found:
        if isinstance(each, NativeKeyed):
            raise SnapshotMismatch(
                f"the state of operator {operator} is in files of RocksDB, from an incremental checkpoint or a native savepoint, and is "
                "now kept on the heap; set stateBackend.type: RocksDB, or go on from a canonical savepoint, which every backend reads"
            )
        yield each
