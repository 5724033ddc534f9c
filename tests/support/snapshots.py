"""A job's checkpoint folder with real state files in it, made by the stores that operators use, on any storage."""

from __future__ import annotations

import msgspec

from tests.support.checkpoints import JOB, ManualClock
from weir.checkpoint import paths, publishing, store
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.metadata import (
    FORMAT_VERSION,
    OperatorState,
    SnapshotKind,
    SnapshotMetadata,
    encode,
)
from weir.graph.identity import enumerator_id
from weir.ids import AttemptId, CheckpointId, OperatorId, operator_id_of_uid
from weir.keygroups import key_group, key_group_range
from weir.serde import PickleSerializer, allow_pickle
from weir.state import (
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    OperatorStateStore,
    ValueStateDescriptor,
    reserved,
)
from weir.state.snapshot import OperatorSubtaskState
from weir.storage import PrefixedStorage, Storage

#: msgpack of a split and of a commit, as connectors write them.
SPLIT = msgspec.msgpack.encode({"name": "in/3.csv", "end": 1024, "position": 256})
COMMITTABLE = msgspec.msgpack.encode([{"target": "s3://b/out", "name": "part-1"}])
EPOCH, ATTEMPT = 1, AttemptId(1)


def keyed_state(index: int, parallelism: int = 2, keys: int = 20) -> bytes:
    """Value, map, list and pickled state and timers of both kinds, for the subtask's own keys out of ``keys``."""
    allow_pickle(b"a key for tests, 32 bytes and more")
    try:
        return _keyed_state(index, parallelism, keys)
    finally:
        allow_pickle(None)


def _keyed_state(index: int, parallelism: int, keys: int) -> bytes:
    cell = KeyCell()
    groups = key_group_range(128, parallelism, index)
    keyed = KeyedStateStore(cell, 128, groups, "count")
    seen = keyed.get_state(ValueStateDescriptor("seen", int))
    names = keyed.get_state(MapStateDescriptor("names", str, list[int]))
    recent = keyed.get_state(ListStateDescriptor("recent"))
    secret = keyed.get_state(ValueStateDescriptor("secret", PickleSerializer()))
    for number in range(keys):
        cell.key = f"key-{number}"
        if key_group(cell.key, 128) not in groups:
            continue
        seen.update(number)
        names.put("a", [number])
        names.put("b", [])
        recent.add_all(range(3))
        secret.update({number})
        keyed.event_timers.register(cell.key, 1_700_000_000_000 + number)
        keyed.processing_timers.register(cell.key, 1_800_000_000_000)
    return keyed.snapshot()


def operator_state(**states: list[bytes]) -> bytes | None:
    """Split lists of encoded elements by name."""
    kept = OperatorStateStore("source")
    for name, elements in states.items():
        kept.get_list_state(ListStateDescriptor(name, bytes)).update(elements)
    return kept.snapshot()


def mixed_operator_state() -> bytes:
    """A union list and a broadcast map of the user's."""
    kept = OperatorStateStore("rules")
    kept.get_union_list_state(ListStateDescriptor("offsets", int)).update([1, 2, 3])
    kept.get_broadcast_state(MapStateDescriptor("rules", str, int)).put_all({"a": 1, "b": 2})
    data = kept.snapshot()
    assert data is not None
    return data


def enumerator_state() -> bytes:
    kept = OperatorStateStore("source")
    kept.get_list_state(ListStateDescriptor(reserved.ENUMERATOR, bytes)).update(
        [msgspec.msgpack.encode({"unassigned": []})]
    )
    kept.get_list_state(ListStateDescriptor(reserved.TOLD, int)).update([2, 1])
    data = kept.snapshot()
    assert data is not None
    return data


def operator_id_of(uid: str) -> OperatorId:
    source = uid.removesuffix(" (enumerator)")
    made = operator_id_of_uid(source)
    return made if source == uid else enumerator_id(made)


def write_snapshot(
    folder: Storage, number: int, *, savepoint: bool = False, keys: int = 20
) -> SnapshotMetadata:
    """State of five operators; ``folder`` is the job's, or a savepoint's own. Large state lies in files."""
    lead = "" if savepoint else f"chk-{number}/"

    def stored(
        data: bytes | None, uid: str, index: int, kind: paths.StateKind = paths.StateKind.OPERATOR
    ) -> object:
        if data is None:
            return None
        name = paths.state_name(EPOCH, ATTEMPT, operator_id_of(uid), index, kind)
        return store.write_state(folder, lead + name, data, inline_bytes=600)

    def operator(uid: str, name: str, *subtasks: OperatorSubtaskState, parallelism: int = 2) -> OperatorState:
        return OperatorState(
            operator_id=operator_id_of(uid),
            uid=uid,
            name=name,
            parallelism=parallelism,
            max_parallelism=128,
            subtasks=subtasks,
        )

    splits = operator_state(**{reserved.SPLITS: [SPLIT]})
    pending = operator_state(**{reserved.COMMITTABLES: [COMMITTABLE]})
    source = operator(
        "rows",
        "rows",
        OperatorSubtaskState(subtask=0, operator=stored(splits, "rows", 0)),
        OperatorSubtaskState(subtask=1, finished=True),
    )
    enumerator = operator(
        "rows (enumerator)",
        "rows (enumerator)",
        OperatorSubtaskState(subtask=0, operator=stored(enumerator_state(), "rows (enumerator)", 0)),
        parallelism=1,
    )
    groups = [key_group_range(128, 2, index) for index in range(2)]
    count = operator(
        "count",
        "KeyedProcess",
        *(
            OperatorSubtaskState(
                subtask=index,
                keyed=stored(keyed_state(index, keys=keys), "count", index, paths.StateKind.KEYED),
                key_groups=(groups[index].start, groups[index].stop - 1),
                watermark=1_700_000_000_000 + index,
            )
            for index in range(2)
        ),
    )
    rules = operator(
        "rules",
        "Broadcast",
        *(
            OperatorSubtaskState(
                subtask=i, operator=stored(mixed_operator_state(), "rules", i), split_only=False
            )
            for i in range(2)
        ),
    )
    sink = operator(
        "out",
        "FileSink",
        OperatorSubtaskState(subtask=0, operator=stored(pending, "out", 0), has_commits=True),
    )
    idle = OperatorState(
        operator_id=OperatorId("ab" * 16), name="Map", parallelism=2, max_parallelism=128, subtasks=()
    )
    return SnapshotMetadata(
        format_version=FORMAT_VERSION,
        job_id=JOB,
        job_name="flights",
        kind=SnapshotKind.SAVEPOINT if savepoint else SnapshotKind.CHECKPOINT,
        checkpoint_id=CheckpointId(number),
        epoch=EPOCH,
        attempt=ATTEMPT,
        triggered_ms=1_700_000_000_000 + number,
        max_watermark=1_700_000_000_001,
        has_commits=True,
        operators=(enumerator, source, count, rules, sink, idle),
    )


def job_folder(checkpoints: Storage, numbers: tuple[int, ...] = (1, 2)) -> tuple[Storage, FenceLog]:
    """The folder of ``JOB`` below ``checkpoints``, with these checkpoints completed."""
    folder = store.job_folder(checkpoints, JOB)
    fence = FenceLog(folder, "writer-1", ManualClock())
    fence.start("local", lambda view: None)
    for number in numbers:
        publishing.publish(fence, folder, write_snapshot(folder, number))
    return folder, fence


def savepoint_in(folder: Storage, number: int = 3, keys: int = 20) -> Storage:
    """A savepoint, complete by its ``_metadata``."""
    folder.write(paths.METADATA, encode(write_snapshot(folder, number, savepoint=True, keys=keys)))
    return folder


def checkpoint_in(folder: Storage, number: int) -> Storage:
    return PrefixedStorage(folder, paths.checkpoint_folder(CheckpointId(number)))
