"""The job as the user described it: operators with settings, and edges with partitioning. Data only.

``api`` builds a :class:`LogicalGraph`; ``plan`` turns it into a physical plan; ``codec`` carries it between
processes. User functions are not in here: a worker runs ``build`` again and finds them by node and edge.
"""

from __future__ import annotations

import enum

import msgspec


class NodeKind(enum.StrEnum):
    """Where an operator stands in the flow."""

    SOURCE = "source"
    OPERATOR = "operator"
    SINK = "sink"


class Chaining(enum.StrEnum):
    """Whether a node may share a task with its neighbours."""

    ALWAYS = "always"
    HEAD = "head"  #: ``start_new_chain``: not with its input
    NEVER = "never"  #: ``disable_chaining``


class Partitioning(enum.StrEnum):
    """How rows are spread over the subtasks of an edge's target; the names are Flink's."""

    FORWARD = "forward"
    HASH = "hash"
    REBALANCE = "rebalance"
    RESCALE = "rescale"
    SHUFFLE = "shuffle"
    BROADCAST = "broadcast"
    GLOBAL = "global"
    CUSTOM = "custom"


class LogicalNode(msgspec.Struct, frozen=True, kw_only=True):
    """One operator as written."""

    id: int  #: position in the order of creation, from 1
    kind: NodeKind
    name: str
    type: str  #: what it does, e.g. ``map``, ``keyed-process``; part of the structure hash
    uid: str | None = None
    parallelism: int | None = None  #: ``None``: the job's
    max_parallelism: int | None = None  #: ``None``: the job's
    slot_group: str | None = None  #: ``None``: inherited from the inputs, else ``default``
    chaining: Chaining = Chaining.ALWAYS
    keyed: bool = False  #: uses keyed state: all its inputs (but broadcast ones) are hash-partitioned
    replayable: bool = True  #: sources: can re-read from a position
    transactional: bool = True  #: sinks: takes part in exactly-once (two-phase or idempotent)
    code_hash: str = ""  #: of the user function's code; part of the plan digest
    location: str = ""  #: ``file:line`` of the user's call that made it; for messages, not part of the digest


class LogicalEdge(msgspec.Struct, frozen=True, kw_only=True):
    """From one node's output (main or side) to one input of another."""

    id: int  #: position in the order of creation, from 0; names the edge's user function in a worker
    source: int
    target: int
    #: ``None``: nothing was asked for, so ``FORWARD`` if both ends have the same parallelism, else ``REBALANCE``.
    partitioning: Partitioning | None = None
    input_index: int = 0  #: 0, or 1 for the second input of a connected node
    side_tag: str | None = None


class LogicalGraph(msgspec.Struct, frozen=True, kw_only=True):
    """A whole job."""

    name: str
    nodes: tuple[LogicalNode, ...]
    edges: tuple[LogicalEdge, ...]
    #: What the job's code set, as hierarchical keys (``execution.checkpointing.interval``).
    settings: dict[str, str] = {}
