"""Watches the storage of a simulated job and holds the engine to its rules at every single effect.

The fence log grows by one record at a time and only its newest epoch appends; a record's checkpoint is whole at that
moment; nothing is committed before a record permits it; what would be restored is never deleted.
"""

from __future__ import annotations

import re

import msgspec

from weir.checkpoint import paths, recovery, store
from weir.checkpoint.fence_records import (
    Checkpoint,
    Entry,
    LogView,
    RestorePoint,
    Start,
    Stopped,
    decode_entry,
)
from weir.checkpoint.metadata import SnapshotKind, SnapshotMetadata
from weir.errors import WeirError
from weir.ids import JobId
from weir.state import reserved
from weir.state.descriptors import ListStateDescriptor
from weir.state.operator_state import OperatorStateStore
from weir.storage import PrefixedStorage
from weir.storage.faults import Operation
from weir.testing.simulation import Effect
from weir.testing.simulation.storage import SimulatedStorage

_COMMITTED = re.compile(r"(?:out/(\w+)/committed|files/(\w+))/([^/]+)")
_STAGED = re.compile(r"(?:out/(\w+)/staged|files/(\w+)/\.pending)/([^/]+)")


class Auditor:
    def __init__(self, storage: SimulatedStorage, job: JobId, sinks: set[str]) -> None:
        self.violations: list[str] = []
        self.log = LogView()
        #: (sink, key) that a record permits; and those that are visible, in order.
        self.permitted: set[tuple[str, str]] = set()
        self.committed: list[tuple[str, str]] = []
        self.checkpoints = 0
        self.savepoints = 0
        self.stops = 0
        self._job = job
        self._storage = storage
        self._folder = PrefixedStorage(storage.inner, job)
        self._sinks = sinks
        #: Objects that the job would be restored from now, and those of all its savepoints.
        self._needed: set[str] = set()
        self._saved: set[str] = set()

    @property
    def ended(self) -> bool:
        """Whether the log's last record is terminal."""
        return self.log.ended is not None

    @property
    def stopped(self) -> bool:
        """Whether the job was stopped with a savepoint and not started since."""
        return isinstance(self.log.ended, Stopped)

    @property
    def due(self) -> list[tuple[str, str]]:
        """What a record permits and nobody has made visible."""
        return sorted(self.permitted - set(self.committed))

    def changed(self, effect: Effect) -> None:
        name = effect.name.removeprefix(f"{self._job}/")
        if name.startswith(paths.FENCE):
            self._fence(name, effect)
        elif committed := _COMMITTED.fullmatch(effect.name):
            self._commit((committed[1] or committed[2], committed[3]), effect)
        elif staged := _STAGED.fullmatch(effect.name):
            self._staged((staged[1] or staged[2], staged[3]), effect)
        elif name in self._needed:
            if effect.operation is Operation.DELETE:
                self._violated(effect, f"deletes {name}, which the job would be restored from")
            elif effect.data != effect.before:
                self._violated(effect, f"changes {name}, which the job would be restored from")
        elif effect.name in self._saved and effect.data != effect.before:
            self._violated(effect, f"{effect.operation} of {name}, which belongs to a savepoint")

    # ---- the fence ------------------------------------------------------------------------------------------

    def _fence(self, name: str, effect: Effect) -> None:
        if effect.operation is not Operation.CREATE or effect.data is None:
            self._violated(effect, f"{effect.operation} of fence record {name}")
            return
        entry = decode_entry(effect.data, name)
        last, start = self.log.last, self.log.last_start
        if isinstance(entry.record, Start):
            if any(known.writer == entry.writer for known in self.log.entries):
                self._violated(effect, f"a writer starts a second time: {entry}")
        elif start is None or start.writer != entry.writer:
            self._violated(effect, f"record of another than the newest start: {entry} after {last}")
        try:
            self.log = LogView((*self.log.entries, entry))
        except WeirError as error:
            self._violated(effect, f"the log is not linear: {error}")
            return
        self.stops += isinstance(entry.record, Stopped)
        if isinstance(entry.record, Checkpoint):
            self._checkpoint(entry, entry.record, effect)
        self._needed = self._restorable(effect)

    def _checkpoint(self, entry: Entry, record: Checkpoint, effect: Effect) -> None:
        self.checkpoints += 1
        try:
            snapshot = self._load(record.point)
            for operator in snapshot.metadata.operators:
                for subtask in operator.subtasks:
                    for handle in subtask.handles:
                        snapshot.read_state(handle)
        except WeirError as error:
            self._violated(
                effect, f"checkpoint {record.point.checkpoint_id} is recorded but not whole: {error}"
            )
            return
        if record.point.kind is SnapshotKind.SAVEPOINT:
            self.savepoints += 1
            self._saved |= self._objects(snapshot, record.point)
        keys = self._receipts(snapshot)
        if keys and not record.has_commits:
            self._violated(effect, f"checkpoint {record.point.checkpoint_id} commits, and its record says no")
        self.permitted |= keys

    def _receipts(self, snapshot: store.LoadedSnapshot) -> set[tuple[str, str]]:
        metadata: SnapshotMetadata = snapshot.metadata
        keys = set()
        for operator in metadata.operators:
            if operator.uid not in self._sinks:
                continue
            for subtask in operator.subtasks:
                if subtask.operator is None:
                    continue
                state = OperatorStateStore("auditor")
                state.restore([snapshot.read_state(subtask.operator)], 0, 1, own_only=True)
                pending = state.get_list_state(ListStateDescriptor(reserved.COMMITTABLES, bytes)).get()
                for fields in (fields for own in pending for fields in msgspec.msgpack.decode(own)):
                    target = fields.get("sink") or fields["target"].rpartition("/")[2]
                    keys.add((target, fields.get("key") or fields["name"]))
        return keys

    def _restorable(self, effect: Effect) -> set[str]:
        """The objects of the snapshot that the job would be restored from."""
        try:
            decision = recovery.decide(self.log)
        except WeirError as error:
            self._violated(effect, f"nothing can be restored: {error}")
            return set()
        if isinstance(decision, recovery.NoState):
            return set()
        return self._objects(self._load(decision.point), decision.point)

    def _load(self, point: RestorePoint) -> store.LoadedSnapshot:
        """Without the faults of the simulated storage."""
        if "://" not in point.path:
            return store.load_point(self._folder, point)
        folder = point.path.removeprefix(f"{self._storage.uri}/")
        return store.load_folder(PrefixedStorage(self._storage.inner, folder), point)

    def _objects(self, snapshot: store.LoadedSnapshot, point: RestorePoint) -> set[str]:
        """What a snapshot consists of: a checkpoint's from the job's folder, a savepoint's from the storage's root."""
        files = {
            handle.path
            for operator in snapshot.metadata.operators
            for subtask in operator.subtasks
            for handle in subtask.handles
            if handle.path is not None
        }
        if "://" not in point.path:
            return files | {f"{point.path}/{paths.METADATA}"}
        folder = point.path.removeprefix(f"{self._storage.uri}/")
        return {f"{folder}/{name}" for name in (*files, paths.METADATA)}

    # ---- output ---------------------------------------------------------------------------------------------

    def _commit(self, key: tuple[str, str], effect: Effect) -> None:
        if effect.operation is Operation.DELETE or effect.before not in (None, effect.data):
            self._violated(effect, f"{effect.operation} of committed rows {key}")
            return
        if key not in self.permitted:
            self._violated(effect, f"commits {key}, which no recorded checkpoint holds")
        self.committed.append(key)

    def _staged(self, key: tuple[str, str], effect: Effect) -> None:
        lost = effect.operation is Operation.DELETE and effect.before is not None
        if lost and key in self.permitted and key not in self.committed:
            self._violated(effect, f"deletes staged rows {key}, which are due to be committed")

    def _violated(self, effect: Effect, what: str) -> None:
        self.violations.append(f"{effect.process}: {what}")
