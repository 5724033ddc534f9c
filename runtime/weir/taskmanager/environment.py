"""What a task may ask of the worker it runs in. The worker process, the one-process mode and the simulation
each give their own; nothing below this line knows threads, sockets or storage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from weir.clock import Clock
from weir.graph.physical import ChainedOperator
from weir.ids import OperatorId
from weir.operators.base import OperatorSnapshot
from weir.rpc.messages import Execution, FromWorkerMessage
from weir.state.snapshot import OperatorSubtaskState

#: ``run(work, done)``: ``work()`` off the data thread, then ``done(result, error)`` on it.
RunAsync = Callable[[Callable[[], Any], Callable[[Any, "BaseException | None"], None]], None]


def _nothing() -> bytes | None:
    return None


@dataclass(frozen=True)
class SnapshotRequest:
    """The synchronous results of one subtask, to be made durable."""

    execution: Execution
    checkpoint_id: int
    subtask: int
    operators: Sequence[tuple[ChainedOperator, OperatorSnapshot]]
    key_groups: tuple[int, int] | None
    finished: bool
    watermark: int
    savepoint: str = ""  #: URI of a savepoint's folder
    #: Bytes before the barrier, by channel.
    sent: dict[int, int] = field(default_factory=dict)
    whole: bool = False  #: see ``Barrier``
    #: Makes the bytes of what an unaligned barrier overtook; they may be none.
    in_flight: Callable[[], bytes | None] = _nothing


class TaskEnvironment(Protocol):
    """Services of the worker."""

    @property
    def clock(self) -> Clock: ...

    def report(self, message: FromWorkerMessage) -> None:
        """To the JobManager."""
        ...

    def run_async(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        """Run ``work`` beside the data thread, in any order with others."""
        ...

    def serial(self, name: str) -> RunAsync:
        """A lane of its own: its work runs one after the other, and so do its ``done`` calls."""
        ...

    def wake(self) -> None:
        """From any thread: let the data loop look again."""
        ...

    def persist(self, request: SnapshotRequest) -> Mapping[OperatorId, OperatorSubtaskState]:
        """Make a snapshot durable; blocking, called inside ``run_async`` work. Raises ``WeirError``."""
        ...
