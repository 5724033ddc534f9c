"""What makes a job graph impossible. Each check names the operators, both values and the remedy.

``plan`` calls :func:`validate` before it makes anything.
"""

from __future__ import annotations

from weir.config import CheckpointOptions
from weir.errors import GraphError
from weir.graph.logical import LogicalGraph, LogicalNode, NodeKind, Partitioning
from weir.graph.resolved import ResolvedGraph, ResolvedNode, described, placed

_KEEPS_KEYS = (Partitioning.HASH, Partitioning.BROADCAST)
MAX_PARALLELISM_LIMIT = 32768


def validate(graph: ResolvedGraph, *, auto_uids: bool) -> None:
    """Raises ``GraphError`` for the first thing that makes the job impossible."""
    if not graph.nodes:
        raise GraphError("the job has no operators; begin with env.from_source(...)")
    if not any(item.node.kind is NodeKind.SOURCE for item in graph.nodes.values()):
        names = ", ".join(described(item.node) for item in graph.nodes.values())
        raise GraphError(f"the job has no source, only {names}; begin with env.from_source(...)")
    _check_uids(graph, auto_uids=auto_uids)
    for item in graph.nodes.values():
        _check_ends(item)
        _check_parallelism(item)
        _check_inputs(item, graph)


def _check_uids(graph: ResolvedGraph, *, auto_uids: bool) -> None:
    seen: dict[str, LogicalNode] = {}
    missing: list[LogicalNode] = []
    for item in graph.nodes.values():
        node = item.node
        if node.uid is None:
            missing.append(node)
        elif node.uid in seen:
            first = seen[node.uid]
            raise placed(
                node,
                f"operators {_short(first)} and {_short(node)} have the same uid '{node.uid}'; give each "
                "operator a uid of its own",
            )
        else:
            seen[node.uid] = node
    if missing and not auto_uids:
        names = ", ".join(described(node) for node in missing)
        raise placed(
            missing[0],
            f"pipeline.auto-generate-uids is false, but these operators have no uid: {names}; add .uid(...) to each",
        )


def _short(node: LogicalNode) -> str:
    return f"'{node.name}' ({node.location})" if node.location else f"'{node.name}'"


def _check_ends(item: ResolvedNode) -> None:
    node = item.node
    if node.kind is NodeKind.SOURCE and item.inputs:
        raise placed(node, f"source {described(node)} has an input; a source has none")
    if node.kind is NodeKind.SINK and item.outputs:
        raise placed(node, f"sink {described(node)} has an output; a sink has none")
    if node.kind is not NodeKind.SOURCE:
        indexes = {edge.input_index for edge in item.inputs}
        if not indexes:
            raise placed(node, f"operator {described(node)} has no input; connect it to a source")
        if indexes - {0, 1} or 0 not in indexes:
            raise placed(
                node, f"operator {described(node)} has inputs {sorted(indexes)}, expected 0, or 0 and 1"
            )


def _check_parallelism(item: ResolvedNode) -> None:
    node = item.node
    if item.parallelism < 1:
        raise placed(node, f"operator {described(node)} has parallelism {item.parallelism}; use 1 or more")
    if not 1 <= item.max_parallelism <= MAX_PARALLELISM_LIMIT:
        raise placed(
            node,
            f"operator {described(node)} has max parallelism {item.max_parallelism}; use 1 to {MAX_PARALLELISM_LIMIT}",
        )
    if item.parallelism > item.max_parallelism:
        raise placed(
            node,
            f"operator {described(node)} has parallelism {item.parallelism}, but its max parallelism is "
            f"{item.max_parallelism}; lower the parallelism, or raise the max parallelism (which needs a start "
            "without the old state)",
        )


def _check_inputs(item: ResolvedNode, graph: ResolvedGraph) -> None:
    for edge in item.inputs:
        source = graph.nodes[edge.source]
        partitioning = graph.partitioning[edge.id]
        if partitioning is Partitioning.FORWARD and source.parallelism != item.parallelism:
            raise placed(
                item.node,
                f"forward from {described(source.node)} (parallelism {source.parallelism}) to "
                f"{described(item.node)} (parallelism {item.parallelism}) needs the same parallelism on both sides; "
                "set it so, or use rebalance() or rescale()",
            )
        if item.node.keyed and partitioning not in _KEEPS_KEYS:
            raise placed(
                item.node,
                f"operator {described(item.node)} keeps state by key, but its input from {described(source.node)} "
                f"is partitioned by {partitioning}; put key_by(...) directly before it",
            )


def check_guarantees(graph: LogicalGraph, checkpoints: CheckpointOptions) -> None:
    """Raises ``GraphError`` if a source cannot go back to a position, but exactly-once checkpoints are on."""
    if not (checkpoints.enabled and checkpoints.exactly_once):
        return
    for node in graph.nodes:
        if node.kind is NodeKind.SOURCE and not node.replayable:
            raise placed(
                node,
                f"source {described(node)} cannot be read again from a position, so the job cannot be EXACTLY_ONCE; "
                "use another source, or set execution.checkpointing.mode to AT_LEAST_ONCE",
            )
