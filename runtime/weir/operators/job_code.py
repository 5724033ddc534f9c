"""A loaded job: its logical graph beside the user code that the graph's nodes and edges stand for.

Made by ``weir.api`` when ``build`` runs; read by the planner (the graph only) and by workers (the rest).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from weir.config import OnError
from weir.connectors.source import Source
from weir.graph.logical import LogicalGraph
from weir.operators.base import Operator


@dataclass(frozen=True)
class EdgeCode:
    """User functions of an edge."""

    #: Computes the key on hash-partitioned (and custom-partitioned) edges.
    key_selector: Callable[[Any], Any] | None = None
    #: ``partitioner(key, number of channels) -> channel`` on custom-partitioned edges.
    partitioner: Callable[[Any, int], int] | None = None
    #: The columns of the key where batches of columns are partitioned.
    key_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobCode:
    """Everything that ``build`` recorded."""

    graph: LogicalGraph
    #: By node id: makes a fresh operator for one subtask (for sources: the reader side).
    factories: dict[int, Callable[[], Operator]] = field(default_factory=dict)
    #: By node id.
    sources: dict[int, Source[Any, Any]] = field(default_factory=dict)
    #: By node id, where the operator has a policy of its own.
    on_error: dict[int, OnError] = field(default_factory=dict)
    #: By edge id.
    edges: dict[int, EdgeCode] = field(default_factory=dict)
