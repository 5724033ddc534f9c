"""The slow half of a snapshot: bytes into storage, described by handles; and the way back at a restore.

Runs on I/O threads. With the ``Memory`` backend the bytes travel inside the acknowledgement and end up in the
metadata; else everything above ``store.INLINE_BYTES`` is an object of its own. An incremental checkpoint stores files of the
backend beside that, each once; a native savepoint all of them, in its own folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from weir import crashpoints
from weir.checkpoint import paths, store, streaming
from weir.config import StateBackendType
from weir.graph.physical import ChainedOperator
from weir.ids import CheckpointId, OperatorId
from weir.operators.base import OperatorSnapshot, RestoredState
from weir.records import MIN_TIMESTAMP
from weir.rpc import messages
from weir.state.backend import check_memory_limit
from weir.state.native import IncrementalSnapshot, KeyedState, NativeKeyed, PiecewiseSnapshot, Reuse
from weir.state.registration import KeyedSnapshot
from weir.state.snapshot import OperatorSubtaskState, StateHandle, inline_handle, object_handle
from weir.state.spooled import SPOOL_BYTES, SpooledFile
from weir.storage import open_storage
from weir.storage.base import Storage
from weir.taskmanager.local_copies import NO_COPIES, LocalCopies
from weir.taskmanager.pacing import paced


class SnapshotWriter:
    """Makes snapshots durable: checkpoints below the job's folder, a savepoint in the folder that its barrier names."""

    def __init__(
        self,
        storage: Storage | None,
        backend: StateBackendType,
        *,
        incremental: bool = False,
        copies: LocalCopies = NO_COPIES,
    ) -> None:
        """``storage``: rooted at the job's folder; ``None``: nothing is stored, handles are inline."""
        self._storage = storage
        self._copies = copies
        self._backend = backend
        self._incremental = incremental and storage is not None

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
        whole: bool = False,
        in_flight: bytes | None = None,
    ) -> Mapping[OperatorId, OperatorSubtaskState]:
        """Write everything of one subtask; ``in_flight`` goes with the head of its chain. Raises ``StorageError``, ``SnapshotError``, ``SerializationError`` or ``LocalDiskError``."""
        number = CheckpointId(checkpoint_id)
        folder, copies = self._storage, self._copies
        prefix = f"{paths.checkpoint_folder(number)}/"
        if savepoint:
            folder, prefix, copies = (
                open_storage(savepoint),
                "",
                NO_COPIES,
            )  # names relative to it: it may be moved
        states: dict[OperatorId, OperatorSubtaskState] = {}
        for operator, snapshot in operators:
            if snapshot.finish is not None:
                snapshot.finish()
            name = _StateNames(folder, prefix, execution, operator, subtask, number, copies)
            reuse = _reuse(self._incremental, savepoint=bool(savepoint), whole=whole)
            # Whoever takes a savepoint waits for it, after the last rows nobody else wants the interpreter, and RocksDB reads without it.
            beside_rows = not (savepoint or finished or self._backend is StateBackendType.ROCKSDB)
            keyed, shared = self._keyed(snapshot.keyed, name, reuse, beside_rows)
            states[operator.operator_id] = OperatorSubtaskState(
                subtask=subtask,
                keyed=self._store(keyed, name, paths.StateKind.KEYED),
                shared=shared,
                key_groups=key_groups if snapshot.keyed is not None else None,
                operator=self._store(_whole(snapshot.operator), name, paths.StateKind.OPERATOR),
                in_flight=None if states or in_flight is None else _stored(in_flight, name),
                split_only=snapshot.split_only,
                finished=finished,
                has_commits=snapshot.has_commits,
                watermark=None if watermark == MIN_TIMESTAMP else watermark,
            )
        return states

    def _keyed(
        self,
        snapshot: KeyedSnapshot | None,
        name: _StateNames,
        reuse: Reuse | None,
        beside_rows: bool,
    ) -> tuple[Iterable[bytes] | None, tuple[StateHandle, ...] | None]:
        """A state file in pieces, and the files that it is made of; ``reuse``: ``None`` of what every backend is to read."""
        if snapshot is None:
            return None, None
        if reuse is not None and name.folder is not None and isinstance(snapshot, IncrementalSnapshot):
            increment = snapshot.increment(name.share, reuse)
            name.copies.keep_shared(name.checkpoint, increment.shared)
            return increment.pieces, increment.shared
        if isinstance(snapshot, PiecewiseSnapshot):
            return paced(snapshot.pieces()) if beside_rows else snapshot.pieces(), None
        return (snapshot.encode(),), None

    def _store(
        self, pieces: Iterable[bytes] | None, name: _StateNames, kind: paths.StateKind
    ) -> StateHandle | None:
        if pieces is None:
            return None
        if name.folder is not None and self._backend is not StateBackendType.MEMORY:
            return name.stream(kind, pieces)
        data = b"".join(pieces)
        if name.folder is not None:
            check_memory_limit(name.operator.name, name.subtask, len(data))
        return inline_handle(data)


def _whole(data: bytes | None) -> Iterable[bytes] | None:
    return None if data is None else (data,)


def _reuse(incremental: bool, *, savepoint: bool, whole: bool) -> Reuse | None:
    """How a backend's own files go into a snapshot; ``None``: they do not."""
    if savepoint:
        return Reuse.APART if whole else None
    if not incremental:
        return None
    return Reuse.ANEW if whole else Reuse.KNOWN


def _stored(in_flight: bytes, name: _StateNames) -> StateHandle:
    """No state backend's business: in an object of its own unless it is small."""
    if name.folder is None:
        return inline_handle(in_flight)
    return name.store(paths.StateKind.IN_FLIGHT, in_flight)


@dataclass(frozen=True)
class _StateNames:
    """The objects of one operator of one subtask in one snapshot: below ``prefix`` in ``folder``."""

    folder: Storage | None
    prefix: str
    execution: messages.Execution
    operator: ChainedOperator
    subtask: int
    checkpoint: CheckpointId
    copies: LocalCopies

    def store(self, kind: paths.StateKind, data: bytes) -> StateHandle:
        """Store a file, unless it is small. Raises ``StorageError``."""
        assert self.folder is not None
        handle = store.write_state(self.folder, self.prefix + self._name(kind), data)
        self.copies.keep(self.checkpoint, handle, data)
        return handle

    def stream(self, kind: paths.StateKind, pieces: Iterable[bytes]) -> StateHandle:
        """As :meth:`store`, of what comes in pieces, and raises what they raise."""
        assert self.folder is not None
        path = self.prefix + self._name(kind)
        return streaming.write(
            self.folder, path, pieces, lambda passing: self.copies.kept(self.checkpoint, path, passing)
        )

    def share(self, file: str, data: bytes) -> StateHandle:
        """Store a file that later checkpoints may be made of, too. Raises ``StorageError``."""
        assert self.folder is not None
        path = paths.shared_file(self.checkpoint, self._name(paths.StateKind.KEYED), file)
        crashpoints.hit("worker.increment.before-upload")
        self.folder.write(path, data)
        crashpoints.hit("worker.increment.after-upload")
        handle = object_handle(path, data)
        self.copies.keep(self.checkpoint, handle, data)
        return handle

    def _name(self, kind: paths.StateKind) -> str:
        of = self.execution
        return paths.state_name(of.epoch, of.attempt, self.operator.operator_id, self.subtask, kind)


class SnapshotReader:
    """Reads what handles point at, and verifies it."""

    def __init__(
        self,
        storage: Storage | None,
        *,
        own: bool = True,
        copies: LocalCopies = NO_COPIES,
        spool: str | None = None,
    ) -> None:
        """``own``: what is read lies in the job's own folder, of which there may be ``copies``. ``spool``: a local folder for state files
        that are larger than memory may be.
        """
        self._storage = storage
        self._own = own
        self._copies = copies if own else NO_COPIES
        self._spool = spool

    def read(self, restored: messages.RestoredOperator) -> RestoredState:
        """All blobs of one operator. Raises ``SnapshotCorrupt`` naming the object."""
        crashpoints.hit("worker.restore.before-read")
        states = restored.states
        keyed = tuple(self._keyed(state.keyed, state.shared) for state in states if state.keyed is not None)
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

    def read_in_flight(self, restored: messages.RestoredOperator) -> list[tuple[int, bytes]]:
        """What was on its way to old subtasks, by their index. Raises ``SnapshotCorrupt`` naming the object."""
        return [
            (state.subtask, self._bytes(state.in_flight))
            for state in restored.states
            if state.in_flight is not None
        ]

    def _keyed(self, handle: StateHandle, shared: tuple[StateHandle, ...] | None) -> KeyedState:
        large = handle.path is not None and handle.size > SPOOL_BYTES
        if shared is None and large and self._spool is not None and self._storage is not None:
            return self._spooled(self._storage, handle, self._spool)
        data = self._bytes(handle)
        return data if shared is None else NativeKeyed(data, shared, self._shared, self._own)

    def _spooled(self, storage: Storage, handle: StateHandle, local: str) -> SpooledFile:
        copy = self._copies.spooled(handle, local)
        if copy is not None:
            return copy
        file = streaming.spool(storage, handle, local)
        self._copies.was_spooled(file)
        return file

    def _shared(self, handle: StateHandle) -> bytes:
        crashpoints.hit("worker.restore.before-shared")
        return self._bytes(handle)

    def _bytes(self, handle: StateHandle) -> bytes:
        copy = self._copies.read(handle)
        if copy is not None:
            return copy
        if self._storage is not None:
            data = store.read_state(self._storage, handle)
            self._copies.was_read(handle, data)
            return data
        if handle.data is None:
            raise ValueError(f"state object {handle.path} is needed, but no checkpoint storage is set")
        return handle.checked(handle.data, "inline state")
