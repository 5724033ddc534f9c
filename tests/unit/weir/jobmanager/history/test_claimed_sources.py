"""A snapshot that a job makes its own (CLAIM): counted with its checkpoints over restarts, and deleted like them."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.support.checkpoints import COUNT_OPERATOR, ManualClock, metadata
from tests.unit.weir.jobmanager.care.test_caretaking import NEW, OLD, SPEC, Bucket, bucket, publish
from weir.checkpoint import events, paths, store
from weir.checkpoint.fence_records import Superseded
from weir.checkpoint.metadata import OperatorState
from weir.checkpoint.start_directive import StartDirective, StartMode
from weir.errors import Fenced
from weir.ids import AttemptId, CheckpointId, JobId
from weir.jobmanager.history.journal import Claim, StoredJournal
from weir.rpc.requests import JobState
from weir.state.snapshot import OperatorSubtaskState, object_handle
from weir.storage import PrefixedStorage, open_storage

__all__ = ["bucket"]


def claiming(
    bucket: Bucket, path: str, job: JobId = NEW, *, claims: bool = True
) -> tuple[StoredJournal, Claim]:
    """``job`` begins from the snapshot ``path``."""
    bucket.runs += 1
    journal = StoredJournal(SPEC, job, f"{bucket.uri}/cp", str(bucket.runs), ManualClock(), claims=claims)
    start = StartDirective(run=bucket.runs, mode=StartMode.FROM, path=path)
    claim = journal.claim(recovering=False, directive=start)
    assert isinstance(claim, Claim)
    return journal, claim


def again(bucket: Bucket, *, claims: bool = True) -> tuple[StoredJournal, Claim]:
    """The next process of ``NEW``."""
    journal = StoredJournal(SPEC, NEW, f"{bucket.uri}/cp", "9", ManualClock(), claims=claims)
    claim = journal.claim(recovering=True)
    assert isinstance(claim, Claim)
    return journal, claim


@pytest.fixture
def source(bucket: Bucket) -> str:
    """The newest of two checkpoints of another job."""
    journal, _ = bucket.started()
    publish(journal, 1)
    return publish(journal, 2)


def of_source(bucket: Bucket, number: int = 2) -> list[str]:
    return [name for name in bucket.names() if name.startswith(f"cp/{OLD}/chk-{number}/")]


def test_it_is_the_oldest_checkpoint_of_the_job_until_it_is_deleted(bucket: Bucket, source: str) -> None:
    journal, claim = claiming(bucket, source)
    assert (claim.completed, claim.own_base) == ((2,), 2)
    assert claim.kept[CheckpointId(2)].path == source
    publish(journal, 3)
    journal, claim = again(bucket)
    assert (claim.completed, claim.own_base) == ((2, 3), 3)
    journal.delete((CheckpointId(2),))
    assert of_source(bucket) == []
    assert of_source(bucket, 1) != [], "what was not claimed stays"
    assert again(bucket)[1].completed == (3,)


def test_without_a_claim_it_is_nobodys_to_delete(bucket: Bucket, source: str) -> None:
    journal, claim = claiming(bucket, source, claims=False)
    assert (claim.completed, claim.own_base) == ((), None)
    publish(journal, 3)
    assert again(bucket)[1].completed == (3,)
    assert bucket.place().fence().read().ended is None


def test_it_stays_claimed_whatever_the_setting_says_later(bucket: Bucket, source: str) -> None:
    claiming(bucket, source)
    assert again(bucket, claims=False)[1].completed == (2,)
    assert again(bucket, claims=False)[1].completed == (2,)


def test_its_former_job_is_closed_before_anything_is_deleted(bucket: Bucket, source: str) -> None:
    journal, _ = claiming(bucket, source)
    assert bucket.place().fence().read().ended is None, "until then it may go on"
    journal.delete((CheckpointId(2),))
    assert bucket.place().fence().read().ended == Superseded(by=NEW)
    with pytest.raises(Fenced, match="took over this job's state"):
        bucket.started()


def test_of_two_jobs_that_claim_it_one_deletes_and_the_other_leaves_it(bucket: Bucket, source: str) -> None:
    third = JobId("c" * 32)
    first, _ = claiming(bucket, source)
    second, _ = claiming(bucket, source, job=third)
    bucket.place().fence().supersede(third)
    first.delete((CheckpointId(2),))
    assert of_source(bucket) != []
    second.delete((CheckpointId(2),))
    assert of_source(bucket) == []


def test_a_savepoint_that_is_claimed_is_deleted_and_its_job_goes_on(bucket: Bucket) -> None:
    path = bucket.stopped()
    journal, claim = claiming(bucket, path)
    assert claim.completed == (3,)
    journal.delete((CheckpointId(3),))
    assert [name for name in bucket.names() if name.startswith("sp/")] == []
    assert not isinstance(bucket.place().fence().read().ended, Superseded)


@pytest.mark.parametrize("crashes", [False, True])
def test_it_goes_with_the_job_where_the_jobs_checkpoints_do(
    bucket: Bucket, source: str, crashes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _ = claiming(bucket, source)
    if crashes:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(StoredJournal, "_clear", _interrupt)
            journal.end(JobState.CANCELED, "", deletes=True)
        assert of_source(bucket) != []
        ended = StoredJournal(SPEC, NEW, f"{bucket.uri}/cp", "9", ManualClock())
        assert not isinstance(ended.claim(recovering=True), Claim)
    else:
        journal.end(JobState.CANCELED, "", deletes=True)
    assert of_source(bucket) == []


def _interrupt(_journal: StoredJournal) -> None:
    raise KeyboardInterrupt


def test_one_whose_number_the_job_has_itself_is_left_alone(bucket: Bucket, source: str) -> None:
    journal = StoredJournal(SPEC, NEW, f"{bucket.uri}/cp", "1", ManualClock())
    journal.claim(recovering=False)
    for number in (1, 2):
        made = metadata(number)
        assert isinstance(journal.publish(events.Publish(CheckpointId(number), made, None)), events.Published)
    journal, claim = claiming(bucket, source)
    assert claim.restore is not None and claim.restore.uri == source
    assert claim.completed == (1, 2)
    journal.delete((CheckpointId(2),))
    assert of_source(bucket) != []


def test_the_jobs_own_checkpoint_needs_no_claim(bucket: Bucket) -> None:
    journal, _ = bucket.started()
    path = publish(journal, 1)
    _, claim = claiming(bucket, path, job=OLD)
    assert (claim.completed, claim.own_base) == ((1,), 1)


class Died(Exception):
    """The process, just before it would have deleted an object."""


def shared_source(bucket: Bucket) -> tuple[str, str]:
    """The newest of two checkpoints of another job, with a file of its own and a shared one; and a shared one that only the other has."""
    journal, claim = bucket.started()
    folder = open_storage(f"{bucket.uri}/cp/{OLD}")

    def made_of(number: int, shared: int) -> str:
        name = paths.state_name(claim.epoch, AttemptId(1), COUNT_OPERATOR, 0, paths.StateKind.KEYED)
        path = paths.shared_file(CheckpointId(shared), name, "000001")
        folder.write(path, b"shared")
        folder.write(f"chk-{number}/{name}", b"own")
        state = OperatorSubtaskState(
            subtask=0,
            keyed=object_handle(f"chk-{number}/{name}", b"own"),
            shared=(object_handle(path, b"shared"),),
            key_groups=(0, 127),
        )
        operator = OperatorState(
            operator_id=COUNT_OPERATOR, name="count", parallelism=1, max_parallelism=128, subtasks=(state,)
        )
        made = structs.replace(metadata(number, epoch=claim.epoch, operators=(operator,)), job_id=OLD)
        answer = journal.publish(events.Publish(CheckpointId(number), made, None))
        assert isinstance(answer, events.Published)
        return answer.path

    kept = made_of(1, 1)
    return made_of(2, 2), kept


@pytest.mark.parametrize("ends", [False, True], ids=["goes-on", "ended"])
@pytest.mark.parametrize("deletions", range(4))
def test_a_crash_anywhere_in_its_deletion_leaves_nothing_after_the_next_start(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, deletions: int, ends: bool
) -> None:
    source, kept = shared_source(bucket)
    journal, _ = claiming(bucket, source)
    publish(journal, 3)
    left = deletions
    delete = PrefixedStorage.delete

    def dying(storage: PrefixedStorage, name: str) -> None:
        nonlocal left
        if OLD in storage.uri:
            if not left:
                raise Died
            left -= 1
        delete(storage, name)

    with monkeypatch.context() as patched:
        patched.setattr(PrefixedStorage, "delete", dying)
        try:
            if ends:
                journal.end(JobState.CANCELED, "", deletes=True)
            else:
                journal.delete((CheckpointId(2),))
        except Died:
            assert deletions < 3
        else:
            assert deletions == 3, "that many objects there are"
    if ends:
        ended = StoredJournal(SPEC, NEW, f"{bucket.uri}/cp", "9", ManualClock())
        assert not isinstance(ended.claim(recovering=True), Claim)
    else:
        journal, claim = again(bucket)
        journal.delete(tuple(number for number in claim.completed if number == 2))
    assert of_source(bucket) == []
    shared = [name for name in bucket.names() if name.startswith(f"cp/{OLD}/shared/")]
    assert len(shared) == 1, "the file of the other checkpoint stays, and that alone"
    store.check_files(store.load(kept))
