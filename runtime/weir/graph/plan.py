"""From the job as written to the plan that is deployed. Pure: the same graph gives the same plan in every process.

``resolved`` fills in what operators inherit, ``validation`` refuses what cannot run, ``identity`` gives operator ids,
``chaining`` groups operators into tasks; here vertices and edges are made of that. The JobManager schedules the
plan; each worker makes it again from its own ``build`` and compares digests (``difference`` says what differs).
"""

from __future__ import annotations

import hashlib

import msgspec

from weir.config import PipelineOptions
from weir.graph.chaining import chained_input, chains
from weir.graph.identity import enumerator_id, operator_ids
from weir.graph.logical import LogicalGraph, NodeKind, Partitioning
from weir.graph.physical import (
    ChainedOperator,
    EdgeKind,
    PhysicalEdge,
    PhysicalPlan,
    PhysicalVertex,
    VertexKind,
)
from weir.graph.resolved import ResolvedGraph, resolve
from weir.graph.validation import validate
from weir.ids import OperatorId, VertexId


def make_plan(
    graph: LogicalGraph,
    parallelism: int,
    max_parallelism: int,
    chaining_enabled: bool = True,
    auto_uids: bool = True,
) -> PhysicalPlan:
    """The physical plan of ``graph`` at the job's ``parallelism`` (operators may have their own).

    Raises ``GraphError`` for a job that cannot run.
    """
    resolved = resolve(graph, parallelism, max_parallelism)
    validate(resolved, auto_uids=auto_uids)
    return _Planner(graph.name, resolved, chaining_enabled).plan()


def plan_with(graph: LogicalGraph, options: PipelineOptions) -> PhysicalPlan:
    """``make_plan`` with the pipeline options of the merged settings."""
    return make_plan(graph, options.parallelism, options.max_parallelism, options.chaining, options.auto_uids)


def slots_required(plan: PhysicalPlan) -> int:
    """Slots that the plan needs: the highest parallelism of each slot group, summed.

    Subtasks of a group share slots; enumerators live in the first slot of their readers' group.
    """
    widest: dict[str, int] = {}
    for vertex in plan.vertices:
        widest[vertex.slot_group] = max(widest.get(vertex.slot_group, 0), vertex.parallelism)
    return sum(widest.values())


class _Planner:
    """Makes vertices and edges from a resolved, valid graph."""

    def __init__(self, job_name: str, graph: ResolvedGraph, chaining: bool) -> None:
        self._job_name = job_name
        self._graph = graph
        self._chaining = chaining
        self._ids = operator_ids(graph)
        self._chains = chains(graph, enabled=chaining)
        #: By node id: the head of its chain, and its position in it.
        self._place = {
            node_id: (head, position)
            for head, chain in self._chains.items()
            for position, node_id in enumerate(chain)
        }

    def plan(self) -> PhysicalPlan:
        vertices: list[PhysicalVertex] = []
        edges: list[PhysicalEdge] = []
        for head, chain in self._chains.items():
            if self._graph.nodes[head].node.kind is NodeKind.SOURCE:
                vertices.append(self._enumerator(head))
                edges.append(self._splits_edge(head))
            vertices.append(self._vertex(head, chain))
            edges.extend(self._edges_into(head))
        digest = _digest(vertices, edges)
        return PhysicalPlan(
            job_name=self._job_name, vertices=tuple(vertices), edges=tuple(edges), digest=digest
        )

    def _vertex_id(self, head: int) -> VertexId:
        return VertexId(self._ids[head])

    def _vertex(self, head: int, chain: list[int]) -> PhysicalVertex:
        item = self._graph.nodes[head]
        is_source = item.node.kind is NodeKind.SOURCE
        return PhysicalVertex(
            id=self._vertex_id(head),
            kind=VertexKind.READER if is_source else VertexKind.TASK,
            name=" -> ".join(self._graph.nodes[node_id].node.name for node_id in chain),
            operators=tuple(self._operator(node_id) for node_id in chain),
            parallelism=item.parallelism,
            max_parallelism=item.max_parallelism,
            slot_group=item.slot_group,
        )

    def _operator(self, node_id: int) -> ChainedOperator:
        item = self._graph.nodes[node_id]
        edge = chained_input(item, self._graph, enabled=self._chaining)
        return ChainedOperator(
            node=node_id,
            operator_id=self._ids[node_id],
            name=item.node.name,
            uid=item.node.uid,
            upstream=None if edge is None else self._place[edge.source][1],
            side_tag=None if edge is None else edge.side_tag,
            type=item.node.type,
            code_hash=item.node.code_hash,
        )

    def _enumerator_id(self, head: int) -> OperatorId:
        return enumerator_id(self._ids[head])

    def _enumerator(self, head: int) -> PhysicalVertex:
        """The vertex that hands out a source's splits: one subtask, in its readers' slot group."""
        item = self._graph.nodes[head]
        name = f"{item.node.name} (enumerator)"
        operator = ChainedOperator(
            node=head,
            operator_id=self._enumerator_id(head),
            name=name,
            uid=None if item.node.uid is None else f"{item.node.uid} (enumerator)",
            type="enumerator",
        )
        return PhysicalVertex(
            id=VertexId(operator.operator_id),
            kind=VertexKind.ENUMERATOR,
            name=name,
            operators=(operator,),
            parallelism=1,
            max_parallelism=item.max_parallelism,
            slot_group=item.slot_group,
        )

    def _splits_edge(self, head: int) -> PhysicalEdge:
        return PhysicalEdge(
            id=-head,
            kind=EdgeKind.SPLITS,
            source=VertexId(self._enumerator_id(head)),
            source_operator=0,
            side_tag=None,
            target=self._vertex_id(head),
            input_index=0,
            partitioning=Partitioning.CUSTOM,
        )

    def _edges_into(self, head: int) -> list[PhysicalEdge]:
        """Only heads have edges from other vertices: whatever is chained has its one input within the chain."""
        made = []
        for edge in self._graph.nodes[head].inputs:
            source_head, position = self._place[edge.source]
            made.append(
                PhysicalEdge(
                    id=edge.id,
                    kind=EdgeKind.DATA,
                    source=self._vertex_id(source_head),
                    source_operator=position,
                    side_tag=edge.side_tag,
                    target=self._vertex_id(head),
                    input_index=edge.input_index,
                    partitioning=self._graph.partitioning[edge.id],
                )
            )
        return made


def _digest(vertices: list[PhysicalVertex], edges: list[PhysicalEdge]) -> str:
    return hashlib.sha256(msgspec.msgpack.encode((vertices, edges), order="deterministic")).hexdigest()
