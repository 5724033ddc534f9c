"""What is known of each subtask of a job, for its status: state, worker, counters. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable

from weir.graph.physical import PhysicalPlan, PhysicalVertex, VertexKind
from weir.ids import OperatorId, SubtaskId, WorkerId
from weir.rpc.messages import TaskMetrics
from weir.rpc.requests import TaskState, TaskStatus, VertexStatus


class TaskTable:
    """Begins empty with each attempt; rows of earlier attempts are kept only as sums."""

    def __init__(self, plan: PhysicalPlan) -> None:
        self._plan = plan
        self._sinks = _sink_operators(plan)
        self._states: dict[SubtaskId, TaskState] = {}
        self._workers: dict[SubtaskId, WorkerId] = {}
        self._metrics: dict[SubtaskId, TaskMetrics] = {}
        self._earlier = (0, 0)

    def begin_attempt(self, placed: dict[SubtaskId, WorkerId]) -> None:
        """All subtasks were deployed."""
        self._earlier = self.totals()
        self._metrics = {}
        self._workers = placed
        self._states = dict.fromkeys(placed, TaskState.INITIALIZING)

    def set_state(self, subtask: SubtaskId, state: TaskState) -> None:
        """A subtask changed its state."""
        self._states[subtask] = state

    def set_all(self, state: TaskState) -> None:
        """All subtasks that have not failed or finished change theirs."""
        for subtask, before in self._states.items():
            if before not in (TaskState.FAILED, TaskState.FINISHED):
                self._states[subtask] = state

    def report(self, metrics: Iterable[TaskMetrics]) -> None:
        """Counters of some subtasks of the current attempt."""
        for task in metrics:
            self._metrics[SubtaskId(task.vertex, task.index)] = task

    def totals(self) -> tuple[int, int]:
        """Rows that sources read, and rows that sinks were given, over all attempts."""
        read, written = self._earlier
        readers = {vertex.id for vertex in self._plan.vertices if vertex.kind is VertexKind.READER}
        for subtask, task in self._metrics.items():
            if subtask.vertex in readers:
                read += task.records_in
            written += sum(rows for op, rows in task.operator_records_in.items() if op in self._sinks)
        return read, written

    def vertices(self) -> tuple[VertexStatus, ...]:
        """The status of every vertex."""
        return tuple(self._vertex(vertex) for vertex in self._plan.vertices)

    def _vertex(self, vertex: PhysicalVertex) -> VertexStatus:
        tasks = tuple(self._task(SubtaskId(vertex.id, index)) for index in range(vertex.parallelism))
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

    def _task(self, subtask: SubtaskId) -> TaskStatus:
        metrics = self._metrics.get(subtask)
        state = self._states.get(subtask, TaskState.CREATED)
        worker = self._workers.get(subtask)
        if metrics is None:
            return TaskStatus(index=subtask.index, state=state, worker=worker)
        return TaskStatus(
            index=subtask.index,
            state=state,
            worker=worker,
            records_in=metrics.records_in,
            records_out=metrics.records_out,
            bytes_in=metrics.bytes_in,
            bytes_out=metrics.bytes_out,
            busy_ms=metrics.busy_ms,
            idle_ms=metrics.idle_ms,
            backpressured_ms=metrics.backpressured_ms,
            watermark=metrics.watermark,
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
