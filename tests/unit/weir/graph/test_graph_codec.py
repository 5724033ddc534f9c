"""Graphs, plans and the loading child's conversation as bytes."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.graphs import graph, node
from weir.errors import GraphError
from weir.graph import codec
from weir.graph.plan import make_plan
from weir.rpc.messages import JobSpec

GRAPH = graph(
    [node(1, "source", uid="in"), node(2, "reduce", keyed=True)],
    (1, 2, "hash", 0, "late"),
    settings={"a": "b"},
)


def test_a_graph_and_a_plan_survive_bytes_and_json():
    plan = make_plan(GRAPH, 2, 128)
    assert codec.decode_graph(codec.encode_graph(GRAPH)) == GRAPH
    assert codec.graph_from_json(codec.to_json(GRAPH)) == GRAPH
    assert codec.decode_plan(codec.encode_plan(plan)) == plan
    assert codec.plan_from_json(codec.to_json(plan)) == plan


@pytest.mark.parametrize("decode", [codec.decode_graph, codec.decode_plan, codec.decode_load_request])
@pytest.mark.parametrize(
    "damaged", [b"", b"\xc1", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode({"name": 1})]
)
def test_damaged_bytes_are_refused_with_a_clear_error(decode, damaged):
    with pytest.raises(GraphError, match=f"{len(damaged)} bytes are no"):
        decode(damaged)


def test_damaged_json_is_refused_with_a_clear_error():
    with pytest.raises(GraphError, match="not the JSON of a LogicalGraph"):
        codec.graph_from_json("{")
    with pytest.raises(GraphError, match="not the JSON of a PhysicalPlan"):
        codec.plan_from_json("{}")


def test_a_job_specification_is_a_request_to_load():
    spec = JobSpec(
        name="x", entrypoint="m:build", args=("a",), overrides={"parallelism.default": "3"}, parallelism=2
    )
    request = codec.decode_load_request(msgspec.msgpack.encode(spec))
    assert (request.name, request.entrypoint, request.args, request.parallelism) == (
        "x",
        "m:build",
        ("a",),
        2,
    )
    assert request.overrides == {"parallelism.default": "3"}
    assert codec.decode_load_request(codec.encode_load_request(request)) == request


@pytest.mark.parametrize(
    "answer", [codec.LoadedGraph(graph=GRAPH), codec.LoadFailed(message="m", traceback="t")]
)
def test_an_answer_is_read_only_when_it_is_whole(answer):
    frame = codec.frame_load_answer(answer)
    assert codec.parse_load_answer(frame) == answer
    for cut in range(len(frame)):
        assert codec.parse_load_answer(frame[:cut]) is None
    assert codec.parse_load_answer(frame + b"x") is None
    assert codec.parse_load_answer(frame[:8] + b"\xc1" * (len(frame) - 8)) is None
