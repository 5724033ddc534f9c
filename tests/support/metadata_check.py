"""Reads ``_metadata`` of the reference job by plain json and holds that state and positions are of one moment.

Small states lie in it as base64. Their bytes are decoded by Weir's state readers (the only use of Weir here, and only
for that): what is compared are numbers that the job itself counted.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.support.reference_rows import Reference
from weir.state.descriptors import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor
from weir.state.keyed import KeyCell, KeyedStateStore
from weir.state.operator_state import OperatorStateStore

SOURCES = ("rows", "first", "second")


class Snapshot:
    """One checkpoint or savepoint of the reference job."""

    def __init__(self, folder: Path) -> None:
        """``folder``: ``chk-<n>`` in the job's folder, or a savepoint's."""
        self.folder = folder
        self.data = (folder / "_metadata").read_bytes()
        self.document = json.loads(self.data)
        #: What the names of files are relative to.
        self.root = folder if self.document["kind"] == "savepoint" else folder.parent

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def operators(self, *uids: str) -> list[dict[str, Any]]:
        return [operator for operator in self.document["operators"] if operator.get("uid") in uids]

    def blobs(self, operator: dict[str, Any], kind: str) -> Iterator[bytes]:
        for subtask in operator.get("subtasks", ()):
            handle = subtask.get(kind)
            if handle is None:
                continue
            data = (
                base64.b64decode(handle["data"])
                if "data" in handle
                else (self.root / handle["path"]).read_bytes()
            )
            assert len(data) == handle["size"]
            assert hashlib.sha256(data).hexdigest() == handle["sha256"]
            yield data

    def _lists(self, state: str) -> Iterator[bytes]:
        for operator in self.operators(*SOURCES):
            for blob in self.blobs(operator, "operator"):
                store = OperatorStateStore()
                store.restore([blob], 0, 1)
                yield from store.get_list_state(ListStateDescriptor(state, bytes)).get()

    def next_offsets(self, job: Reference) -> dict[int, int]:
        """By partition the offset of the next row; raises if a partition has two. An absent one is finished."""
        found: dict[int, int] = {}
        for split in self._splits():
            first = 0
            partition = split["index"] + first
            assert partition not in found, f"partition {partition} has two positions"
            found[partition] = split["position"]
        for partition in range(job.partitions):
            found.setdefault(partition, job.rows)
        return found

    def _splits(self) -> Iterator[dict[str, Any]]:
        for encoded in self._lists("_splits"):
            yield msgspec.msgpack.decode(encoded)
        for encoded in self._enumerators():
            yield from msgspec.msgpack.decode(encoded)

    def _enumerators(self) -> Iterator[bytes]:
        for operator in self.document["operators"]:
            for blob in self.blobs(operator, "operator"):
                store = OperatorStateStore()
                store.restore([blob], 0, 1)
                if "_enumerator" in store.unclaimed():
                    yield from store.get_list_state(ListStateDescriptor("_enumerator", bytes)).get()

    def counters(self, job: Reference) -> tuple[dict[str, int], dict[int, int]]:
        """What the counter's value state counted by key, and its map state by partition."""
        (operator,) = self.operators("count")
        groups = operator["max_parallelism"]
        store = KeyedStateStore(KeyCell(), groups, range(groups), "count")
        store.restore(self.blobs(operator, "keyed"))
        kind: Any = dict[str, int] if job.variant == "mutating" else int
        count = ValueStateDescriptor("count", kind)
        by_partition = MapStateDescriptor("by-partition", int, int)
        store.get_state(count)
        store.get_state(by_partition)
        values = store.table_of(count).items()
        keys = {key: value["n"] if isinstance(value, dict) else value for key, value in values}
        partitions: dict[int, int] = {}
        for counts in store.table_of(by_partition).values():
            for partition, rows in counts.items():
                partitions[partition] = partitions.get(partition, 0) + rows
        return keys, partitions


def faults(folder: Path, job: Reference) -> list[str]:
    """Where state and positions differ in a checkpoint (row A3); for jobs with one source."""
    snapshot = Snapshot(folder)
    offsets = snapshot.next_offsets(job)
    by_key, by_partition = snapshot.counters(job)
    found = []
    if sorted(offsets) != list(range(job.partitions)):
        found.append(f"{folder.name}: positions of partitions {sorted(offsets)}")
    if sum(by_key.values()) != sum(offsets.values()):
        found.append(f"{folder.name}: counters say {sum(by_key.values())}, positions {sum(offsets.values())}")
    for partition, offset in offsets.items():
        if by_partition.get(partition, 0) != offset:
            found.append(
                f"{folder.name}: partition {partition} is at {offset}, counted {by_partition.get(partition, 0)}"
            )
    for key, count in by_key.items():
        below = sum(job.key(p, o) == key for p, end in offsets.items() for o in range(end))
        if below != count:
            found.append(f"{folder.name}: key {key} is at {count}, below the positions it has {below}")
    return found
