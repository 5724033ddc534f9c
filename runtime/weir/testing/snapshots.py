"""A snapshot of an operator under test: what its subtasks hand over, dealt out again to any number of subtasks.

``drive`` takes and restores them; the rules of dealing are those of a real restore (``weir.state.rescale``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from weir.keygroups import key_group_range
from weir.operators.base import OperatorSnapshot, RestoredState
from weir.state.descriptors import StateDescriptor
from weir.state.keyed import KeyCell, KeyedStateStore
from weir.state.rescale import assign_keyed, assign_operator


class SubtaskSnapshot(msgspec.Struct, frozen=True):
    """State files of one subtask."""

    keyed: bytes | None = None
    operator: bytes | None = None
    split_only: bool = True

    @classmethod
    def of(cls, snapshot: OperatorSnapshot) -> SubtaskSnapshot:
        """Finish the slow half of an operator's snapshot and keep its bytes."""
        if snapshot.finish is not None:
            snapshot.finish()
        keyed = None if snapshot.keyed is None else snapshot.keyed.encode()
        snapshot.release()
        return cls(keyed, snapshot.operator, snapshot.split_only)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """State of an operator over all its subtasks, as bytes. Equal snapshots hold equal state.

    ``save`` and ``load`` keep one in a file, so that a test of a later version of a function can restore what an earlier
    version wrote.
    """

    max_parallelism: int
    subtasks: tuple[SubtaskSnapshot, ...]
    watermark: int | None = None
    #: The input had ended.
    finished: bool = False
    #: Wall time at which it was taken, milliseconds.
    taken_ms: int = 0

    @property
    def parallelism(self) -> int:
        """Subtasks that wrote it."""
        return len(self.subtasks)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file."""
        Path(path).write_bytes(msgspec.msgpack.encode(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Read what ``save`` wrote."""
        return msgspec.msgpack.decode(Path(path).read_bytes(), type=cls)

    def share(self, index: int, parallelism: int, max_parallelism: int) -> RestoredState:
        """What subtask ``index`` of ``parallelism`` restores."""
        files = assign_operator(
            self.parallelism, parallelism, index, all(subtask.split_only for subtask in self.subtasks)
        )
        old_ranges = [
            key_group_range(self.max_parallelism, self.parallelism, i) for i in range(self.parallelism)
        ]
        mine = key_group_range(max_parallelism, parallelism, index)
        keyed = assign_keyed([(groups.start, groups.stop - 1) for groups in old_ranges], mine)
        return RestoredState(
            keyed=_present([self.subtasks[i].keyed for i in keyed]),
            operator=_present([self.subtasks[i].operator for i in files.old_subtasks]),
            own_only=files.own_only,
            finished=self.finished,
            watermark=self.watermark,
            old_parallelism=self.parallelism,
        )

    def keyed_store(self) -> KeyedStateStore:
        """All keyed state and timers in one store, for a look inside."""
        store = KeyedStateStore(KeyCell(), self.max_parallelism, range(self.max_parallelism), "snapshot")
        store.restore(_present([subtask.keyed for subtask in self.subtasks]))
        return store

    def state(self, descriptor: StateDescriptor) -> dict[Any, Any]:
        """One keyed state: each key with its value, list, map or folded value."""
        store = self.keyed_store()
        any_kind: Any = descriptor
        store.get_state(any_kind)
        return dict(store.table_of(descriptor))


def _present(blobs: list[bytes | None]) -> tuple[bytes, ...]:
    return tuple(blob for blob in blobs if blob is not None)
