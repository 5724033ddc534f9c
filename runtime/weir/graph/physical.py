"""The plan that is deployed: chains of operators as vertices, with parallelism, and edges between them.

Data only, made by ``plan``. Every source has two vertices: its enumerator (one subtask, hands out splits and
is where checkpoints begin) and its readers; the edge between them has kind ``SPLITS``.
"""

from __future__ import annotations

import enum

import msgspec

from weir.graph.logical import Partitioning
from weir.ids import OperatorId, VertexId


class VertexKind(enum.StrEnum):
    """What a vertex's subtasks run."""

    ENUMERATOR = "enumerator"
    READER = "reader"  #: its chain begins with a source operator
    TASK = "task"


class EdgeKind(enum.StrEnum):
    """What flows on an edge."""

    DATA = "data"
    SPLITS = "splits"


class ChainedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of a chain. ``inputs`` says where its rows come from inside the chain."""

    node: int  #: logical node id
    operator_id: OperatorId
    name: str
    uid: str | None
    #: Position in the chain of the operator that feeds it; ``None`` for the head.
    upstream: int | None = None
    #: Side output of the upstream that it reads; ``None`` is the main output.
    side_tag: str | None = None
    type: str = ""  #: the logical node's, e.g. ``keyed-process``; ``enumerator`` for a source's enumerator
    code_hash: str = ""  #: of its user function; part of the digest


class PhysicalVertex(msgspec.Struct, frozen=True, kw_only=True):
    """A chain, run by ``parallelism`` subtasks."""

    id: VertexId
    kind: VertexKind
    name: str  #: names of its operators, joined by `` -> ``
    operators: tuple[ChainedOperator, ...]  #: head first, each after the one that feeds it
    parallelism: int
    max_parallelism: int
    slot_group: str


class PhysicalEdge(msgspec.Struct, frozen=True, kw_only=True):
    """Between two vertices. Its ``id`` is the logical edge's (for ``SPLITS``: minus the source's node id)."""

    id: int
    kind: EdgeKind
    source: VertexId
    #: Position in the source chain of the operator whose output it carries.
    source_operator: int
    side_tag: str | None
    target: VertexId
    input_index: int
    partitioning: Partitioning


class PhysicalPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Vertices in topological order (a vertex comes after all that feed it), and their edges."""

    job_name: str
    vertices: tuple[PhysicalVertex, ...]
    edges: tuple[PhysicalEdge, ...]
    #: sha256 over structure, uids and code hashes: two processes with equal digests run the same plan.
    digest: str

    def vertex(self, vertex_id: VertexId) -> PhysicalVertex:
        """The vertex of that id. Raises ``KeyError``."""
        for vertex in self.vertices:
            if vertex.id == vertex_id:
                return vertex
        raise KeyError(vertex_id)
