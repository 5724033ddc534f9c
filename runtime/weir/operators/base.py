"""What runs a user function over a batch: the operator protocol, and what an operator is handed.

An operator is driven by one data thread. Each method that may emit is a generator of stream elements; the
chain hands each element on before it asks for the next one, and may stop asking for a while when an output has
no credit. So a burst of output never has to fit into memory, and no operator waits. Hot path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from weir.clock import Clock, SystemClock
from weir.keygroups import key_group_range
from weir.records import RowBatch, StreamElement, StreamStatus, Watermark
from weir.state.backend import HEAP, StateBackend
from weir.state.keyed_place import KeyedPlace
from weir.state.native import KeyedState
from weir.state.registration import KeyedSnapshot

#: Rows after which an operator hands on what it has: keeps a batch in the L2 cache (performance rule 2).
MAX_BATCH_ROWS = 2000


@dataclass(frozen=True)
class OperatorContext:
    """An operator's place in the job, and the engine's services for it."""

    job_id: str
    job_name: str
    operator_id: str
    name: str
    uid: str | None
    subtask_index: int
    parallelism: int
    max_parallelism: int
    epoch: int
    attempt: int
    #: Its rows come with keys: it is the head of a chain behind a ``key_by``.
    keyed: bool
    #: ``file:line`` where the user made it; for messages.
    location: str = ""
    clock: Clock = field(default_factory=SystemClock)
    #: Makes its keyed state.
    backend: StateBackend = HEAP
    #: Thread-safe: asks for the subtask to be looked at again soon.
    wake: Callable[[], None] = lambda: None
    #: ``run_async(work, done)``: ``work()`` on an I/O thread, then ``done(result, error)`` on the data thread.
    run_async: Callable[[Callable[[], Any], Callable[[Any, BaseException | None], None]], None] = (
        lambda work, done: done(work(), None)
    )

    @property
    def keyed_place(self) -> KeyedPlace:
        """Whose keyed state its is."""
        groups = key_group_range(self.max_parallelism, self.parallelism, self.subtask_index)
        return KeyedPlace(
            self.label, self.operator_id, self.subtask_index, self.max_parallelism, groups, self.clock
        )

    @property
    def label(self) -> str:
        """How messages name it: its name, and its uid if it has one."""
        return f"'{self.name}' (uid {self.uid})" if self.uid else f"'{self.name}'"


@dataclass(frozen=True)
class RestoredState:
    """State of an operator from a snapshot, already read and verified."""

    #: Keyed blobs of all old subtasks whose key groups overlap the new subtask's.
    keyed: tuple[KeyedState, ...] = ()
    #: Operator-state blobs in the order of the old subtasks (only the own one if ``own_only``).
    operator: tuple[bytes, ...] = ()
    own_only: bool = False
    #: The old subtask had already processed the end of its input.
    finished: bool = False
    #: Of the input of the chain that the operator was in.
    watermark: int | None = None
    old_parallelism: int = 0


@dataclass(frozen=True)
class OperatorSnapshot:
    """The synchronous part's result; ``finish`` is the slow half, run off the data thread before the upload."""

    keyed: KeyedSnapshot | None = None
    operator: bytes | None = None
    #: The operator state holds only evenly dealt lists.
    split_only: bool = True
    has_commits: bool = False
    finish: Callable[[], None] | None = None

    def release(self) -> None:
        """It was written, or will not be."""
        if self.keyed is not None:
            self.keyed.release()


class Operator(ABC):
    """One operator of one subtask. ``open``, then any of the rest, then ``close``."""

    context: OperatorContext
    #: For metrics, since it was opened.
    timers_fired = 0
    #: Rows that came after all of their windows were gone, for metrics.
    late_rows = 0
    #: Whether :meth:`tend` has work at times; known once it is open.
    tends = False
    #: Whether watermarks of its input end here, and those behind it are its own.
    makes_watermarks = False

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        """Get ready; ``restored`` is ``None`` on a fresh start. User functions are opened in here."""
        self.context = context

    @abstractmethod
    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        """Rows of one input."""

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        """The merged watermark of all inputs advanced. Default: hand it on."""
        yield watermark

    def on_status(self, status: StreamStatus) -> Iterator[StreamElement]:
        """All inputs became idle, or one is active again. Default: hand it on."""
        yield status

    def next_timer(self) -> int | None:
        """Wall milliseconds at which ``on_processing_time`` is due; ``None``: never."""
        return None

    def on_processing_time(self, now_ms: int) -> Iterator[StreamElement]:
        """Fire what is due at ``now_ms``."""
        return iter(())

    def on_paused(self, seconds: float) -> None:
        """No row could come for that long, since an output had no credit; such time is no idleness."""

    def end_input(self) -> Iterator[StreamElement]:
        """All inputs ended. Emit what is still held."""
        return iter(())

    def snapshot(self, checkpoint_id: int) -> OperatorSnapshot:
        """The synchronous part: what it returns must not change with later rows."""
        return OperatorSnapshot()

    def notify_complete(self, checkpoint_id: int) -> None:
        """Checkpoint ``checkpoint_id`` is complete for ever. Notices may be lost, so n stands for all <= n."""

    def tend(self) -> bool:
        """A slice of work besides the rows, between two elements; whether there is more of it."""
        return False

    def discard(self) -> None:
        """Forget what a call that failed gave to side outputs."""

    def pending_commits(self) -> int:
        """Commits handed over but not acknowledged by the outside yet; the job's end waits for them."""
        return 0

    def origin(self) -> str:
        """Where the rows that are being emitted were read; for messages of failures."""
        return ""

    def close(self) -> None:
        """Release resources; called once, also after a failure when the process lives."""
