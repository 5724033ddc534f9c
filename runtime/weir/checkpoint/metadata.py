"""The format of ``_metadata``: what a checkpoint or savepoint consists of, as versioned JSON.

The coordinator builds a :class:`SnapshotMetadata` from the acknowledgements, ``store`` writes it last and the fence
records its hash. Its last line is a checksum of all before it, so that a savepoint, which no log records, is protected as
well. Files of every released format version must stay readable: a field that is added gets a default, a
change of meaning gets a new format version.
"""

from __future__ import annotations

import enum
import hashlib
import re

import msgspec

from weir.errors import SnapshotCorrupt, SnapshotMismatch, StorageError
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, OperatorId
from weir.state.snapshot import OperatorSubtaskState
from weir.storage.names import check_name

FORMAT_VERSION = 1
#: Of a checkpoint with overtaken data, which a Weir that reads only version 1 would drop.
IN_FLIGHT_FORMAT_VERSION = 2

#: A larger file is neither written nor read: whoever gives a JobManager a snapshot must not take all its memory.
MAX_BYTES = 256 * 1024 * 1024
#: JSON objects in it: operators, their subtasks, handles. Each takes more memory than its few bytes.
MAX_OBJECTS = 500_000


class SnapshotKind(enum.StrEnum):
    """Checkpoints belong to the engine, savepoints to whoever asked for them."""

    CHECKPOINT = "checkpoint"
    SAVEPOINT = "savepoint"


class Owner(enum.StrEnum):
    """Who asked for a savepoint; the operator prunes only its own."""

    USER = "user"
    OPERATOR = "operator"


class OperatorState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one operator over all its subtasks."""

    operator_id: OperatorId
    uid: str | None = None
    name: str
    parallelism: int
    max_parallelism: int
    subtasks: tuple[OperatorSubtaskState, ...] = ()

    @property
    def label(self) -> str:
        """How messages name the operator."""
        return label_of(self.uid, self.name, self.operator_id)

    @property
    def stateful(self) -> bool:
        """Whether there is anything to restore."""
        return any(subtask.files for subtask in self.subtasks)

    @property
    def in_flight(self) -> int:
        """Bytes that unaligned barriers overtook."""
        return sum(subtask.in_flight.size for subtask in self.subtasks if subtask.in_flight is not None)

    @property
    def keyed(self) -> bool:
        """Whether there is state by key, which a change of the max parallelism would tear apart."""
        return any(subtask.keyed is not None for subtask in self.subtasks)

    @property
    def size(self) -> int:
        """Bytes of its state."""
        return sum(subtask.size for subtask in self.subtasks)


class SnapshotMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The contents of ``_metadata``."""

    format_version: int
    job_id: JobId
    job_name: str = ""
    kind: SnapshotKind
    owner: Owner = Owner.USER
    checkpoint_id: CheckpointId
    epoch: Epoch
    attempt: AttemptId
    triggered_ms: int  #: wall time
    #: The largest watermark of any subtask, event-time milliseconds.
    max_watermark: int | None = None
    #: Whether anything is committed to the outside with this snapshot; recovery never goes back past it.
    has_commits: bool = False
    #: Nothing follows: taken at the end of the input, or by a stop.
    final: bool = False
    operators: tuple[OperatorState, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of state that the snapshot refers to."""
        return sum(operator.size for operator in self.operators)


def label_of(uid: str | None, name: str, operator_id: OperatorId) -> str:
    """How messages name an operator."""
    return f"uid {uid!r}" if uid else f"{name!r} (id {operator_id})"


class _Header(msgspec.Struct):
    format_version: int


_CHECKSUM = re.compile(rb',\n "checksum": "([0-9a-f]{64})"(?=\n}\Z)')
#: Bytes at the end among which the checksum is.
_TRAILER = 100


def encode(metadata: SnapshotMetadata) -> bytes:
    """The bytes of ``_metadata``; equal values give equal bytes."""
    data = msgspec.json.format(msgspec.json.encode(metadata), indent=1)
    return data[:-2] + f',\n "checksum": "{digest(data)}"'.encode() + data[-2:]


def fault_of_size(size: int) -> str | None:
    """Why a ``_metadata`` of this many bytes is refused, if it is."""
    if size <= MAX_BYTES:
        return None
    return f"has {size} bytes, and the most is {MAX_BYTES}; use a state backend that keeps state in files of its own"


def fault_of_objects(count: int) -> str | None:
    """Why a ``_metadata`` of so many JSON objects is refused, if it is."""
    return (
        None
        if count <= MAX_OBJECTS
        else f"holds more than {MAX_OBJECTS} JSON objects: no job of Weir wrote it"
    )


def digest(data: bytes) -> str:
    """The hash by which the fence's record names these bytes (sha256, hex)."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, where: str) -> SnapshotMetadata:
    """Read ``_metadata``.

    Raises ``SnapshotCorrupt`` when the bytes are cut, damaged or contradict themselves, ``SnapshotMismatch`` when a
    newer Weir wrote them; both name ``where``.
    """
    fault = fault_of_size(len(data)) or fault_of_objects(data.count(b"{"))
    if fault is not None:
        raise SnapshotCorrupt(f"{where} {fault}")
    try:
        version = msgspec.json.decode(data, type=_Header).format_version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotCorrupt(f"{where} is no snapshot metadata, or is damaged: {error}") from error
    if version > IN_FLIGHT_FORMAT_VERSION:
        raise SnapshotMismatch(
            f"{where} has format version {version}, this Weir reads up to {IN_FLIGHT_FORMAT_VERSION}; use the version that wrote it"
        )
    try:
        _check(data, where)
        metadata = msgspec.json.decode(data, type=SnapshotMetadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotCorrupt(f"{where} (format version {version}) is damaged: {error}") from error
    _validate(metadata, where)
    return metadata


def _check(data: bytes, where: str) -> None:
    """Compare with the checksum, where it stands as :func:`encode` wrote it; people may have formatted the file anew."""
    found = _CHECKSUM.search(data, max(0, len(data) - _TRAILER))
    if found is None:
        return
    actual, recorded = digest(data[: found.start()] + data[found.end() :]), found.group(1).decode()
    if actual != recorded:
        raise SnapshotCorrupt(f"{where} has checksum {actual}, its last line says {recorded}: it is damaged")


def _validate(metadata: SnapshotMetadata, where: str) -> None:
    ids = [operator.operator_id for operator in metadata.operators]
    if len(set(ids)) != len(ids):
        raise SnapshotCorrupt(f"{where} names an operator twice")
    for operator in metadata.operators:
        fault = _operator_fault(operator)
        if fault is not None:
            raise SnapshotCorrupt(f"{where}: operator {operator.label} {fault}")


def _operator_fault(operator: OperatorState) -> str | None:
    if not 1 <= operator.parallelism <= operator.max_parallelism:
        return f"has parallelism {operator.parallelism} with max parallelism {operator.max_parallelism}"
    indexes = [state.subtask for state in operator.subtasks]
    if len(set(indexes)) != len(indexes) or any(not 0 <= i < operator.parallelism for i in indexes):
        return f"has parallelism {operator.parallelism}, but subtasks {indexes}"
    for state in operator.subtasks:
        if (state.keyed is None) != (state.key_groups is None):
            return f"has keyed state without key groups, or the other way round, in subtask {state.subtask}"
        if state.key_groups is not None:
            first, last = state.key_groups
            if not 0 <= first <= last < operator.max_parallelism:
                return f"has key groups {first} to {last} with max parallelism {operator.max_parallelism}"
        if state.shared is not None and state.keyed is None:
            return f"has shared files without keyed state in subtask {state.subtask}"
        for handle in state.files:
            if handle.path is not None:
                try:
                    check_name(handle.path)
                except StorageError as error:
                    return str(error)
    return None
