"""From a logical graph to vertices and edges, and which graphs are refused with which words."""

from __future__ import annotations

import pytest

from tests.support.graphs import graph, line, node
from weir.config import CheckpointingMode, CheckpointOptions, PipelineOptions
from weir.errors import GraphError
from weir.graph.logical import Chaining, Partitioning
from weir.graph.physical import EdgeKind, VertexKind
from weir.graph.plan import make_plan, plan_with, slots_required
from weir.graph.validation import check_guarantees


def chains_of(plan):
    return [[op.node for op in v.operators] for v in plan.vertices if v.kind is not VertexKind.ENUMERATOR]


def test_a_line_of_operators_becomes_an_enumerator_and_one_chain():
    plan = make_plan(line("source", "map", "sink"), 2, 128)
    enumerator, reader = plan.vertices
    assert (enumerator.kind, enumerator.parallelism) == (VertexKind.ENUMERATOR, 1)
    assert (reader.kind, reader.parallelism, reader.max_parallelism) == (VertexKind.READER, 2, 128)
    assert reader.name == "source-1 -> map-2 -> sink-3"
    assert [operator.upstream for operator in reader.operators] == [None, 0, 1]
    (splits,) = plan.edges
    assert (splits.kind, splits.id, splits.source, splits.target) == (
        EdgeKind.SPLITS,
        -1,
        enumerator.id,
        reader.id,
    )


def test_a_vertex_has_the_operator_id_of_its_head():
    plan = make_plan(line("source", "map"), 1, 128)
    assert all(vertex.id == vertex.operators[0].operator_id for vertex in plan.vertices)


def test_a_hash_edge_begins_a_new_vertex_and_names_the_operator_that_feeds_it():
    g = graph([node(1, "source"), node(2), node(3, "reduce", keyed=True)], (1, 2), (2, 3, "hash"))
    plan = make_plan(g, 2, 128)
    assert chains_of(plan) == [[1, 2], [3]]
    edge = plan.edges[1]
    assert (edge.id, edge.partitioning, edge.source_operator) == (1, Partitioning.HASH, 1)


def test_an_edge_without_a_wish_is_forward_at_equal_parallelism_and_rebalance_otherwise():
    g = graph([node(1, "source"), node(2, chaining=Chaining.HEAD), node(3, parallelism=5)], (1, 2), (2, 3))
    edges = make_plan(g, 2, 128).edges
    assert [edge.partitioning for edge in edges if edge.kind is EdgeKind.DATA] == [
        Partitioning.FORWARD,
        Partitioning.REBALANCE,
    ]


def test_one_operator_may_feed_several_chained_ones():
    g = graph([node(1, "source"), node(2), node(3), node(4, "sink")], (1, 2), (1, 3), (3, 4))
    (reader,) = [v for v in make_plan(g, 1, 128).vertices if v.kind is VertexKind.READER]
    assert [(op.node, op.upstream) for op in reader.operators] == [(1, None), (2, 0), (3, 0), (4, 2)]


@pytest.mark.parametrize(
    ("settings", "chained"),
    [
        ({}, True),
        ({"chaining": Chaining.HEAD}, False),
        ({"chaining": Chaining.NEVER}, False),
        ({"parallelism": 3}, False),
        ({"slot_group": "other"}, False),
        ({"max_parallelism": 64}, False),
        ({"max_parallelism": 128}, True),
    ],
)
def test_what_keeps_an_operator_from_joining_its_inputs_chain(settings, chained):
    g = graph([node(1, "source"), node(2, **settings)], (1, 2))
    assert chains_of(make_plan(g, 2, 128)) == ([[1, 2]] if chained else [[1], [2]])


def test_start_new_chain_still_lets_the_next_operator_join_and_disable_chaining_does_not():
    for chaining, chains in ((Chaining.HEAD, [[1], [2, 3]]), (Chaining.NEVER, [[1], [2], [3]])):
        g = graph([node(1, "source"), node(2, chaining=chaining), node(3)], (1, 2), (2, 3))
        assert chains_of(make_plan(g, 1, 128)) == chains


def test_two_inputs_are_never_chained_even_from_one_operator():
    g = graph([node(1, "source"), node(2)], (1, 2), (1, 2, None, 0, "late"))
    plan = make_plan(g, 1, 128)
    assert chains_of(plan) == [[1], [2]]
    assert [edge.side_tag for edge in plan.edges if edge.kind is EdgeKind.DATA] == [None, "late"]


def test_a_side_output_may_be_read_inside_a_chain():
    g = graph([node(1, "source"), node(2, "process"), node(3, "sink")], (1, 2), (2, 3, None, 0, "late"))
    reader = make_plan(g, 1, 128).vertices[1]
    assert reader.operators[2].side_tag == "late"


def test_chaining_can_be_switched_off():
    assert chains_of(make_plan(line("source", "map", "sink"), 1, 128, chaining_enabled=False)) == [
        [1],
        [2],
        [3],
    ]


def test_vertices_come_after_all_that_feed_them():
    g = graph(
        [node(1, "source"), node(2, "source"), node(3, "co-map"), node(4, "reduce", keyed=True)],
        (1, 3, "rebalance"),
        (2, 3, "rebalance", 1),
        (3, 4, "hash"),
    )
    plan = make_plan(g, 2, 128)
    place = {vertex.id: position for position, vertex in enumerate(plan.vertices)}
    assert all(place[edge.source] < place[edge.target] for edge in plan.edges)


def test_slot_groups_are_inherited_from_inputs_that_agree():
    g = graph(
        [node(1, "source", slot_group="a"), node(2), node(3, "source", slot_group="b"), node(4, "co-map")],
        (1, 2),
        (2, 4, "rebalance"),
        (3, 4, "rebalance", 1),
    )
    groups = {v.operators[0].node: v.slot_group for v in make_plan(g, 1, 128).vertices}
    assert groups == {1: "a", 3: "b", 4: "default"}


def test_slots_are_the_widest_vertex_of_each_group_and_enumerators_cost_none():
    g = graph(
        [
            node(1, "source", parallelism=2),
            node(2, parallelism=3),
            node(3, parallelism=4, slot_group="heavy"),
        ],
        (1, 2),
        (2, 3),
    )
    assert slots_required(make_plan(g, 1, 128)) == 3 + 4


def test_plan_with_takes_the_jobs_numbers_from_its_options():
    plan = plan_with(line("source", "map"), PipelineOptions(parallelism=3, max_parallelism=7, chaining=False))
    assert [(v.parallelism, v.max_parallelism) for v in plan.vertices[1:]] == [(3, 7), (3, 7)]


REFUSED = {
    "nothing": (graph([]), "the job has no operators"),
    "no source": (line("map"), "the job has no source, only 'map-1'; begin with env.from_source(...)"),
    "no input": (
        graph([node(1, "source"), node(2)]),
        "operator 'map-2' has no input; connect it to a source",
    ),
    "only a second input": (
        graph([node(1, "source"), node(2, "co-map")], (1, 2, "rebalance", 1)),
        r"'co-map-2' has inputs \[1\]",
    ),
    "an edge to nowhere": (
        graph([node(1, "source")], (1, 9)),
        "edge 0 joins operators 1 and 9, but 9 is none",
    ),
    "a cycle": (
        graph([node(1, "source"), node(2, "co-map"), node(3)], (1, 2), (2, 3), (3, 2, None, 1)),
        "cycle through 'co-map-2', 'map-3'",
    ),
    "a sink that feeds": (
        graph([node(1, "source"), node(2, "sink"), node(3)], (1, 2), (2, 3)),
        "sink 'sink-2' has an output",
    ),
    "a fed source": (graph([node(1, "source"), node(2, "source")], (1, 2)), "source 'source-2' has an input"),
    "parallelism above the maximum": (
        graph([node(1, "source", uid="in", parallelism=200)]),
        r"'source-1' \(uid 'in'\) has parallelism 200, but its max parallelism is 128; lower the parallelism, or raise",
    ),
    "parallelism zero": (graph([node(1, "source", parallelism=0)]), "has parallelism 0; use 1 or more"),
    "an impossible maximum": (
        graph([node(1, "source", max_parallelism=40000)]),
        "max parallelism 40000; use 1 to 32768",
    ),
    "forward between different parallelism": (
        graph([node(1, "source"), node(2, parallelism=3)], (1, 2, "forward")),
        r"forward from 'source-1' \(parallelism 2\) to 'map-2' \(parallelism 3\) needs the same parallelism",
    ),
    "keyed state without a key": (
        graph([node(1, "source"), node(2, "reduce", keyed=True)], (1, 2, "rebalance")),
        "'reduce-2' keeps state by key, but its input from 'source-1' is partitioned by rebalance",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_graph_is_refused(case):
    impossible, message = REFUSED[case]
    with pytest.raises(GraphError, match=message):
        make_plan(impossible, 2, 128)


def test_a_keyed_operator_may_have_a_broadcast_beside_its_key():
    g = graph(
        [node(1, "source"), node(2, "source"), node(3, "keyed-broadcast-process", keyed=True)],
        (1, 3, "hash"),
        (2, 3, "broadcast", 1),
    )
    assert len(make_plan(g, 2, 128).vertices) == 5


def test_a_uid_given_twice_names_both_operators_and_where_they_were_written():
    g = graph(
        [
            node(1, "source", uid="x", name="in", location="job.py:3"),
            node(2, uid="x", name="parse", location="job.py:7"),
        ],
        (1, 2),
    )
    with pytest.raises(GraphError) as caught:
        make_plan(g, 1, 128)
    assert str(caught.value) == (
        "job.py:7: operators 'in' (job.py:3) and 'parse' (job.py:7) have the same uid 'x'; give each operator a uid of "
        "its own"
    )


def test_without_automatic_ids_every_operator_that_lacks_a_uid_is_listed():
    g = graph([node(1, "source", uid="in"), node(2), node(3, "sink")], (1, 2), (2, 3))
    with pytest.raises(GraphError, match=r"no uid: 'map-2', 'sink-3'; add .uid"):
        make_plan(g, 1, 128, auto_uids=False)


def test_a_source_that_cannot_replay_is_refused_only_under_exactly_once():
    g = graph([node(1, "source", replayable=False)])
    with pytest.raises(GraphError, match=r"'source-1' cannot be read again .* AT_LEAST_ONCE"):
        check_guarantees(g, CheckpointOptions(interval=1.0))
    check_guarantees(g, CheckpointOptions(interval=1.0, mode=CheckpointingMode.AT_LEAST_ONCE))
    check_guarantees(g, CheckpointOptions(interval=None))
    check_guarantees(graph([node(1, "source")]), CheckpointOptions(interval=1.0))
