"""What a subtask measures of its snapshot, piece by piece, until it tells the JobManager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from weir.clock import Clock
from weir.ids import OperatorId
from weir.rpc import messages
from weir.state.snapshot import OperatorSubtaskState
from weir.taskmanager.gate import InputGate


def snapshot_bytes(states: Mapping[OperatorId, OperatorSubtaskState]) -> int:
    """Bytes of all state of one subtask, also of what earlier checkpoints stored."""
    return sum(state.size for state in states.values())


class AlignmentTime:
    """From the first barrier of a checkpoint to its last: how long, and how much is processed meanwhile."""

    def __init__(self, clock: Clock, gate: InputGate) -> None:
        self.began = False
        self._clock = clock
        self._gate = gate
        self._at = 0.0
        self._bytes = 0

    def begin(self) -> None:
        """The first barrier is there."""
        self.began, self._at, self._bytes = True, self._clock.monotonic(), self._gate.bytes_in()

    def end(self) -> tuple[float, int]:
        """The last one is, or no more is waited for: seconds, and bytes taken from the inputs."""
        if not self.began:
            return 0.0, 0
        self.began = False
        return self._clock.monotonic() - self._at, self._gate.bytes_in() - self._bytes


@dataclass(frozen=True)
class Stats:
    """What is measured of a snapshot on the data thread: milliseconds, and bytes of rows."""

    sync_ms: float
    start_delay_ms: float
    alignment_ms: float = 0.0
    #: Between the first barrier and the last.
    processed: int = 0
    unaligned: bool = False
    persisted: int = 0

    def aligned(self, alignment: tuple[float, int]) -> Stats:
        """With how long the barriers waited for each other, and what was processed meanwhile."""
        return replace(self, alignment_ms=alignment[0] * 1000, processed=alignment[1])

    def overtaken(self, alignment: tuple[float, int], persisted: int) -> Stats:
        """The same of barriers that overtook so much."""
        return replace(self.aligned(alignment), unaligned=True, persisted=persisted)

    def told(self, async_ms: float, size: int) -> messages.SnapshotStats:
        """All of it: with the time of the upload, and the bytes of state."""
        return messages.SnapshotStats(
            sync_ms=self.sync_ms,
            async_ms=async_ms,
            alignment_ms=self.alignment_ms,
            start_delay_ms=self.start_delay_ms,
            bytes=size,
            unaligned=self.unaligned,
            processed=self.processed,
            persisted=self.persisted,
        )
