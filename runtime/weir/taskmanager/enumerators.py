"""The subtask of a split enumerator: where every checkpoint begins.

The enumerator's own code runs on a lane of its own (it may block on a listing), one call after the other; what
it answers comes back to the data thread in the same order and is sent to the readers. So an assignment made before
a snapshot reaches its reader before the barrier, and is in exactly one of the two snapshots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from weir import crashpoints
from weir.connectors.source import Assignment, EnumeratorContext, Source, SplitEnumerator
from weir.errors import as_text
from weir.operators.base import OperatorContext, OperatorSnapshot, RestoredState
from weir.operators.failures import operator_failure
from weir.records import MIN_TIMESTAMP, Barrier, EndOfInput, SplitsAssigned
from weir.rpc import messages
from weir.state import reserved
from weir.state.descriptors import ListStateDescriptor
from weir.state.operator_state import OperatorStateStore
from weir.taskmanager.environment import SnapshotRequest, TaskEnvironment
from weir.taskmanager.exchange.channels import LocalChannel, RemoteChannel
from weir.taskmanager.snapshot_stats import snapshot_bytes
from weir.taskmanager.task import TaskIdentity

_STATE = ListStateDescriptor(reserved.ENUMERATOR, bytes)
#: Number of readers, then the indexes of those that were told that nothing more comes.
_TOLD = ListStateDescriptor(reserved.TOLD, int)


class EnumeratorTask:
    """Hands out the splits of one source; shaped like ``Task`` for the loop that runs it."""

    def __init__(
        self,
        identity: TaskIdentity,
        source: Source[Any, Any],
        readers: Sequence[LocalChannel | RemoteChannel],
        env: TaskEnvironment,
    ) -> None:
        self.identity = identity
        self.started = False
        self.ended = False
        #: The job stops with the last snapshot: nothing is handed out any more.
        self.held = False
        self.busy_seconds = 0.0
        self.backpressured_seconds = 0.0
        self._started_at = 0.0
        self._source = source
        self._readers = readers
        self._env = env
        self._lane = env.serial(f"enumerator-{identity.vertex.name}")
        self._encode = msgspec.msgpack.Encoder().encode
        self._told: set[int] = set()
        self._enumerator: SplitEnumerator[Any] | None = None
        self._discover_at: float | None = None
        self._label = f"'{identity.vertex.operators[0].name}'"
        self._location = ""
        for reader, channel in enumerate(readers):
            handler = self._request_handler(reader)
            if isinstance(channel, LocalChannel):
                channel.on_request(handler)
            else:
                channel.on_split_request = handler

    def open(self, contexts: list[OperatorContext], restored: list[RestoredState | None]) -> None:
        """Create or restore the enumerator on its lane."""
        state = restored[0]
        self._label, self._location = contexts[0].label, contexts[0].location

        saved, told = _saved(state, contexts[0])

        def create() -> list[Assignment]:
            context = EnumeratorContext(parallelism=len(self._readers))
            if saved is None:
                self._enumerator = self._source.create_enumerator(context)
            else:
                self._enumerator = self._source.restore_enumerator(context, saved)
            return self._enumerator.start()

        # A reader that had read everything does not ask again after a restore.
        if told and (told[0] == len(self._readers) or len(told) - 1 == told[0]):
            everybody = range(len(self._readers))
            self._told = set(told[1:] if told[0] == len(self._readers) else everybody)
        self._on_lane(create, self._opened)

    def _opened(self, assignments: list[Assignment]) -> None:
        self.started = True
        self._started_at = self._env.clock.monotonic()
        if self._source.endless:
            self._told.clear()
        self._env.report(
            messages.TaskRunning(execution=self.identity.execution, vertex=self.identity.vertex.id, index=0)
        )
        self._assign(assignments)
        self._schedule_discovery()

    def _on_lane(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def done(result: Any, error: BaseException | None) -> None:
            if isinstance(error, Exception):
                raise operator_failure(error, self._label, self._location) from error
            if error is not None:
                raise error
            then(result)

        self._lane(work, done)

    def _require(self) -> SplitEnumerator[Any]:
        if self._enumerator is None:
            raise AssertionError("the enumerator's lane runs in order, so it was created first")
        return self._enumerator

    def _request_handler(self, reader: int) -> Callable[[], None]:
        def request() -> None:
            self._on_lane(lambda: self._require().handle_request(reader), self._assign)

        return request

    def _assign(self, assignments: Sequence[Assignment]) -> None:
        if self.held:
            return
        for assignment in assignments:
            splits = [self._encode(split) for split in assignment.splits]
            self._readers[assignment.reader].send_control(SplitsAssigned(splits, assignment.no_more))
            if assignment.no_more:
                self._told.add(assignment.reader)
        if not self.ended and len(self._told) == len(self._readers):
            self.ended = True
            self._env.report(
                messages.TaskEnded(execution=self.identity.execution, vertex=self.identity.vertex.id, index=0)
            )

    def _schedule_discovery(self) -> None:
        interval = self._require().discovery_interval
        self._discover_at = None if interval is None else self._env.clock.monotonic() + interval

    def _discovered(self, assignments: list[Assignment]) -> None:
        self._assign(assignments)
        self._schedule_discovery()

    def step(self, now: float) -> bool:
        """Start a discovery when it is time."""
        if self._discover_at is None or now < self._discover_at or self.ended or self.held:
            return False
        self._discover_at = None
        self._on_lane(lambda: self._require().discover(), self._discovered)
        return True

    def next_deadline(self, now: float) -> float | None:
        """When the next discovery is due."""
        return None if self.ended or self.held else self._discover_at

    def trigger(self, barrier: Barrier, *, drain: bool = False) -> None:
        """Begin a snapshot: snapshot on the lane, then the barrier to every reader; ``drain`` ends their input first."""
        crashpoints.hit("worker.enumerator.triggered")

        def snapshot() -> bytes:
            return self._require().snapshot()

        self._on_lane(snapshot, lambda state: self._snapshotted(barrier, state, drain=drain))

    def _snapshotted(self, barrier: Barrier, state: bytes, *, drain: bool) -> None:
        env = self._env
        self.held = barrier.stop
        for channel in self._readers:
            if drain:
                channel.send_control(EndOfInput(drained=True))
            channel.send_control(barrier)
        crashpoints.hit("worker.enumerator.barrier-sent")
        store = OperatorStateStore(self._label)
        store.get_list_state(_STATE).update([state])
        store.get_list_state(_TOLD).update([len(self._readers), *sorted(self._told)])
        request = SnapshotRequest(
            execution=self.identity.execution,
            checkpoint_id=barrier.checkpoint_id,
            subtask=0,
            operators=[
                (
                    self.identity.vertex.operators[0],
                    OperatorSnapshot(operator=store.snapshot(), split_only=True),
                )
            ],
            key_groups=None,
            finished=False,
            watermark=MIN_TIMESTAMP,
            savepoint=barrier.savepoint,
        )
        where: Any = {"execution": request.execution, "vertex": self.identity.vertex.id, "index": 0}

        def done(states: Any, error: BaseException | None) -> None:
            if error is not None:
                message = as_text(f"{type(error).__name__}: {error}")
                env.report(
                    messages.CheckpointDeclined(checkpoint_id=request.checkpoint_id, message=message, **where)
                )
                return
            size = snapshot_bytes(states)
            env.report(
                messages.CheckpointAck(
                    checkpoint_id=request.checkpoint_id,
                    states=dict(states),
                    finished=False,
                    stats=messages.SnapshotStats(bytes=size),
                    **where,
                )
            )

        env.run_async(lambda: env.persist(request), done)

    def notify_complete(self, checkpoint_id: int) -> None:
        """An enumerator commits nothing."""

    def abort(self, checkpoint_id: int) -> None:
        """An enumerator waits for nothing."""

    def flush(self) -> None:
        """Control elements are never gathered."""

    def close(self) -> None:
        """End the enumerator."""
        if self._enumerator is not None:
            self._enumerator.close()

    def metrics(self) -> messages.TaskMetrics:
        """An enumerator moves no rows, and what it computes is not done on the data thread."""
        since_start = self._env.clock.monotonic() - self._started_at if self.started else 0.0
        busy_ms = int(self.busy_seconds * 1000)
        return messages.TaskMetrics(
            vertex=self.identity.vertex.id,
            index=0,
            busy_ms=busy_ms,
            idle_ms=max(0, int(since_start * 1000) - busy_ms),
        )


def _saved(restored: RestoredState | None, context: OperatorContext) -> tuple[bytes | None, list[int]]:
    """The enumerator's own bytes and ``_TOLD`` out of its operator state."""
    if restored is None or not restored.operator:
        return None, []
    store = OperatorStateStore(context.label)
    store.restore(list(restored.operator), 0, 1, own_only=True)
    found = store.get_list_state(_STATE).get()
    return (found[0] if found else None), store.get_list_state(_TOLD).get()
