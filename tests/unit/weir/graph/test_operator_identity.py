"""Operator ids and the plan digest: what changes them, and what must not."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.graphs import graph, line, node
from weir.graph.difference import first_difference
from weir.graph.logical import Chaining
from weir.graph.plan import make_plan
from weir.ids import operator_id_of_uid


def ids(g, parallelism=2, **settings):
    plan = make_plan(g, parallelism, 128, **settings)
    return {op.node: op.operator_id for v in plan.vertices for op in v.operators if op.type != "enumerator"}


BASE = [node(1, "source"), node(2), node(3, "reduce", keyed=True), node(4, "sink")]
EDGES = ((1, 2), (2, 3, "hash"), (3, 4))


def test_a_uid_decides_the_id_alone():
    assert ids(graph([node(1, "source", uid="in"), node(2, uid="b")], (1, 2)))[2] == operator_id_of_uid("b")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"parallelism": 7},
        {"chaining": Chaining.NEVER},
        {"slot_group": "g"},
        {"code_hash": "other"},
    ],
)
def test_ids_do_not_depend_on_names_parallelism_chaining_slots_or_code(change):
    changed = [msgspec.structs.replace(BASE[0]), *(msgspec.structs.replace(n, **change) for n in BASE[1:])]
    assert ids(graph(changed, *EDGES)) == ids(graph(BASE, *EDGES))


def test_ids_do_not_depend_on_an_unrelated_branch():
    more = [*BASE, node(5, "source", uid="second"), node(6, "filter"), node(7, "sink")]
    found = ids(graph(more, *EDGES, (5, 6), (6, 7)))
    assert {n: found[n] for n in range(1, 5)} == ids(graph(BASE, *EDGES))


def test_an_operator_put_before_changes_the_ids_after_it_but_not_those_of_uids():
    with_uid = [*BASE[:2], node(3, "reduce", keyed=True, uid="sum"), BASE[3]]
    inserted = [
        node(1, "source"),
        node(2),
        node(3, "reduce", keyed=True, uid="sum"),
        node(4, "sink"),
        node(5, "filter"),
    ]
    before = ids(graph(with_uid, *EDGES))
    after = ids(graph(inserted, (1, 5), (5, 2), (2, 3, "hash"), (3, 4)))
    assert after[1] == before[1]
    assert after[2] != before[2]
    assert after[3] == before[3]
    assert after[4] == before[4]


def test_equal_places_are_told_apart():
    twins = graph([node(1, "source"), node(2), node(3)], (1, 2), (1, 3))
    assert len(set(ids(twins).values())) == 3


def test_the_enumerator_has_an_id_of_its_own():
    plan = make_plan(line("source"), 1, 128)
    assert len({v.id for v in plan.vertices}) == 2


def test_equal_graphs_have_equal_digests_whatever_the_name_and_place_of_the_job():
    a = graph(BASE, *EDGES, name="a")
    b = graph([msgspec.structs.replace(n, location="elsewhere.py:1") for n in BASE], *EDGES, name="b")
    assert make_plan(a, 2, 128).digest == make_plan(b, 2, 128).digest
    assert first_difference(make_plan(a, 2, 128), make_plan(b, 2, 128)) == ""


@pytest.mark.parametrize(
    ("changed", "edges", "said"),
    [
        (
            {"code_hash": "new"},
            EDGES,
            "operator 'map-2' differs in its function's code or settings: expected , found new",
        ),
        ({"uid": "u"}, EDGES, "operator 'map-2' differs in uid: expected None, found u"),
        ({"name": "other"}, EDGES, "operator 2 differs: expected 'map-2' (map), found 'other' (map)"),
        (
            {"chaining": Chaining.HEAD},
            EDGES,
            "a chain has different operators: expected 'map-2', found nothing more",
        ),
        (
            {},
            ((1, 2), (2, 3, "hash"), (3, 4, "shuffle")),
            "a chain has different operators: expected 'sink-4'",
        ),
        ({}, ((1, 2), (2, 3, "broadcast"), (3, 4)), "an edge differs: expected edge 1"),
    ],
)
def test_the_first_difference_of_two_plans_is_named_with_both_values(changed, edges, said):
    nodes = [BASE[0], msgspec.structs.replace(BASE[1], **changed), *BASE[2:]]
    expected, found = make_plan(graph(BASE, *EDGES), 2, 128), make_plan(graph(nodes, *edges), 2, 128)
    assert expected.digest != found.digest
    assert first_difference(expected, found).startswith(said)


def test_another_parallelism_is_a_difference():
    a, b = make_plan(graph(BASE, *EDGES), 2, 128), make_plan(graph(BASE, *EDGES), 3, 128)
    assert "another parallelism: expected 2, found 3" in first_difference(a, b)


def test_a_missing_vertex_is_a_difference():
    a = make_plan(graph(BASE, *EDGES), 2, 128)
    b = make_plan(graph([*BASE, node(5, "source")], *EDGES), 2, 128)
    assert (
        first_difference(a, b)
        == "the plans have different vertices: expected nothing more, found 'source-5 (enumerator)'"
    )
