"""The slowest edge of a running job: where rows wait for credit though what receives them does not wait itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from weir.ids import VertexId
from weir.jobmanager.rest.models.jobs import EdgeEnd, SlowEdge
from weir.rpc.requests import TaskState, TaskStatus, VertexStatus

#: Milliseconds a second without credit from which an edge is slow.
SLOW: Final = 500
#: A receiver that is back-pressured so long hands on what another edge is the cause of.
_HANDS_ON: Final = 100
#: A receiver that works so long, or has such a share of its queues full, is slow itself.
_BUSY: Final = 500
_FULL: Final = 0.5


def slow_edge(vertices: Iterable[VertexStatus]) -> SlowEdge | None:
    """The one whose sender was without credit longest lately; ``None``: no edge holds rows up."""
    by_id = {vertex.id: vertex for vertex in vertices}
    found = [
        edge for vertex in by_id.values() for task in vertex.tasks if (edge := _edge(vertex, task, by_id))
    ]
    return max(found, key=lambda edge: edge.starved, default=None)


def _edge(vertex: VertexStatus, task: TaskStatus, by_id: dict[VertexId, VertexStatus]) -> SlowEdge | None:
    slowest = task.gauges.slowest
    if slowest is None or slowest.starved_ms < SLOW or task.state is not TaskState.RUNNING:
        return None
    target = by_id.get(slowest.vertex)
    receiver = None if target is None else next((t for t in target.tasks if t.index == slowest.index), None)
    if target is None or receiver is None or receiver.rates is None:
        return None
    if receiver.rates.backpressured_ms >= _HANDS_ON:
        return None
    is_receiver = (
        receiver.worker == task.worker
        or receiver.rates.busy_ms >= _BUSY
        or receiver.gauges.input_used >= _FULL
    )
    return SlowEdge(
        source=_end(vertex, task),
        target=_end(target, receiver),
        starved=slowest.starved_ms,
        bytes_out=slowest.bytes_out,
        cause="receiver" if is_receiver else "link",
    )


def _end(vertex: VertexStatus, task: TaskStatus) -> EdgeEnd:
    worker = task.worker or ""
    return EdgeEnd(
        vertex=vertex.id,
        name=vertex.name,
        subtask=task.index,
        taskmanager=worker.rpartition("-")[0] or worker,
    )


def told(edge: SlowEdge | None) -> str:
    """For people; nothing in it changes while the same edge is slow for the same reason."""
    if edge is None:
        return ""
    ends = " -> ".join(
        f"'{end.name}' ({end.subtask}) on {end.taskmanager}" for end in (edge.source, edge.target)
    )
    why = (
        "the receiver does not keep up"
        if edge.cause == "receiver"
        else "the receiver waits for rows, so the link is slow"
    )
    return f"{ends}: {why}"
