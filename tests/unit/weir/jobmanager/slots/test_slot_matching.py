"""Subtasks, slots and workers."""

from __future__ import annotations

import pytest

from weir.graph.physical import PhysicalPlan, PhysicalVertex, VertexKind
from weir.graph.plan import slots_required
from weir.ids import SubtaskId, TaskManagerId, VertexId, WorkerId
from weir.jobmanager.slots.slot_matching import Candidate, match, spread


def vertex(
    name: str, parallelism: int, group: str = "default", kind: VertexKind = VertexKind.TASK
) -> PhysicalVertex:
    return PhysicalVertex(
        id=VertexId(name),
        kind=kind,
        name=name,
        operators=(),
        parallelism=parallelism,
        max_parallelism=128,
        slot_group=group,
    )


def plan(*vertices: PhysicalVertex) -> PhysicalPlan:
    return PhysicalPlan(job_name="job", vertices=vertices, edges=(), digest="")


def candidates(**per_task_manager: int) -> list[Candidate]:
    return [
        Candidate(WorkerId(f"{name}-{i}"), TaskManagerId(name))
        for name, count in per_task_manager.items()
        for i in range(count)
    ]


def workers(count: int) -> list[WorkerId]:
    return [WorkerId(f"w{i}") for i in range(count)]


def test_subtask_i_of_every_vertex_of_a_group_shares_slot_i() -> None:
    job = plan(vertex("map", 2), vertex("sink", 3))
    placed = match(job, workers(3))
    assert placed[SubtaskId(VertexId("map"), 1)] == placed[SubtaskId(VertexId("sink"), 1)] == "w1"
    assert placed[SubtaskId(VertexId("sink"), 2)] == "w2"
    assert len(placed) == 5


def test_an_enumerator_is_in_the_slot_of_its_readers_first_subtask() -> None:
    job = plan(
        vertex("other", 2, "first"),
        vertex("enumerator", 1, "sources", VertexKind.ENUMERATOR),
        vertex("reader", 2, "sources", VertexKind.READER),
    )
    placed = match(job, workers(4))
    assert placed[SubtaskId(VertexId("enumerator"), 0)] == placed[SubtaskId(VertexId("reader"), 0)] == "w2"


def test_groups_never_share_a_slot() -> None:
    job = plan(vertex("a", 2, "left"), vertex("b", 1, "right"))
    placed = match(job, workers(slots_required(job)))
    left = {placed[SubtaskId(VertexId("a"), i)] for i in range(2)}
    assert placed[SubtaskId(VertexId("b"), 0)] not in left


@pytest.mark.parametrize("given", [workers(1), workers(3), [WorkerId("w0"), WorkerId("w0")]])
def test_other_than_the_required_number_of_distinct_workers_is_refused(given: list[WorkerId]) -> None:
    with pytest.raises(ValueError, match="needs 2 distinct workers"):
        match(plan(vertex("a", 2)), given)


def test_workers_are_spread_over_taskmanagers() -> None:
    chosen = spread(candidates(a=4, b=4), 4)
    assert sorted(worker[0] for worker in chosen) == ["a", "a", "b", "b"]


def test_neighbouring_slots_are_in_different_taskmanagers() -> None:
    assert [worker[0] for worker in spread(candidates(a=2, b=2), 4)] == ["a", "b", "a", "b"]


def test_the_fullest_taskmanager_is_used_first() -> None:
    assert [worker[0] for worker in spread(candidates(a=1, b=3), 1)] == ["b"]


def test_the_choice_does_not_depend_on_the_order_of_the_candidates() -> None:
    free = candidates(a=3, b=2, c=1)
    assert spread(free, 4) == spread(list(reversed(free)), 4)


def test_too_few_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="3 workers are asked for, 2 are free"):
        spread(candidates(a=2), 3)
