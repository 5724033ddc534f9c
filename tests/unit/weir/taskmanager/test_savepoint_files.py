"""Where a subtask's state goes: a checkpoint's below the job's folder, a savepoint's in its own, under names of its own."""

from __future__ import annotations

import pytest

from weir.config import StateBackendType
from weir.graph.physical import ChainedOperator
from weir.ids import AttemptId, Epoch, JobId, OperatorId
from weir.operators.base import OperatorSnapshot
from weir.rpc import messages
from weir.state.registration import EncodedSnapshot
from weir.storage import MemoryStorage
from weir.taskmanager.snapshots import SnapshotReader, SnapshotWriter

EXECUTION = messages.Execution(JobId("a" * 32), Epoch(2), AttemptId(3))
OPERATOR = ChainedOperator(
    node=1, operator_id=OperatorId("0f" * 16), name="count", uid="count", upstream=None
)
LARGE = b"x" * 100_000
NAME = "e2-a3-0f0f0f0f0f0f0f0f-1-keyed"


def persist(writer: SnapshotWriter, savepoint: str = ""):
    snapshot = OperatorSnapshot(keyed=EncodedSnapshot(LARGE), operator=b"small")
    states = writer.persist(
        EXECUTION,
        7,
        1,
        [(OPERATOR, snapshot)],
        key_groups=(0, 9),
        finished=False,
        watermark=5,
        savepoint=savepoint,
    )
    return states[OPERATOR.operator_id]


def test_a_checkpoint_is_named_from_the_jobs_folder_and_a_savepoint_from_its_own() -> None:
    job, folder = MemoryStorage("job"), MemoryStorage.named("taken")
    writer = SnapshotWriter(job, StateBackendType.FILE_SYSTEM)
    checkpoint, savepoint = persist(writer), persist(writer, "memory://taken/savepoint-aaaaaa-7")
    assert checkpoint.keyed.path == f"chk-7/{NAME}"
    assert savepoint.keyed.path == NAME
    assert [info.name for info in job.list()] == [f"chk-7/{NAME}"]
    assert [info.name for info in folder.list()] == [f"savepoint-aaaaaa-7/{NAME}"]
    assert checkpoint.operator.data == savepoint.operator.data == b"small", "small state needs no file"


def test_a_savepoint_can_be_moved_before_it_is_read() -> None:
    writer = SnapshotWriter(None, StateBackendType.FILE_SYSTEM)
    state = persist(writer, "memory://first/savepoint")
    first, second = MemoryStorage.named("first"), MemoryStorage("second")
    for info in first.list("savepoint/"):
        second.write(info.name.removeprefix("savepoint/"), first.read(info.name))
    restored = messages.RestoredOperator(
        operator_id=OPERATOR.operator_id, old_parallelism=2, states=(state,), own_only=False
    )
    assert SnapshotReader(second).read(restored).keyed == (LARGE,)


@pytest.mark.parametrize("savepoint", ["", "memory://inlined/savepoint"])
def test_with_the_memory_backend_everything_travels_in_the_metadata(savepoint: str) -> None:
    storage = MemoryStorage("job")
    state = persist(SnapshotWriter(storage, StateBackendType.MEMORY), savepoint)
    assert state.keyed.data == LARGE
    assert list(storage.list()) == list(MemoryStorage.named("inlined").list()) == []
