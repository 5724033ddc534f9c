"""What is known of each subtask of a job, for its status: state, worker, counters. Decides nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping

from weir.graph.physical import PhysicalPlan, PhysicalVertex, VertexKind
from weir.ids import OperatorId, SubtaskId, WorkerId
from weir.jobmanager.deployment.rates import WINDOW, rates
from weir.rpc.messages import TaskMetrics
from weir.rpc.requests import TaskRates, TaskState, TaskStatus, VertexStatus

#: States in which a subtask reports.
_LIVE = frozenset({TaskState.RUNNING, TaskState.FINISHED})


class TaskTable:
    """Begins empty with each attempt; rows of earlier attempts are kept only as sums. ``now_ms`` is wall time."""

    def __init__(self, plan: PhysicalPlan) -> None:
        self._plan = plan
        self._sinks = _sink_operators(plan)
        self._states: dict[SubtaskId, TaskState] = {}
        self._workers: dict[SubtaskId, WorkerId] = {}
        self._metrics: dict[SubtaskId, TaskMetrics] = {}
        #: The last reports of each, oldest first.
        self._reports: dict[SubtaskId, deque[TaskMetrics]] = {}
        self._entered: dict[SubtaskId, dict[TaskState, int]] = {}
        self._attempts: dict[SubtaskId, int] = {}
        self._earlier = (0, 0)

    def begin_attempt(self, placed: Mapping[SubtaskId, WorkerId], now_ms: int, attempt: int = 0) -> None:
        """All subtasks were deployed."""
        self._earlier = self.totals()
        self._metrics = {}
        self._reports = {}
        self._workers = {}
        self._states = {}
        self._entered = {}
        self._attempts = {}
        self._begin(placed, now_ms, attempt)

    def begin_region(self, placed: Mapping[SubtaskId, WorkerId], now_ms: int, attempt: int) -> None:
        """These subtasks were deployed again; the others run on."""
        before = self.totals()
        for subtask in placed:
            self._metrics.pop(subtask, None)
            self._reports.pop(subtask, None)
            self._entered.pop(subtask, None)
        (read, written), (left_read, left_written) = before, self.totals()
        earlier_read, earlier_written = self._earlier
        self._earlier = earlier_read + read - left_read, earlier_written + written - left_written
        self._begin(placed, now_ms, attempt)

    def _begin(self, placed: Mapping[SubtaskId, WorkerId], now_ms: int, attempt: int) -> None:
        self._workers |= placed
        for subtask in placed:
            self._attempts[subtask] = attempt
            self.set_state(subtask, TaskState.INITIALIZING, now_ms)

    def replan(self, plan: PhysicalPlan) -> None:
        """The next attempt runs another plan."""
        self._earlier = self.totals()
        self._metrics = {}
        self._plan = plan
        self._sinks = _sink_operators(plan)

    def set_state(self, subtask: SubtaskId, state: TaskState, now_ms: int) -> None:
        """A subtask changed its state."""
        self._states[subtask] = state
        self._entered.setdefault(subtask, {}).setdefault(state, now_ms)

    def set_all(self, state: TaskState, now_ms: int, among: Container[SubtaskId] | None = None) -> None:
        """All subtasks, or those ``among`` them, that have not failed or finished change theirs."""
        for subtask, before in self._states.items():
            if (among is None or subtask in among) and before not in (TaskState.FAILED, TaskState.FINISHED):
                self.set_state(subtask, state, now_ms)

    def report(self, metrics: Iterable[TaskMetrics]) -> None:
        """Counters of some subtasks of the current attempt."""
        for task in metrics:
            subtask = SubtaskId(task.vertex, task.index)
            self._metrics[subtask] = task
            self._reports.setdefault(subtask, deque(maxlen=WINDOW)).append(task)

    def totals(self) -> tuple[int, int]:
        """Rows that sources read, and rows that sinks were given, over all attempts."""
        read, written = self._earlier
        readers = {vertex.id for vertex in self._plan.vertices if vertex.kind is VertexKind.READER}
        for subtask, task in self._metrics.items():
            if subtask.vertex in readers:
                read += task.records_in
            written += sum(rows for op, rows in task.operator_records_in.items() if op in self._sinks)
        return read, written

    def vertices(self, *, live: bool = True) -> tuple[VertexStatus, ...]:
        """The status of every vertex. ``live``: what was reported last is still true."""
        return tuple(self._vertex(vertex, live=live) for vertex in self._plan.vertices)

    def _vertex(self, vertex: PhysicalVertex, *, live: bool) -> VertexStatus:
        tasks = tuple(
            self._task(SubtaskId(vertex.id, index), live=live) for index in range(vertex.parallelism)
        )
        return VertexStatus(
            id=vertex.id,
            name=vertex.name,
            kind=vertex.kind,
            parallelism=vertex.parallelism,
            max_parallelism=vertex.max_parallelism,
            records_in=sum(task.records_in for task in tasks),
            records_out=sum(task.records_out for task in tasks),
            tasks=tasks,
        )

    def _rates(self, subtask: SubtaskId, state: TaskState) -> TaskRates | None:
        reports = self._reports.get(subtask)
        if not reports or state not in _LIVE:
            return None
        return rates(reports[0], reports[-1])

    def _task(self, subtask: SubtaskId, *, live: bool) -> TaskStatus:
        metrics = self._metrics.get(subtask)
        state = self._states.get(subtask, TaskState.CREATED)
        worker = self._workers.get(subtask)
        entered = dict(self._entered.get(subtask, {}))
        attempt = self._attempts.get(subtask, 0)
        if metrics is None:
            return TaskStatus(
                index=subtask.index, state=state, worker=worker, entered=entered, attempt=attempt
            )
        return TaskStatus(
            index=subtask.index,
            attempt=attempt,
            state=state,
            worker=worker,
            records_in=metrics.records_in,
            records_out=metrics.records_out,
            bytes_in=metrics.bytes_in,
            bytes_out=metrics.bytes_out,
            busy_ms=metrics.busy_ms,
            idle_ms=metrics.idle_ms,
            backpressured_ms=metrics.backpressured_ms,
            queued_bytes=metrics.queued_bytes,
            watermark=metrics.watermark,
            gauges=metrics.gauges,
            rates=self._rates(subtask, state) if live else None,
            entered=entered,
        )


def _sink_operators(plan: PhysicalPlan) -> frozenset[OperatorId]:
    """Operators whose output goes nowhere."""
    sinks = set()
    for vertex in plan.vertices:
        fed = {operator.upstream for operator in vertex.operators}
        fed |= {edge.source_operator for edge in plan.edges if edge.source == vertex.id}
        if vertex.kind is not VertexKind.ENUMERATOR:
            sinks |= {op.operator_id for position, op in enumerate(vertex.operators) if position not in fed}
    return frozenset(sinks)
