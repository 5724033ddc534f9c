"""Collects what fluent calls make: operators that may still change, and the edges between them.

``stream`` and its neighbours add drafts; ``job_code`` freezes them into the logical graph (data) beside the user
code that its nodes and edges stand for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from weir.api.code_hash import code_hash
from weir.config import OnError
from weir.connectors.sink import Sink
from weir.connectors.source import Source
from weir.errors import GraphError, UserError
from weir.functions import DEAD_LETTERS
from weir.graph.logical import Chaining, LogicalEdge, LogicalGraph, LogicalNode, NodeKind, Partitioning
from weir.operators.base import Operator
from weir.operators.job_code import EdgeCode, JobCode

_WEIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@dataclass
class NodeDraft:
    """An operator while the user still sets it up; fields as in ``LogicalNode``."""

    id: int
    kind: NodeKind
    type: str
    name: str
    location: str
    code_hash: str
    factory: Callable[[], Operator]
    keyed: bool = False
    replayable: bool = True
    transactional: bool = True
    source: Source[Any, Any] | None = None
    sink: Sink[Any, Any] | None = None
    uid: str | None = None
    parallelism: int | None = None
    max_parallelism: int | None = None
    slot_group: str | None = None
    chaining: Chaining = Chaining.ALWAYS
    on_error: OnError | None = None

    def freeze(self) -> LogicalNode:
        """The node as data."""
        return LogicalNode(
            id=self.id,
            kind=self.kind,
            name=self.name,
            type=self.type,
            uid=self.uid,
            parallelism=self.parallelism,
            max_parallelism=self.max_parallelism,
            slot_group=self.slot_group,
            chaining=self.chaining,
            keyed=self.keyed,
            replayable=self.replayable,
            transactional=self.transactional,
            code_hash=self.code_hash,
            location=self.location,
        )


class Output(NamedTuple):
    """One operator's output (main or side) and how it will be spread to whatever reads it."""

    node: NodeDraft
    side_tag: str | None = None
    partitioning: Partitioning | None = None
    code: EdgeCode | None = None


@dataclass(frozen=True)
class Recipe:
    """What a new operator is, apart from its inputs."""

    type: str
    name: str
    factory: Callable[[], Operator]
    #: What the code hash covers: functions, sources, sinks, strategies, descriptors.
    code: tuple[object, ...] = ()
    kind: NodeKind = NodeKind.OPERATOR
    keyed: bool = False
    replayable: bool = True
    transactional: bool = True
    source: Source[Any, Any] | None = None
    sink: Sink[Any, Any] | None = None


@dataclass
class Recorder:
    """All operators and edges of one environment."""

    nodes: list[NodeDraft] = field(default_factory=list)
    edges: list[LogicalEdge] = field(default_factory=list)
    edge_code: dict[int, EdgeCode] = field(default_factory=dict)

    def add(self, recipe: Recipe, first: Sequence[Output] = (), second: Sequence[Output] = ()) -> NodeDraft:
        """A new operator that reads ``first`` (and ``second``, as its second input)."""
        codes = [output.code for output in (*first, *second) if output.code is not None]
        draft = NodeDraft(
            id=len(self.nodes) + 1,
            kind=recipe.kind,
            type=recipe.type,
            name=recipe.name,
            location=user_call_site(),
            code_hash=code_hash(recipe.code, [(code.key_selector, code.partitioner) for code in codes]),
            factory=recipe.factory,
            keyed=recipe.keyed,
            replayable=recipe.replayable,
            transactional=recipe.transactional,
            source=recipe.source,
            sink=recipe.sink,
        )
        self.nodes.append(draft)
        for index, outputs in enumerate((first, second)):
            for output in outputs:
                self._connect(output, draft, index)
        return draft

    def _connect(self, output: Output, target: NodeDraft, input_index: int) -> None:
        if not any(node is output.node for node in self.nodes):
            raise GraphError(
                f"'{target.name}' joins '{output.node.name}', which belongs to another StreamExecutionEnvironment; "
                "build a job with one environment"
            )
        edge = LogicalEdge(
            id=len(self.edges),
            source=output.node.id,
            target=target.id,
            partitioning=output.partitioning,
            input_index=input_index,
            side_tag=output.side_tag,
        )
        self.edges.append(edge)
        if output.code is not None:
            self.edge_code[edge.id] = output.code

    def job_code(self, name: str, settings: Mapping[str, str]) -> JobCode:
        """Everything recorded so far, frozen. Raises ``GraphError`` for a job that would read its own output."""
        self._refuse_overlap()
        self._refuse_unread()
        graph = LogicalGraph(
            name=name,
            nodes=tuple(draft.freeze() for draft in self.nodes),
            edges=tuple(self.edges),
            settings=dict(settings),
        )
        return JobCode(
            graph=graph,
            factories={draft.id: draft.factory for draft in self.nodes},
            sources={draft.id: draft.source for draft in self.nodes if draft.source is not None},
            on_error={draft.id: draft.on_error for draft in self.nodes if draft.on_error is not None},
            edges=dict(self.edge_code),
        )

    def _refuse_unread(self) -> None:
        """Dead letters that nobody reads would be records lost without a word."""
        read = {edge.source for edge in self.edges if edge.side_tag == DEAD_LETTERS}
        for draft in self.nodes:
            if draft.on_error is OnError.DEAD_LETTER and draft.id not in read:
                raise GraphError(
                    f"{draft.location}: operator '{draft.name}' diverts records whose function raises, and nothing reads them; give "
                    "get_dead_letters() of it a sink, or drop on_error(...)"
                )

    def _refuse_overlap(self) -> None:
        if "weir.connectors.files.sink" not in sys.modules:
            return  # so there is no file sink either, and this import would load it
        from weir.connectors.files import refuse_overlap

        sources = [draft.source for draft in self.nodes if draft.source is not None]
        for draft in self.nodes:
            if draft.sink is not None:
                try:
                    refuse_overlap(sources, [draft.sink])
                except UserError as error:
                    raise GraphError(f"{draft.location}: {error}" if draft.location else str(error)) from None


def user_call_site() -> str:
    """``file:line`` of the innermost caller outside Weir; relative to the working folder if it lies below."""
    frame = sys._getframe(1)  # noqa: SLF001  inspect.stack() reads source files, this costs nothing
    while frame is not None and os.path.abspath(frame.f_code.co_filename).startswith(_WEIR):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    path, here = frame.f_code.co_filename, os.getcwd() + os.sep
    return f"{path.removeprefix(here)}:{frame.f_lineno}"
