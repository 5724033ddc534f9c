"""The parts of a job that fail and restart on their own. Pure.

A region is what is connected: by an edge of the plan, or by a worker process that subtasks share. So whatever a
failure may have touched lies in its region. Slot sharing groups decide about workers: a job whose parts have
nothing to do with each other has several regions only if each part has groups of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from weir.graph.physical import PhysicalPlan
from weir.ids import SubtaskId
from weir.jobmanager.slots.slot_matching import slot_ranges


@dataclass(frozen=True)
class Region:
    """Subtasks, and the positions of their workers among all workers of an attempt."""

    subtasks: frozenset[SubtaskId]
    slots: tuple[int, ...]


def regions_of(plan: PhysicalPlan) -> tuple[Region, ...]:
    """All regions, in the order of their first slots; together they hold every subtask and every slot once."""
    ranges = slot_ranges(plan)
    groups = {vertex.id: vertex.slot_group for vertex in plan.vertices}
    together = {group: {group} for group in ranges}
    for edge in plan.edges:
        merged = together[groups[edge.source]] | together[groups[edge.target]]
        for group in merged:
            together[group] = merged
    regions = []
    for group in ranges:
        members = together[group]
        if group != next(other for other in ranges if other in members):
            continue
        subtasks = frozenset(
            SubtaskId(vertex.id, index)
            for vertex in plan.vertices
            if vertex.slot_group in members
            for index in range(vertex.parallelism)
        )
        slots = tuple(slot for other in ranges if other in members for slot in ranges[other])
        regions.append(Region(subtasks, slots))
    return tuple(regions)
