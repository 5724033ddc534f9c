"""A harness for an operator that is written with the API, such as a window: what ``build`` records is what is tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weir.api.environment import StreamExecutionEnvironment
from weir.api.stream import DataStream
from weir.errors import GraphError
from weir.graph.logical import NodeKind, Partitioning
from weir.operators.job_code import EdgeCode
from weir.testing.drive import Harness
from weir.testing.manual_clock import ManualClock
from weir.testing.subject import Input, Settings, Subject


def stream_harness(
    build: Callable[[DataStream[Any]], DataStream[Any]],
    *,
    parallelism: int = 1,
    max_parallelism: int = 128,
    clock: ManualClock | None = None,
) -> Harness[Any, Any]:
    """For one operator in the words of a job: ``stream_harness(lambda s: s.key_by(user_of).reduce(add))``.

    State is not watched (``keyed_harness`` does). Raises ``GraphError`` when ``build`` makes more than one operator.
    """
    env = StreamExecutionEnvironment()
    build(env.from_collection([]))
    code = env.job_code("test")
    operators = [node for node in code.graph.nodes if node.kind is NodeKind.OPERATOR]
    if len(operators) != 1:
        names = ", ".join(node.name for node in operators) or "nothing"
        raise GraphError(
            f"stream_harness() tests one operator, the stream has {names}; use one harness for each"
        )
    (node,) = operators
    (edge,) = (edge for edge in code.graph.edges if edge.target == node.id)
    key = code.edges.get(edge.id, EdgeCode()).key_selector if edge.partitioning is Partitioning.HASH else None
    factory = code.factories[node.id]
    given = Input(key, broadcast=edge.partitioning is Partitioning.BROADCAST)
    subject = Subject(node.name, lambda _: factory(), None, (given,))
    return Harness(subject, Settings(parallelism, max_parallelism, strict=False), clock)
