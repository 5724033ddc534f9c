"""Builders for tests of the checkpoint room: a small job, its acknowledgements, a clock that stands still."""

from __future__ import annotations

from weir.checkpoint.events import Ack
from weir.checkpoint.job_facts import JobFacts, OperatorInfo
from weir.checkpoint.metadata import FORMAT_VERSION, OperatorState, SnapshotKind, SnapshotMetadata
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, OperatorId, SubtaskId, VertexId
from weir.state.snapshot import OperatorSubtaskState, inline_handle

JOB = JobId("0123456789abcdef0123456789abcdef")
SOURCE = VertexId("aa" * 16)
COUNT = VertexId("bb" * 16)
SOURCE_OPERATOR = OperatorId(SOURCE)
COUNT_OPERATOR = OperatorId(COUNT)
SUBTASKS = frozenset({SubtaskId(SOURCE, 0), SubtaskId(COUNT, 0), SubtaskId(COUNT, 1)})
SOURCES = frozenset({SubtaskId(SOURCE, 0)})
EPOCH = Epoch(3)
FACTS = JobFacts(
    JOB,
    "flights",
    EPOCH,
    (
        OperatorInfo(SOURCE_OPERATOR, "flights", "flights", SOURCE, 1, 128),
        OperatorInfo(COUNT_OPERATOR, "count", "count", COUNT, 2, 128),
    ),
)


class ManualClock:
    """Time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now


def ack(
    checkpoint: int,
    subtask: SubtaskId,
    attempt: int = 1,
    epoch: Epoch = EPOCH,
    data: bytes = b"state",
    **state: object,
) -> Ack:
    """An acknowledgement with a little operator state."""
    states = {
        OperatorId(subtask.vertex): OperatorSubtaskState(
            subtask=subtask.index, operator=inline_handle(data), **state
        )
    }
    return Ack(CheckpointId(checkpoint), epoch, AttemptId(attempt), subtask, states)


def metadata(
    checkpoint: int = 1,
    *,
    epoch: int = 1,
    kind: SnapshotKind = SnapshotKind.CHECKPOINT,
    has_commits: bool = False,
    operators: tuple[OperatorState, ...] = (),
) -> SnapshotMetadata:
    """The metadata of a snapshot of ``JOB``."""
    return SnapshotMetadata(
        format_version=FORMAT_VERSION,
        job_id=JOB,
        job_name="flights",
        kind=kind,
        checkpoint_id=CheckpointId(checkpoint),
        epoch=Epoch(epoch),
        attempt=AttemptId(1),
        triggered_ms=1_700_000_000_000,
        has_commits=has_commits,
        operators=operators,
    )
