"""A job whose JobManagers die one after the other, for as long as it takes: the next one still goes on from the last checkpoint."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from tests.support.checkpoints import ManualClock, metadata
from weir.checkpoint import events, store
from weir.checkpoint.fence import NEWEST
from weir.checkpoint.start_directive import StartDirective
from weir.ids import CheckpointId, JobId
from weir.jobmanager.history.journal import Claim, StoredJournal
from weir.rpc.messages import JobSpec
from weir.storage import MemoryStorage
from weir.storage.memory import mount, unmount

JOB = JobId("a" * 32)
SPEC = JobSpec(name="orders", namespace="shop", entrypoint="x:y")
names = itertools.count()


@pytest.fixture
def root() -> Iterator[str]:
    name = f"loop-{next(names)}"
    mount(name, MemoryStorage(name))
    yield f"memory://{name}/cp"
    unmount(name)


@pytest.mark.parametrize("starts", [1, NEWEST - 1, NEWEST, NEWEST + 1, 3 * NEWEST])
def test_after_any_number_of_starts_that_completed_nothing_the_next_restores_the_last_checkpoint(
    root: str, starts: int
) -> None:
    first = StoredJournal(SPEC, JOB, root, "1", ManualClock())
    assert isinstance(first.claim(recovering=False, directive=StartDirective(run=1)), Claim)
    for number in (1, 2):
        made = msgspec.structs.replace(metadata(number), job_id=JOB)
        answer = first.publish(events.Publish(CheckpointId(number), made, None))
        assert isinstance(answer, events.Published)
    for _ in range(starts):
        journal = StoredJournal(SPEC, JOB, root, "1", ManualClock())
        claim = journal.claim(recovering=True)
        assert isinstance(claim, Claim)
        assert claim.restore is not None
        assert claim.restore.uri == f"{root}/{JOB}/chk-2"
    assert claim.next_id == 3
    assert claim.kept[CheckpointId(2)].path == claim.restore.uri
    assert claim.completed[-1] == 2


def test_retained_checkpoints_are_known_to_the_next_process_however_many_they_are(root: str) -> None:
    many = 2 * NEWEST
    first = StoredJournal(SPEC, JOB, root, "1", ManualClock(), retained=many)
    assert isinstance(first.claim(recovering=False), Claim)
    for number in range(1, many + 1):
        made = msgspec.structs.replace(metadata(number), job_id=JOB)
        assert isinstance(first.publish(events.Publish(CheckpointId(number), made, None)), events.Published)
    journal = StoredJournal(SPEC, JOB, root, "1", ManualClock(), retained=many)
    claim = journal.claim(recovering=True)
    assert isinstance(claim, Claim)
    assert claim.completed == tuple(range(1, many + 1))
    journal.sweep(claim.completed, claim.next_id)
    for number in claim.completed:
        assert store.load(claim.kept[number].path).metadata.checkpoint_id == number
