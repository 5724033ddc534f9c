"""Snapshots of a job that nobody runs: what is told, deleted, swept and purged, and how an earlier life of a name goes on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from tests.support.checkpoints import ManualClock, metadata
from weir.checkpoint import events
from weir.checkpoint.metadata import Owner, SnapshotKind
from weir.checkpoint.start_directive import RestorePolicy, StartDirective, StartMode, StartRefused
from weir.errors import Fenced, RestoreBlocked, WrongState
from weir.ids import CheckpointId, JobId
from weir.jobmanager.care import caretaking
from weir.jobmanager.care.answers import MOST, Deletion, Inspection, Left, encoded
from weir.jobmanager.care.caretaking import Place
from weir.jobmanager.history.journal import Claim, StoredJournal
from weir.jobmanager.rest.models.report import Blocked, Snapshot
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState
from weir.storage import MemoryStorage, open_storage
from weir.storage.memory import mount, unmount

OLD, NEW = JobId("a" * 32), JobId("b" * 32)
SPEC = JobSpec(name="orders", namespace="shop", entrypoint="x:y")
LEFT_OVER = "chk-9/e1-a1-" + "c" * 16 + "-0-keyed"
names = itertools.count()


@dataclass
class Bucket:
    uri: str
    storage: MemoryStorage
    runs: int = 0

    def journal(self, job: JobId = OLD, run: int | None = None) -> StoredJournal:
        self.runs += 1
        return StoredJournal(SPEC, job, f"{self.uri}/cp", str(run or self.runs), ManualClock())

    def started(self, job: JobId = OLD, **directive: object) -> tuple[StoredJournal, Claim]:
        journal = self.journal(job)
        claim = journal.claim(recovering=False, directive=StartDirective(run=self.runs, **directive))
        assert isinstance(claim, Claim)
        return journal, claim

    def place(self, job: JobId = OLD, at: float = 0.0) -> Place:
        clock = ManualClock()
        clock.now = at
        return Place(SPEC, job, open_storage(f"{self.uri}/cp"), f"{self.uri}/sp", clock)

    def stopped(self, checkpoints: int = 2) -> str:
        """A job that completed checkpoints and was stopped with a savepoint of the operator; where that is."""
        journal, _ = self.started()
        for number in range(1, checkpoints + 1):
            publish(journal, number)
        path = publish(journal, checkpoints + 1, target=f"{self.uri}/sp")
        journal.end(JobState.FINISHED, "", deletes=False, stopped=True)
        return path

    def names(self) -> list[str]:
        return [info.name for info in self.storage.list()]


def publish(
    journal: StoredJournal, number: int, target: str | None = None, owner: Owner = Owner.OPERATOR
) -> str:
    kind = SnapshotKind.SAVEPOINT if target else SnapshotKind.CHECKPOINT
    made = msgspec.structs.replace(metadata(number, kind=kind), owner=owner, job_id=OLD)
    answer = journal.publish(events.Publish(CheckpointId(number), made, target))
    assert isinstance(answer, events.Published), answer
    return answer.path


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    name = f"care-{next(names)}"
    storage = MemoryStorage(name)
    mount(name, storage)
    yield Bucket(f"memory://{name}", storage)
    unmount(name)


def test_a_job_that_was_never_started_has_nothing(bucket: Bucket) -> None:
    assert caretaking.inspect(bucket.place()) == Inspection(tail=0)


def test_an_inspection_tells_the_end_and_what_a_start_restores(bucket: Bucket) -> None:
    savepoint = bucket.stopped()
    found = caretaking.inspect(bucket.place())
    assert (found.tail, found.last_run, found.ending) == (5, 1, "Stopped")
    assert found.newest is not None and found.newest.path == savepoint
    assert [snapshot.id for snapshot in found.retained] == [1, 2]
    assert found.restore_blocked is None
    assert len(bucket.names()) == 9, "nothing was written"


def test_an_inspection_tells_why_nothing_is_restored_and_what_might_be(bucket: Bucket) -> None:
    journal, _ = bucket.started()
    publish(journal, 1)
    made = msgspec.structs.replace(metadata(2, has_commits=True), job_id=OLD)
    journal.publish(events.Publish(CheckpointId(2), made, None))
    bucket.storage.delete(f"cp/{OLD}/chk-2/_metadata")
    found = caretaking.inspect(bucket.place())
    assert found.restore_blocked is not None and found.newest is None
    assert (
        f"{bucket.place().folder.uri}/chk-1 (output committed with snapshot 2 would be written a second time)"
        in found.restore_blocked.choices
    )


def test_a_sweep_takes_an_epoch_and_keeps_what_is_referred_to_foreign_or_young(bucket: Bucket) -> None:
    bucket.stopped()
    folder = bucket.place().folder
    for name in (LEFT_OVER, "chk-9/notes.txt", "readme"):
        folder.write(name, b"x")
    late = max(info.modified_ms for info in folder.list()) / 1000 - 1_700_000_000
    assert caretaking.sweep(bucket.place(at=late), 60_000).deleted == 0, "it is younger than the grace"
    before = bucket.names()
    tried = caretaking.sweep(bucket.place(at=late + 100), 60_000, dry_run=True)
    assert (tried.deleted, tried.would_delete) == (0, 1) and bucket.names() == before
    swept = caretaking.sweep(bucket.place(at=late + 100), 60_000)
    assert swept.deleted == 1
    assert [left.path.rpartition("/")[2] for left in swept.left] == ["notes.txt", "readme"]
    assert set(before) - set(bucket.names()) == {f"cp/{OLD}/{LEFT_OVER}"}
    after = caretaking.inspect(bucket.place())
    assert (after.tail, after.epoch, after.last_run, after.ending) == (6, 2, 1, "Stopped")
    assert after.newest is not None and [snapshot.id for snapshot in after.retained] == [1, 2]


def test_a_sweep_deletes_what_never_became_a_savepoint_and_no_file_of_one(bucket: Bucket) -> None:
    whole = bucket.stopped()
    state = "e1-a1-" + "c" * 16 + "-0-keyed"
    for name in ("aaaaaa-9/" + state, "aaaaaa-9/notes.txt", "bbbbbb-9/" + state, "aaaaaa-3/" + state):
        bucket.storage.write(f"sp/savepoint-{name}", b"x")
    late = max(info.modified_ms for info in bucket.storage.list()) / 1000 - 1_700_000_000
    before = bucket.names()
    assert caretaking.sweep(bucket.place(at=late), 60_000).deleted == 0, "it may be under way"
    assert caretaking.sweep(bucket.place(at=late + 100), 60_000, dry_run=True).would_delete == 2
    assert caretaking.sweep(bucket.place(at=late + 100), 60_000).deleted == 2
    assert set(before) - set(bucket.names()) == {
        f"sp/savepoint-aaaaaa-9/{state}",
        f"sp/savepoint-aaaaaa-3/{state}",
    }, "the second is of an attempt before the one that is complete"
    found = caretaking.inspect(bucket.place())
    assert found.newest is not None and found.newest.path == whole


def test_a_job_that_may_be_running_is_not_swept(bucket: Bucket) -> None:
    bucket.started()
    with pytest.raises(WrongState, match="a JobManager may be at work"):
        caretaking.sweep(bucket.place(), 0)


def test_only_savepoints_of_the_operator_that_the_job_does_not_need_are_deleted(bucket: Bucket) -> None:
    journal, _ = bucket.started()
    mine = publish(journal, 1, target=f"{bucket.uri}/sp")
    theirs = publish(journal, 2, target=f"{bucket.uri}/sp", owner=Owner.USER)
    needed = publish(journal, 3, target=f"{bucket.uri}/sp")
    journal.end(JobState.FINISHED, "", deletes=False, stopped=True)
    answer = caretaking.delete(bucket.place(), [mine, theirs, needed])
    assert answer.paths == (mine,)
    whys = [left.why for left in answer.left]
    assert "to the user: it is left alone" in whys[0] and "what the job goes on from" in whys[1]
    assert [name for name in bucket.names() if name.startswith("sp/")] == [
        "sp/savepoint-aaaaaa-2/_metadata",
        "sp/savepoint-aaaaaa-3/_metadata",
    ]


def test_a_deletion_that_was_interrupted_is_finished_and_one_that_was_done_is_done(bucket: Bucket) -> None:
    bucket.stopped()
    state = "e1-a1-" + "c" * 16 + "-0-keyed"
    for name in ("savepoint-aaaaaa-1", "savepoint-bbbbbb-1"):
        for file in (state, "notes.txt"):
            bucket.storage.write(f"sp/{name}/{file}", b"x")
    asked = [f"{bucket.uri}/sp/savepoint-{name}" for name in ("aaaaaa-1", "bbbbbb-1", "aaaaaa-7")]
    assert caretaking.delete(bucket.place(), asked).paths == tuple(asked)
    assert [name for name in bucket.names() if name.startswith("sp/") and not name.endswith("metadata")] == [
        "sp/savepoint-aaaaaa-1/notes.txt",
        "sp/savepoint-bbbbbb-1/" + state,
        "sp/savepoint-bbbbbb-1/notes.txt",
    ], "what is not spelled as this job's stays"


def test_a_purge_leaves_nothing_of_the_job_and_everything_else(bucket: Bucket) -> None:
    journal, _ = bucket.started()
    publish(journal, 1)
    publish(journal, 2, target=f"{bucket.uri}/sp", owner=Owner.USER)
    publish(journal, 3, target=f"{bucket.uri}/sp")
    bucket.place().folder.write("notes.txt", b"x")
    answer = caretaking.purge(bucket.place())
    assert bucket.names() == [f"cp/{OLD}/notes.txt", "sp/savepoint-aaaaaa-2/_metadata"]
    assert [left.path.rpartition("/")[2] for left in answer.left] == ["notes.txt"]
    assert caretaking.purge(bucket.place()).deleted == 0


def test_a_process_that_was_about_to_start_the_job_finds_the_sweep_before_it(bucket: Bucket) -> None:
    bucket.stopped()
    bucket.place().folder.write(LEFT_OVER, b"x")
    late = bucket.journal(run=2)
    swept = caretaking.sweep(bucket.place(at=10_000_000_000), 0)
    assert swept.deleted == 1
    refused = late.claim(recovering=False, directive=StartDirective(run=2, expected_tail=5))
    assert refused == StartRefused(expected=5, found=6)


def test_a_job_under_a_name_with_state_goes_on_from_it_and_closes_the_earlier_log(bucket: Bucket) -> None:
    old, _ = bucket.started()
    publish(old, 1)
    publish(old, 2)
    _, claim = bucket.started(NEW)
    assert claim.restore is not None and claim.restore.uri.endswith(f"{OLD}/chk-2")
    assert not claim.restore.own and claim.next_id == 3
    assert f"goes on from job {OLD} of this name" in claim.note
    answer = old.publish(events.Publish(CheckpointId(3), metadata(3), None))
    assert isinstance(answer, events.PublishFailed) and answer.fault is events.PublishFault.FENCED
    assert caretaking.inspect(bucket.place()).ending == "Superseded"
    with pytest.raises(Fenced, match="took over this job's state"):
        bucket.started()


def test_a_jobmanager_that_died_between_closing_the_earlier_log_and_its_own_start_goes_on(
    bucket: Bucket,
) -> None:
    old, _ = bucket.started()
    publish(old, 1)
    bucket.journal(NEW)._earlier.take_over(RestorePolicy.RESUME)
    _, claim = bucket.started(NEW)
    assert claim.restore is not None and claim.restore.uri.endswith(f"{OLD}/chk-1")


def test_the_policy_refuses_or_leaves_earlier_state_aside(bucket: Bucket) -> None:
    old, _ = bucket.started()
    publish(old, 1)
    with pytest.raises(RestoreBlocked, match=r"restore\.policy is Refuse") as blocked:
        bucket.started(NEW, restore_policy=RestorePolicy.REFUSE)
    assert len(blocked.value.choices) == 2
    _, claim = bucket.started(NEW, restore_policy=RestorePolicy.FRESH)
    assert claim.restore is None and "left aside: restore.policy is Fresh" in claim.note
    assert caretaking.inspect(bucket.place()).ending is None, "the earlier log is as it was"


def test_an_empty_start_is_said_out_loud_and_touches_no_earlier_log(bucket: Bucket) -> None:
    old, _ = bucket.started()
    publish(old, 1)
    _, claim = bucket.started(NEW, mode=StartMode.EMPTY)
    assert claim.restore is None and claim.note == "starts without state: it was told to"
    publish(old, 2)


def test_an_answer_fits_a_termination_message_however_much_there_is_to_tell() -> None:
    snapshots = tuple(Snapshot(path=f"s3://weir/{OLD}/chk-{n}", id=CheckpointId(n)) for n in range(500))
    blocked = Blocked(reason="x" * 9000, choices=("y" * 500,) * 90)
    line = encoded(Inspection(tail=7, retained=snapshots, restore_blocked=blocked))
    assert len(line) <= MOST
    found = msgspec.json.decode(line)
    assert found["tail"] == 7 and found["retained"][-1]["id"] == 499 and found["restoreBlocked"]["choices"]
    left = tuple(Left(path=f"s3://weir/{n}", why="it is not spelled as ours") for n in range(500))
    assert len(encoded(Deletion(deleted=3, left=left))) <= MOST
