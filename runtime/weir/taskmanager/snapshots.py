"""The slow half of a snapshot: bytes into storage, described by handles; and the way back at a restore.

Runs on I/O threads. With the ``Memory`` backend the bytes travel inside the acknowledgement and end up in the
metadata; with ``FileSystem`` everything above ``store.INLINE_BYTES`` is an object of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from weir import crashpoints
from weir.checkpoint import paths, store
from weir.config import StateBackendType
from weir.graph.physical import ChainedOperator
from weir.ids import CheckpointId, OperatorId
from weir.operators.base import OperatorSnapshot, RestoredState
from weir.records import MIN_TIMESTAMP
from weir.rpc import messages
from weir.state.backend import check_memory_limit
from weir.state.snapshot import OperatorSubtaskState, StateHandle, inline_handle
from weir.storage import open_storage
from weir.storage.base import Storage


class SnapshotWriter:
    """Makes snapshots durable: checkpoints below the job's folder, a savepoint in the folder that its barrier names."""

    def __init__(self, storage: Storage | None, backend: StateBackendType) -> None:
        """``storage``: rooted at the job's folder; ``None``: nothing is stored, handles are inline."""
        self._storage = storage
        self._backend = backend

    def persist(
        self,
        execution: messages.Execution,
        checkpoint_id: int,
        subtask: int,
        operators: list[tuple[ChainedOperator, OperatorSnapshot]],
        *,
        key_groups: tuple[int, int] | None,
        finished: bool,
        watermark: int,
        savepoint: str = "",
    ) -> Mapping[OperatorId, OperatorSubtaskState]:
        """Write everything of one subtask. Raises ``StorageError`` or ``SnapshotError``."""
        folder = self._storage
        prefix = f"{paths.checkpoint_folder(CheckpointId(checkpoint_id))}/"
        if savepoint:
            folder, prefix = open_storage(savepoint), ""  # names relative to it: it may be moved
        states = {}
        for operator, snapshot in operators:
            if snapshot.finish is not None:
                snapshot.finish()
            name = _StateNames(folder, prefix, execution, operator, subtask)
            states[operator.operator_id] = OperatorSubtaskState(
                subtask=subtask,
                keyed=self._store(snapshot.keyed, name, paths.StateKind.KEYED),
                key_groups=key_groups if snapshot.keyed is not None else None,
                operator=self._store(snapshot.operator, name, paths.StateKind.OPERATOR),
                split_only=snapshot.split_only,
                finished=finished,
                has_commits=snapshot.has_commits,
                watermark=None if watermark == MIN_TIMESTAMP else watermark,
            )
        return states

    def _store(self, data: bytes | None, name: _StateNames, kind: paths.StateKind) -> StateHandle | None:
        if data is None:
            return None
        if name.folder is None:
            return inline_handle(data)
        if self._backend is StateBackendType.MEMORY:
            check_memory_limit(name.operator.name, name.subtask, len(data))
            return inline_handle(data)
        return store.write_state(name.folder, name.path(kind), data)


@dataclass(frozen=True)
class _StateNames:
    """The objects of one operator of one subtask in one snapshot: below ``prefix`` in ``folder``."""

    folder: Storage | None
    prefix: str
    execution: messages.Execution
    operator: ChainedOperator
    subtask: int

    def path(self, kind: paths.StateKind) -> str:
        """Relative to ``folder``."""
        of = self.execution
        name = paths.state_name(of.epoch, of.attempt, self.operator.operator_id, self.subtask, kind)
        return self.prefix + name


class SnapshotReader:
    """Reads what handles point at, and verifies it."""

    def __init__(self, storage: Storage | None) -> None:
        self._storage = storage

    def read(self, restored: messages.RestoredOperator) -> RestoredState:
        """All blobs of one operator. Raises ``SnapshotCorrupt`` naming the object."""
        crashpoints.hit("worker.restore.before-read")
        states = restored.states
        keyed = tuple(self._bytes(state.keyed) for state in states if state.keyed is not None)
        operator = tuple(self._bytes(state.operator) for state in states if state.operator is not None)
        marks = [state.watermark for state in states if state.watermark is not None]
        crashpoints.hit("worker.restore.after-read")
        return RestoredState(
            keyed=keyed,
            operator=operator,
            own_only=restored.own_only,
            finished=bool(states) and all(state.finished for state in states),
            watermark=min(marks) if marks and len(marks) == len(states) else None,
            old_parallelism=restored.old_parallelism,
        )

    def _bytes(self, handle: StateHandle) -> bytes:
        if self._storage is not None:
            return store.read_state(self._storage, handle)
        if handle.data is None:
            raise ValueError(f"state object {handle.path} is needed, but no checkpoint storage is set")
        return handle.checked(handle.data, "inline state")
