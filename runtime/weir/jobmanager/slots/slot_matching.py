"""Which subtask runs in which slot. Pure.

Subtask i of every vertex of a slot sharing group goes to the group's slot i, so a group needs as many slots as its
widest vertex; an enumerator (one subtask) shares the first slot with its readers' first subtask. Groups never
share a slot. A worker process is one slot; the workers of a group are spread over the TaskManagers.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weir.graph.physical import PhysicalPlan
from weir.ids import SubtaskId, TaskManagerId, WorkerId


@dataclass(frozen=True)
class Candidate:
    """A worker that is ready, and the TaskManager it belongs to."""

    worker: WorkerId
    task_manager: TaskManagerId


def spread(candidates: Sequence[Candidate], count: int) -> list[WorkerId]:
    """``count`` of the candidates, from as many TaskManagers as possible, in rounds; stable for equal input.

    Raises ``ValueError`` if there are fewer.
    """
    if len(candidates) < count:
        raise ValueError(f"{count} workers are asked for, {len(candidates)} are free")
    queues: dict[TaskManagerId, deque[WorkerId]] = defaultdict(deque)
    for candidate in sorted(candidates, key=lambda c: (c.task_manager, c.worker)):
        queues[candidate.task_manager].append(candidate.worker)
    chosen: list[WorkerId] = []
    while len(chosen) < count:
        # The fullest first: what is left over for other jobs stays even.
        for queue in sorted(queues.values(), key=len, reverse=True):
            if queue and len(chosen) < count:
                chosen.append(queue.popleft())
    return chosen


def match(plan: PhysicalPlan, workers: Sequence[WorkerId]) -> Mapping[SubtaskId, WorkerId]:
    """Every subtask's worker; ``workers`` are as many as ``graph.slots_required`` says, all distinct."""
    ranges = slot_ranges(plan)
    needed = sum(map(len, ranges.values()))
    if len(set(workers)) != len(workers) or len(workers) != needed:
        raise ValueError(f"the plan needs {needed} distinct workers, got {len(workers)}")
    return {
        SubtaskId(vertex.id, index): workers[ranges[vertex.slot_group][index]]
        for vertex in plan.vertices
        for index in range(vertex.parallelism)
    }


def slot_ranges(plan: PhysicalPlan) -> dict[str, range]:
    """Positions of each group's slots, in the order in which the groups appear in the plan."""
    widths: dict[str, int] = {}
    for vertex in plan.vertices:
        widths[vertex.slot_group] = max(widths.get(vertex.slot_group, 0), vertex.parallelism)
    ranges: dict[str, range] = {}
    start = 0
    for group, width in widths.items():
        ranges[group] = range(start, start + width)
        start += width
    return ranges
