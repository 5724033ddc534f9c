"""A savepoint, or a checkpoint that was retained, opened offline; and another savepoint written from it."""

from __future__ import annotations

from msgspec import structs

from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import paths, store
from weir.checkpoint.metadata import Owner, SnapshotKind
from weir.checkpoint.store import LoadedSnapshot
from weir.errors import ObjectExists, SnapshotError
from weir.ids import OperatorId, operator_id_of_uid
from weir.state.snapshot import OperatorSubtaskState, StateHandle
from weir.state_reader.operators import Files, SavepointOperator
from weir.storage import Storage, open_storage
from weir.storage.opening import absolute_uri


class Savepoint:
    """``Savepoint.load("s3://bucket/savepoints/savepoint-1a2b3c-7")``; what is read is never changed.

    State is read from storage when an operator's is asked for, with all its files verified, and held in memory.
    """

    def __init__(self, snapshot: LoadedSnapshot) -> None:
        """See :meth:`load`."""
        self._snapshot = snapshot
        self._operators = {
            state.operator_id: SavepointOperator(snapshot, state) for state in snapshot.metadata.operators
        }

    @classmethod
    def load(cls, path: str) -> Savepoint:
        """By the folder or URI of a savepoint, or of a checkpoint in its job's folder.

        ``s3://`` is reached by the ``AWS_*`` variables. Raises ``SnapshotCorrupt``, ``StorageError``.
        """
        snapshot = store.load(absolute_uri(path))
        store.check_files(snapshot)
        return cls(snapshot)

    @property
    def uri(self) -> str:
        """Where it was loaded from."""
        return self._snapshot.uri

    @property
    def operators(self) -> list[SavepointOperator]:
        """All operators that have a place in it, with state or without."""
        return list(self._operators.values())

    def operator(self, uid: str) -> SavepointOperator:
        """The operator with this uid, or, if it has none, of this name. Raises ``SnapshotError`` with those that there are."""
        found = self._operators.get(operator_id_of_uid(uid))
        if found is not None:
            return found
        named = [one for one in self._operators.values() if one.uid is None and one.name == uid]
        if len(named) == 1:
            return named[0]
        known = ", ".join(repr(one.uid or one.name) for one in self._operators.values())
        raise SnapshotError(f"{self.uri} has no operator {uid!r}; it has {known}")

    def drop_operator(self, uid: str) -> None:
        """Leave an operator's state out of what is written. Raises ``SnapshotError`` when there is no such operator."""
        dropped = self.operator(uid)
        self._operators = {key: one for key, one in self._operators.items() if one is not dropped}

    def write(self, path: str) -> str:
        """Write a savepoint as things are now into the folder ``path``, which must hold none; its URI.

        It is self-contained, of the same job and number, and belongs to whoever wrote it. Raises ``SerializationError`` naming
        operator, state, key and type when a value does not fit, ``SnapshotError``, ``StorageError``.
        """
        folder = open_storage(absolute_uri(path))
        if any(True for _ in folder.list()):
            raise SnapshotError(f"{folder.uri} is not empty; name a new folder for the savepoint")
        metadata = self._snapshot.metadata
        operators = []
        for operator_id, operator in self._operators.items():
            writer = _Writer(folder, self._snapshot, operator_id)
            operators.append(operator.written(writer.write))
        data = metadata_format.encode(
            structs.replace(
                metadata, kind=SnapshotKind.SAVEPOINT, owner=Owner.USER, operators=tuple(operators)
            )
        )
        try:
            folder.create_if_absent(paths.METADATA, data)
        except ObjectExists:
            raise SnapshotError(f"{folder.uri} was written by another program meanwhile") from None
        return folder.uri


class _Writer:
    """Stores the files of one operator."""

    def __init__(self, folder: Storage, snapshot: LoadedSnapshot, operator: OperatorId) -> None:
        self._folder = folder
        self._of = snapshot.metadata
        self._operator = operator

    def write(self, subtask: int, files: Files) -> OperatorSubtaskState:
        keyed, operator = files
        return OperatorSubtaskState(
            subtask=subtask,
            keyed=self._stored(subtask, keyed, paths.StateKind.KEYED),
            operator=self._stored(subtask, operator, paths.StateKind.OPERATOR),
        )

    def _stored(self, subtask: int, data: bytes | None, kind: paths.StateKind) -> StateHandle | None:
        if data is None:
            return None
        name = paths.state_name(self._of.epoch, self._of.attempt, self._operator, subtask, kind)
        return store.write_state(self._folder, name, data)
