"""Graphs and plans as bytes, and what the loading child is asked and answers.

``python -m weir.api.planner`` reads a :class:`LoadRequest` (an encoded ``JobSpec`` is one: its other fields are
skipped) and writes one framed :class:`LoadAnswer`. Nothing here is a pickle: the control plane decodes it.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import structs

from weir.errors import FailureKind, GraphError, as_text
from weir.graph.logical import LogicalGraph
from weir.graph.physical import PhysicalPlan

S = TypeVar("S", LogicalGraph, PhysicalPlan)

_LENGTH_BYTES = 8


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What code to load; the fields are ``JobSpec``'s."""

    name: str
    entrypoint: str
    args: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    parallelism: int = 1
    max_parallelism: int = 128
    defaults: dict[str, str] = {}
    overrides: dict[str, str] = {}


class LoadedGraph(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The job's graph, as its code built it."""

    graph: LogicalGraph


class LoadFailed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The job's code cannot be loaded."""

    message: str  #: one line; begins with the user's ``file:line`` where there is one
    traceback: str = ""
    kind: FailureKind = FailureKind.USER

    def __post_init__(self) -> None:
        structs.force_setattr(self, "message", as_text(self.message))
        structs.force_setattr(self, "traceback", as_text(self.traceback))


LoadAnswer = LoadedGraph | LoadFailed


def encode_graph(graph: LogicalGraph) -> bytes:
    """Msgpack; ``decode_graph`` reads it back."""
    return msgspec.msgpack.encode(graph)


def decode_graph(data: bytes) -> LogicalGraph:
    """Raises ``GraphError`` if ``data`` is no graph."""
    return _decode(data, LogicalGraph)


def encode_plan(plan: PhysicalPlan) -> bytes:
    """Msgpack; ``decode_plan`` reads it back."""
    return msgspec.msgpack.encode(plan)


def decode_plan(data: bytes) -> PhysicalPlan:
    """Raises ``GraphError`` if ``data`` is no plan."""
    return _decode(data, PhysicalPlan)


def _decode(data: bytes, kind: type[S]) -> S:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise GraphError(f"{len(data)} bytes are no {kind.__name__}: {error}") from error


def to_json(value: LogicalGraph | PhysicalPlan) -> str:
    """Readable JSON, keys in the order of the fields."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def graph_from_json(text: str | bytes) -> LogicalGraph:
    """Raises ``GraphError`` if ``text`` is no graph."""
    return _from_json(text, LogicalGraph)


def plan_from_json(text: str | bytes) -> PhysicalPlan:
    """Raises ``GraphError`` if ``text`` is no plan."""
    return _from_json(text, PhysicalPlan)


def _from_json(text: str | bytes, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise GraphError(f"not the JSON of a {kind.__name__}: {error}") from error


def encode_load_request(request: LoadRequest) -> bytes:
    """Msgpack; ``decode_load_request`` reads it back."""
    return msgspec.msgpack.encode(request)


def decode_load_request(data: bytes) -> LoadRequest:
    """Raises ``GraphError`` if ``data`` is neither a request nor a job specification."""
    try:
        return msgspec.msgpack.decode(data, type=LoadRequest)
    except msgspec.MsgspecError as error:
        raise GraphError(f"{len(data)} bytes are no request to load a job: {error}") from error


def frame_load_answer(answer: LoadAnswer) -> bytes:
    """The answer with its length before it, so that a child which died while writing is told apart."""
    payload = msgspec.msgpack.encode(answer)
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def parse_load_answer(data: bytes) -> LoadAnswer | None:
    """What the child wrote until it ended; ``None`` if it ended before it had written a whole answer."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "big")
    if len(data) < _LENGTH_BYTES or len(data) != _LENGTH_BYTES + length:
        return None
    try:
        answer: LoadAnswer = msgspec.msgpack.decode(data[_LENGTH_BYTES:], type=LoadAnswer)
    except msgspec.MsgspecError:
        return None
    return answer
