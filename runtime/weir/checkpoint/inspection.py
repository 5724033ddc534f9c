"""What a snapshot holds, told without the job's code: nothing of the user's is decoded, nothing is ever unpickled.

``inspect_snapshot`` reads and verifies every file of a snapshot and adds up what the state files say of themselves;
damage becomes a :class:`FileFault`, not an exception, so that one look names all of it. ``state_counts`` looks into
the files; ``log_inspection`` does the same for a job's whole folder; the command line draws the result.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from weir.checkpoint import paths
from weir.checkpoint.metadata import OperatorState, Owner, SnapshotKind
from weir.checkpoint.state_counts import Counts, StateFacts, TimerFacts
from weir.checkpoint.store import LoadedSnapshot
from weir.errors import ObjectNotFound, SnapshotError
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, OperatorId
from weir.state.snapshot import OperatorSubtaskState, StateHandle


class Problem(enum.StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    SIZE = "size"  #: cut, or replaced
    CHECKSUM = "checksum"  #: bytes were flipped
    FORMAT = "format"  #: it is what was written, but cannot be read


class FileFault(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a snapshot that is not what its snapshot recorded."""

    file: str
    problem: Problem
    message: str
    recorded: int | str | None = None
    found: int | str | None = None


class SubtaskData(msgspec.Struct, frozen=True, kw_only=True):
    """Something that one subtask holds, as plain data."""

    subtask: int
    data: Any


class EnumeratorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the enumerator of a source holds."""

    #: Its state as plain data, or how many bytes it has if it is not msgpack.
    data: Any
    readers: int | None = None
    told_no_more: tuple[int, ...] = ()


class OperatorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of a snapshot."""

    uid: str | None
    name: str
    operator_id: OperatorId
    parallelism: int
    max_parallelism: int
    bytes: int
    files: int
    #: Bytes of it that were on their way to its subtasks: an unaligned checkpoint's.
    in_flight: int = 0
    #: Subtasks that had reached the end of their input.
    finished: tuple[int, ...] = ()
    #: The smallest of its subtasks, event-time milliseconds.
    watermark: int | None = None
    #: The type of its keys; ``None``: it holds no keyed state.
    key_type: str | None = None
    states: tuple[StateFacts, ...] = ()
    timers: tuple[TimerFacts, ...] = ()
    splits: tuple[SubtaskData, ...] = ()
    enumerator: EnumeratorFacts | None = None
    pending_commits: tuple[SubtaskData, ...] = ()
    #: Whether every file could be read; if not, the counts leave out what could not.
    complete: bool = True


class SnapshotFacts(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """A checkpoint or savepoint."""

    uri: str
    kind: SnapshotKind
    owner: Owner
    job_id: JobId
    job_name: str
    checkpoint_id: CheckpointId
    epoch: Epoch
    attempt: AttemptId
    triggered_ms: int
    format_version: int
    metadata_sha256: str
    bytes: int
    files: int
    has_commits: bool
    final: bool
    max_watermark: int | None
    operators: tuple[OperatorFacts, ...]
    faults: tuple[FileFault, ...] = ()
    #: The fence record that completes it, 0 if none does; ``None``: it lies in no job's folder.
    recorded: int | None = None
    #: Objects in the snapshot's folder that it does not refer to.
    unreferenced: tuple[str, ...] = ()


def inspect_snapshot(snapshot: LoadedSnapshot, recorded: int | None = None) -> SnapshotFacts:
    """Read every file of a snapshot, one at a time. ``recorded`` is the fence record that completes it, if known.

    Raises ``StorageError`` other than ``ObjectNotFound``.
    """
    metadata = snapshot.metadata
    faults: list[FileFault] = []
    operators = tuple(_operator(snapshot, operator, faults) for operator in metadata.operators)
    files = {handle.path for handle in _handles(snapshot) if handle.path is not None}
    referenced = {snapshot.located(handle)[1].path for handle in _handles(snapshot)}
    listed = {info.name for info in snapshot.folder.list()}
    return SnapshotFacts(
        uri=snapshot.uri,
        kind=metadata.kind,
        owner=metadata.owner,
        job_id=metadata.job_id,
        job_name=metadata.job_name,
        checkpoint_id=metadata.checkpoint_id,
        epoch=metadata.epoch,
        attempt=metadata.attempt,
        triggered_ms=metadata.triggered_ms,
        format_version=metadata.format_version,
        metadata_sha256=snapshot.metadata_sha256,
        bytes=metadata.size,
        files=len(files),
        has_commits=metadata.has_commits,
        final=metadata.final,
        max_watermark=metadata.max_watermark,
        operators=operators,
        faults=tuple(faults),
        recorded=recorded,
        unreferenced=tuple(sorted(listed - referenced - {paths.METADATA})),
    )


def verify_files(snapshot: LoadedSnapshot) -> list[FileFault]:
    """Compare every file with its recorded size and sha256."""
    checked = (_read(snapshot, handle, "inline state") for handle in _handles(snapshot))
    return [result for result in checked if isinstance(result, FileFault)]


def _handles(snapshot: LoadedSnapshot) -> Iterator[StateHandle]:
    for operator in snapshot.metadata.operators:
        for subtask in operator.subtasks:
            yield from subtask.files


def _operator(snapshot: LoadedSnapshot, operator: OperatorState, faults: list[FileFault]) -> OperatorFacts:
    counts = Counts()
    before = len(faults)
    for state in sorted(operator.subtasks, key=lambda state: state.subtask):
        for handle in state.handles:
            fault = _count(snapshot, operator, state, handle, counts)
            if fault is not None:
                faults.append(fault)
        overtaken = () if state.in_flight is None else (state.in_flight,)
        others = (_read(snapshot, handle, "") for handle in (*overtaken, *(state.shared or ())))
        faults += [found for found in others if isinstance(found, FileFault)]
    watermarks = [state.watermark for state in operator.subtasks if state.watermark is not None]
    handles = [handle for state in operator.subtasks for handle in state.files]
    return OperatorFacts(
        uid=operator.uid,
        name=operator.name,
        operator_id=operator.operator_id,
        parallelism=operator.parallelism,
        max_parallelism=operator.max_parallelism,
        bytes=operator.size,
        in_flight=operator.in_flight,
        files=sum(not handle.inline for handle in handles),
        finished=tuple(sorted(state.subtask for state in operator.subtasks if state.finished)),
        watermark=min(watermarks, default=None),
        key_type=counts.key_type,
        states=counts.states(),
        timers=counts.timers(),
        splits=_of_subtasks(counts.splits),
        enumerator=_enumerator(counts),
        pending_commits=_of_subtasks(counts.committables),
        complete=len(faults) == before,
    )


def _count(
    snapshot: LoadedSnapshot,
    operator: OperatorState,
    state: OperatorSubtaskState,
    handle: StateHandle,
    counts: Counts,
) -> FileFault | None:
    """Add one file to ``counts``, or say what is wrong with it."""
    inline = f"inline state of {operator.label}, subtask {state.subtask}"
    data = _read(snapshot, handle, inline)
    if isinstance(data, FileFault):
        return data
    try:
        counts.add(data, state.subtask)
    except SnapshotError as error:
        file = _file(snapshot, handle, inline)
        return FileFault(file=file, problem=Problem.FORMAT, message=f"{file}: {error}")
    return None


def _read(snapshot: LoadedSnapshot, handle: StateHandle, inline: str) -> bytes | FileFault:
    file = _file(snapshot, handle, inline)
    if handle.data is not None:
        data = handle.data
    else:
        assert handle.path is not None
        try:
            folder, within = snapshot.located(handle)
            data = folder.read(within.path or "")
        except ObjectNotFound:
            return FileFault(
                file=file,
                problem=Problem.MISSING,
                message=f"{file} is missing, its snapshot recorded {handle.size} bytes",
                recorded=handle.size,
            )
    if len(data) != handle.size:
        return FileFault(
            file=file,
            problem=Problem.SIZE,
            message=f"{file} has {len(data)} bytes, its snapshot recorded {handle.size}: it was cut or replaced",
            recorded=handle.size,
            found=len(data),
        )
    found = hashlib.sha256(data).hexdigest()
    if found != handle.sha256:
        return FileFault(
            file=file,
            problem=Problem.CHECKSUM,
            message=f"{file} has sha256 {found}, its snapshot recorded {handle.sha256}: it is damaged",
            recorded=handle.sha256,
            found=found,
        )
    return data


def _file(snapshot: LoadedSnapshot, handle: StateHandle, inline: str) -> str:
    if handle.path is not None:
        folder, within = snapshot.located(handle)
        return f"{folder.uri}/{within.path}"
    return f"{snapshot.uri}/{paths.METADATA} ({inline})"


def _of_subtasks(found: list[tuple[int, Any]]) -> tuple[SubtaskData, ...]:
    return tuple(SubtaskData(subtask=subtask, data=data) for subtask, data in found)


def _enumerator(counts: Counts) -> EnumeratorFacts | None:
    if not counts.enumerator:
        return None
    _, data = counts.enumerator[0]
    told = [number for _, number in counts.told]
    return EnumeratorFacts(data=data, readers=told[0] if told else None, told_no_more=tuple(told[1:]))
