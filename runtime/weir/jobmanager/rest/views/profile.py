"""Where the time of each vertex goes: waiting by its subtasks' clocks, work divided as stack samples saw it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from weir.ids import VertexId
from weir.jobmanager.rest.models import profile as models
from weir.jobmanager.stacks import FlameFacts
from weir.rpc.requests import VertexStatus


def profile(
    vertices: tuple[VertexStatus, ...], facts: Mapping[VertexId, FlameFacts | None]
) -> models.JobProfile:
    """Of the vertices that run; without any, none. Samples that are still being taken make the answer wait."""
    taken = [facts[vertex.id] for vertex in vertices if vertex.id in facts]
    known = [each for each in taken if each is not None]
    if len(known) < len(taken):
        return models.JobProfile(end_timestamp=-1, vertices=())
    found = []
    for vertex in vertices:
        samples = facts.get(vertex.id)
        rated = any(task.rates is not None for task in vertex.tasks)
        if samples is not None and rated:
            found.append(_vertex(vertex, samples))
    ended = max((each.ended_ms for each in known), default=0)
    return models.JobProfile(end_timestamp=ended, vertices=tuple(found))


def _vertex(vertex: VertexStatus, facts: FlameFacts) -> models.VertexProfile:
    subtasks = tuple(
        models.SubtaskShares(
            subtask=task.index,
            busy=task.rates.busy_ms / 1000,
            waiting_for_credit=task.rates.backpressured_ms / 1000,
            idle=task.rates.idle_ms / 1000,
        )
        for task in vertex.tasks
        if task.rates is not None
    )
    busy = _mean([each.busy for each in subtasks])
    seen: Counter[str] = Counter()
    for sample in facts.samples:
        seen[sample.kind] += sample.count
    total = sum(seen.values())

    def part(kind: str) -> float:
        return round(busy * seen[kind] / total, 4) if total else 0.0

    user, state, serialisation, network = (
        part(kind) for kind in ("user", "state", "serialisation", "network")
    )
    return models.VertexProfile(
        id=vertex.id,
        name=vertex.name,
        samples=total,
        user=user,
        state=state,
        serialisation=serialisation,
        network=network,
        engine=round(max(0.0, busy - user - state - serialisation - network), 4),
        waiting_for_credit=_mean([each.waiting_for_credit for each in subtasks]),
        idle=_mean([each.idle for each in subtasks]),
        subtasks=subtasks,
    )


def _mean(shares: list[float]) -> float:
    return round(sum(shares) / len(shares), 4)
