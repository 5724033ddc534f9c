"""A job that lives and dies many times in one bucket, in the middle of checkpoints and savepoints, and what a sweep leaves of it."""

from __future__ import annotations

import msgspec

from tests.support.checkpoints import COUNT_OPERATOR, ManualClock, metadata
from weir.checkpoint import events, paths, store
from weir.checkpoint.metadata import OperatorState, Owner, SnapshotKind
from weir.checkpoint.start_directive import StartDirective
from weir.ids import AttemptId, CheckpointId, JobId
from weir.jobmanager.care import caretaking
from weir.jobmanager.care.caretaking import Place
from weir.jobmanager.history.journal import Claim, StoredJournal
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState
from weir.state.snapshot import OperatorSubtaskState
from weir.storage import Storage, open_storage

OURS = JobId("a" * 32)
SPEC = JobSpec(name="orders", namespace="shop", entrypoint="x:y")
GRACE_MS = 60_000
#: More than what travels within the record.
STATE = b"s" * (store.INLINE_BYTES + 1)
FOREIGN = (f"cp/{OURS}/notes.txt", "sp/savepoint-bbbbbb-1/_metadata", "sp/savepoint-aaaaaa-1/notes.txt")

#: What a life does, in order.
DEEDS = ("checkpoint", "savepoint", "torn checkpoint", "torn savepoint", "rejected attempt")
#: Of each life what it does, and whether it ends by a stop; the last one always does.
Lives = list[tuple[list[str], bool]]


class Life:
    """One JobManager, from its start on."""

    def __init__(self, uri: str, number: int) -> None:
        self._uri = uri
        self._journal = StoredJournal(SPEC, OURS, f"{uri}/cp", str(number), ManualClock())
        claim = self._journal.claim(recovering=False, directive=StartDirective(run=number))
        assert isinstance(claim, Claim)
        self._epoch, self._next = claim.epoch, claim.next_id

    def act(self, what: str) -> str | None:
        """Where the snapshot is, if one was completed."""
        saving = "savepoint" in what
        if what == "rejected attempt":
            self._write(CheckpointId(self._next), saving=False, attempt=1)
            return None
        operators = self._write(self._next, saving=saving, attempt=2)
        if what.startswith("torn"):
            return None
        kind = SnapshotKind.SAVEPOINT if saving else SnapshotKind.CHECKPOINT
        made = metadata(self._next, epoch=self._epoch, kind=kind, operators=operators)
        made = msgspec.structs.replace(made, job_id=OURS, owner=Owner.OPERATOR)
        answer = self._journal.publish(
            events.Publish(self._next, made, f"{self._uri}/sp" if saving else None)
        )
        assert isinstance(answer, events.Published), answer
        self._next = CheckpointId(self._next + 1)
        return answer.path

    def sweep(self, *keep: CheckpointId, below: CheckpointId) -> None:
        """As when all of its subtasks run."""
        self._journal.sweep(keep, below)

    def stop(self) -> str:
        """With a savepoint; where that is."""
        path = self.act("savepoint")
        assert path is not None
        self._journal.end(JobState.FINISHED, "", deletes=False, stopped=True)
        return path

    def _write(self, number: CheckpointId, *, saving: bool, attempt: int) -> tuple[OperatorState, ...]:
        name = paths.state_name(self._epoch, AttemptId(attempt), COUNT_OPERATOR, 0, paths.StateKind.KEYED)
        if saving:
            folder = open_storage(paths.savepoint_uri(f"{self._uri}/sp", OURS, number))
        else:
            folder = store.job_folder(open_storage(f"{self._uri}/cp"), OURS)
            name = f"{paths.checkpoint_folder(number)}/{name}"
        handle = store.write_state(folder, name, STATE)
        subtask = OperatorSubtaskState(subtask=0, keyed=handle, key_groups=(0, 127))
        operator = OperatorState(
            operator_id=COUNT_OPERATOR, name="count", parallelism=1, max_parallelism=128, subtasks=(subtask,)
        )
        return (operator,)


def judge(bucket: Storage, lives: Lives) -> None:
    """Live all of them in an empty bucket, sweep, and look: what is referred to is there and whole, and nothing else is."""
    uri, complete = bucket.uri.rstrip("/"), list[str]()
    for file in FOREIGN:
        bucket.write(file, b"x")
    for number, (deeds, stops) in enumerate(lives, start=1):
        life = Life(uri, number)
        complete += [path for deed in deeds if (path := life.act(deed)) is not None]
        if stops or number == len(lives):
            complete.append(life.stop())
    clock = ManualClock()
    clock.now = 10_000_000_000.0
    place = Place(SPEC, OURS, open_storage(f"{uri}/cp"), f"{uri}/sp", clock)
    caretaking.sweep(place, GRACE_MS)
    kept = {info.name for info in bucket.list()}
    referred = set(FOREIGN)
    for path in complete:
        where = path if "://" in path else f"{uri}/cp/{OURS}/{path}"
        snapshot = store.load(where)
        (operator,) = snapshot.metadata.operators
        (handle,) = operator.subtasks[0].files
        assert snapshot.read_state(handle) == STATE
        folder = where.removeprefix(f"{uri}/")
        referred |= {f"{folder}/{paths.METADATA}", f"{folder}/{(handle.path or '').rpartition('/')[2]}"}
    log = {file for file in kept if f"/{paths.FENCE}" in file or "/by-name/" in f"/{file}"}
    assert kept - log == referred
    assert caretaking.sweep(place, GRACE_MS).deleted == 0
