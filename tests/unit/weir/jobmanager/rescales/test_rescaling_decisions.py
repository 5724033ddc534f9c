"""Which plans can be rescaled, and which TaskManagers a job that shrinks stays on."""

from __future__ import annotations

import pytest

from weir.graph.logical import LogicalEdge, LogicalGraph, LogicalNode, NodeKind
from weir.graph.physical import PhysicalPlan
from weir.graph.plan import make_plan
from weir.jobmanager.rescales.rescaling import refusal, stays_on


def plan(own: int | None = None, max_parallelism: int = 128, at: int = 2) -> PhysicalPlan:
    nodes = (
        LogicalNode(id=1, kind=NodeKind.SOURCE, name="numbers", type="source", uid="numbers"),
        LogicalNode(id=2, kind=NodeKind.SINK, name="out", type="sink", parallelism=own),
    )
    graph = LogicalGraph(name="job", nodes=nodes, edges=(LogicalEdge(id=0, source=1, target=2),))
    return make_plan(graph, at, max_parallelism)


def test_up_to_the_max_parallelism_everything_goes() -> None:
    assert refusal("job", plan(), at=2, wanted=1) is None
    assert refusal("job", plan(), at=2, wanted=128) is None


def test_above_it_both_values_are_named() -> None:
    message = refusal("job", plan(max_parallelism=8), at=2, wanted=9)
    assert message is not None
    assert "cannot have parallelism 9: uid 'numbers' has max parallelism 8" in message


def test_a_parallelism_of_its_own_is_named() -> None:
    message = refusal("job", plan(own=1), at=2, wanted=4)
    assert message is not None
    assert "cannot be rescaled to 4 in place: of its own, 'out' (id " in message
    assert "has parallelism 1" in message


@pytest.mark.parametrize(
    ("held", "needed", "kept"),
    [
        ({"a": 4, "b": 4}, 4, {"a"}),
        ({"a": 2, "b": 3, "c": 2}, 2, {"a"}),
        ({"a": 2, "b": 3, "c": 2}, 3, {"b"}),
        ({"a": 2, "b": 3, "c": 2}, 5, {"a", "b"}),
        ({"a": 1, "b": 1}, 2, {"a", "b"}),
        ({"a": 1}, 5, {"a"}),
        ({}, 1, set()),
    ],
)
def test_as_few_task_managers_as_possible_are_kept(held: dict, needed: int, kept: set[str]) -> None:
    assert stays_on(held, needed) == kept
