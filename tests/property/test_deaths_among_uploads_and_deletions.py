"""JobManagers and workers die before any write or deletion, again and again: what a checkpoint is made of is whole, and nothing else stays. Row R17.

Incremental checkpoints: files of their own, and shared ones that later checkpoints name again. Two are retained.
"""

from __future__ import annotations

import itertools
from contextlib import suppress

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.checkpoints import COUNT_OPERATOR, ManualClock, metadata
from weir.checkpoint import events, paths, store
from weir.checkpoint.metadata import OperatorState
from weir.checkpoint.start_directive import StartDirective
from weir.ids import AttemptId, CheckpointId, JobId
from weir.jobmanager.history.journal import Claim, StoredJournal
from weir.rpc.messages import JobSpec
from weir.state.snapshot import OperatorSubtaskState, StateHandle, object_handle
from weir.storage import MemoryStorage, PrefixedStorage
from weir.storage.faults import Fail, FaultInjector, Operation, Rule
from weir.storage.memory import mount, unmount

JOB = JobId("a" * 32)
SPEC = JobSpec(name="orders", namespace="shop", entrypoint="x:y")
RETAINED = 2
CHANGES = {Operation.WRITE, Operation.CREATE, Operation.DELETE}
buckets = itertools.count()


class Died(Exception):
    """A process, just before it changed something in the store."""


class Life:
    """One JobManager, and the one worker of its job."""

    def __init__(self, bucket: FaultInjector, number: int) -> None:
        self.folder = PrefixedStorage(bucket, f"cp/{JOB}")
        self.journal = StoredJournal(SPEC, JOB, f"{bucket.uri}/cp", str(number), ManualClock())
        claim = self.journal.claim(recovering=False, directive=StartDirective(run=number))
        assert isinstance(claim, Claim)
        self.epoch, self.next, self.completed = claim.epoch, claim.next_id, list(claim.completed)
        restored = claim.restore.metadata if claim.restore is not None else None
        #: Tables of the database, where they are stored.
        self.tables: list[StateHandle] = (
            list(restored.operators[0].subtasks[0].shared or ()) if restored else []
        )
        self.journal.sweep(tuple(self.completed), self.next)

    def checkpoint(self, fresh: int, merges: bool) -> None:
        """With ``fresh`` new tables; if it ``merges``, the others are in them."""
        number, self.next = self.next, CheckpointId(self.next + 1)
        name = paths.state_name(self.epoch, AttemptId(1), COUNT_OPERATOR, 0, paths.StateKind.KEYED)
        tables = [] if merges else list(self.tables)
        for file in range(fresh):
            path = paths.shared_file(number, name, f"{file:06}")
            self.folder.write(path, b"table")
            tables.append(object_handle(path, b"table"))
        own = f"chk-{number}/{name}"
        self.folder.write(own, b"own")
        self.tables = tables
        state = OperatorSubtaskState(
            subtask=0, keyed=object_handle(own, b"own"), shared=tuple(tables), key_groups=(0, 127)
        )
        operator = OperatorState(
            operator_id=COUNT_OPERATOR, name="count", parallelism=1, max_parallelism=128, subtasks=(state,)
        )
        made = msgspec.structs.replace(metadata(number, epoch=self.epoch, operators=(operator,)), job_id=JOB)
        assert isinstance(self.journal.publish(events.Publish(number, made, None)), events.Published)
        self.completed.append(number)
        self.retain()

    def retain(self) -> None:
        """As the JobManager does after each checkpoint."""
        due, self.completed = self.completed[:-RETAINED], self.completed[-RETAINED:]
        if due:
            self.journal.delete(tuple(due))
            self.journal.delete_shared(tuple(self.completed))


def made_of(bucket: FaultInjector, number: CheckpointId) -> set[str]:
    """The objects of a checkpoint. Raises ``SnapshotCorrupt`` if one is missing."""
    snapshot = store.load(f"{bucket.uri}/cp/{JOB}/chk-{number}")
    store.check_files(snapshot)
    (operator,) = snapshot.metadata.operators
    files = {handle.path or "" for handle in operator.subtasks[0].files}
    return files | {f"chk-{number}/{paths.METADATA}"}


lives = st.lists(
    st.tuples(
        st.integers(1, 40), st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=4)
    ),
    min_size=1,
    max_size=15,
)


@settings(max_examples=30, deadline=None)
@given(lives)
def test_what_is_referred_to_is_whole_after_every_death_and_nothing_else_is_there_at_the_end(
    lives: list[tuple[int, list[tuple[int, bool]]]],
) -> None:
    name = f"deaths-{next(buckets)}"
    bucket = FaultInjector(MemoryStorage(name))
    mount(name, bucket)
    try:
        newest = CheckpointId(0)
        for number, (survives, checkpoints) in enumerate(lives, start=1):
            death = Rule(
                lambda operation, _name: operation in CHANGES, Fail(Died()), skip=survives, times=None
            )
            bucket.rules.append(death)
            life = None
            with suppress(Died):
                life = Life(bucket, number)
                for fresh, merges in checkpoints:
                    life.checkpoint(fresh, merges)
            bucket.rules.clear()
            if life is not None and life.completed:
                assert life.completed[-1] >= newest
                newest = life.completed[-1]
            if newest:
                made_of(bucket, newest)
        last = Life(bucket, len(lives) + 1)
        for _ in range(RETAINED + 1):  # until a deletion is due: shared files are looked through with it
            last.checkpoint(1, merges=False)
        kept = set().union(*(made_of(bucket, number) for number in last.completed))
        left = {info.name for info in last.folder.list() if not info.name.startswith(paths.FENCE)}
        assert left == kept
    finally:
        unmount(name)
