"""A store whose listings lag behind: recovery goes by the log, and nothing that a checkpoint is made of is deleted. Row R14."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from tests.support.checkpoints import COUNT_OPERATOR, ManualClock, metadata
from weir.checkpoint import events, paths, store
from weir.checkpoint.metadata import OperatorState
from weir.checkpoint.start_directive import StartDirective
from weir.ids import AttemptId, CheckpointId, JobId
from weir.jobmanager.history.journal import Claim, StoredJournal
from weir.rpc.messages import JobSpec
from weir.state.snapshot import OperatorSubtaskState, StateHandle, object_handle
from weir.storage import MemoryStorage
from weir.storage.faults import FaultInjector, Operation, StaleList
from weir.storage.memory import mount, unmount

JOB = JobId("a" * 32)
SPEC = JobSpec(name="orders", namespace="shop", entrypoint="x:y")
STATE = b"s" * (store.INLINE_BYTES + 1)
buckets = itertools.count()


@pytest.fixture
def bucket() -> Iterator[FaultInjector]:
    name = f"stale-{next(buckets)}"
    storage = FaultInjector(MemoryStorage(name))
    mount(name, storage)
    yield storage
    unmount(name)


class Life:
    """A JobManager whose checkpoints are made of a file of their own and of shared ones."""

    def __init__(self, bucket: FaultInjector, number: int) -> None:
        self.journal = StoredJournal(SPEC, JOB, f"{bucket.uri}/cp", str(number), ManualClock())
        claim = self.journal.claim(recovering=False, directive=StartDirective(run=number))
        assert isinstance(claim, Claim)
        self.claim = claim
        self.next = claim.next_id
        self.bucket = bucket

    def share(self, file: str) -> StateHandle:
        name = self._name(paths.StateKind.KEYED)
        path = paths.shared_file(self.next, name, file)
        self.bucket.write(f"cp/{JOB}/{path}", file.encode() * 9)
        return object_handle(path, file.encode() * 9)

    def complete(self, *shared: StateHandle) -> CheckpointId:
        number, self.next = self.next, CheckpointId(self.next + 1)
        path = f"chk-{number}/{self._name(paths.StateKind.KEYED)}"
        self.bucket.write(f"cp/{JOB}/{path}", STATE)
        subtask = OperatorSubtaskState(
            subtask=0, keyed=object_handle(path, STATE), shared=shared, key_groups=(0, 127)
        )
        operator = OperatorState(
            operator_id=COUNT_OPERATOR, name="count", parallelism=1, max_parallelism=128, subtasks=(subtask,)
        )
        made = metadata(number, epoch=self.claim.epoch, operators=(operator,))
        made = msgspec.structs.replace(made, job_id=JOB)
        assert isinstance(self.journal.publish(events.Publish(number, made, None)), events.Published)
        return number

    def _name(self, kind: paths.StateKind) -> str:
        return paths.state_name(self.claim.epoch, AttemptId(1), COUNT_OPERATOR, 0, kind)


def whole(bucket: FaultInjector, number: CheckpointId) -> None:
    """Every file of a checkpoint is there."""
    store.check_files(store.load(f"{bucket.uri}/cp/{JOB}/chk-{number}"))


HIDDEN = {
    "the newest checkpoint": lambda name: "/chk-3/" in f"/{name}",
    "its record alone": lambda name: f"/{name}".endswith("/chk-3/_metadata"),
    "the newest record of the log": lambda name: name.endswith("fence/000000000004"),
    "the whole log": lambda name: "fence/" in name,
    "everything": lambda name: True,
}


@pytest.mark.parametrize("hides", HIDDEN.values(), ids=HIDDEN)
def test_a_recovery_is_not_fooled_and_deletes_nothing_that_is_referred_to(
    bucket: FaultInjector, hides
) -> None:
    first = Life(bucket, 1)
    table = first.share("000001")
    first.complete(table)
    first.complete(table)
    newest = first.complete(table, first.share("000002"))
    bucket.inject(Operation.LIST, StaleList(hides), times=None)
    second = Life(bucket, 2)
    assert second.claim.restore is not None
    assert second.claim.restore.metadata.checkpoint_id == newest == 3
    assert second.next == 4, "a number is never given twice"
    second.journal.sweep((newest, *second.claim.completed), second.next)
    whole(bucket, newest)


@pytest.mark.parametrize("hides", HIDDEN.values(), ids=HIDDEN)
def test_a_shared_file_of_a_checkpoint_that_is_not_listed_yet_stays(bucket: FaultInjector, hides) -> None:
    life = Life(bucket, 1)
    old, kept = life.share("000001"), life.share("000002")
    life.complete(old, kept)
    life.complete(kept)
    newest = life.complete(kept)
    life.journal.delete((CheckpointId(1), CheckpointId(2)))
    bucket.inject(Operation.LIST, StaleList(hides), times=None)
    life.journal.delete_shared((newest,))
    whole(bucket, newest)
    bucket.rules.clear()
    life.journal.delete_shared((newest,))
    left = [info.name for info in bucket.list(f"cp/{JOB}/shared/")]
    assert left == [f"cp/{JOB}/{kept.path}"], "what nobody refers to goes when it is seen"
