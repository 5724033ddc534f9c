"""What an apply of a StreamJob would do in the user's cluster: the API server judges it, and what runs is compared with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from weir.cli.kubectl import Kubectl
from weir.cli.spec_change import SAID, Change, Weight, compare, start_of
from weir.cli.submission import GRAPH, Document, Submission
from weir.graph import changes

KIND = "streamjobs.weir.dev"


class ForeseenField(msgspec.Struct, frozen=True):
    """A field of the spec that differs; absent is null."""

    path: str
    before: Any
    after: Any


class ForeseenChange(msgspec.Struct, frozen=True):
    """``-o json``: what applying a StreamJob would do."""

    namespace: str
    name: str
    change: str  #: CREATE, or the heaviest of ``Weight``
    fields: list[ForeseenField]
    graph: list[str]  #: what differs in the job's graph, a sentence each
    orders: list[str]
    start: str | None
    paused: bool


@dataclass(frozen=True)
class Foreseen:
    """What would happen."""

    namespace: str
    name: str
    change: Change | None  #: None: the StreamJob is new
    start: str | None  #: what the next run would start from; None: there is none
    paused: bool
    graph: tuple[str, ...] = ()  #: what differs in the graph, or why that is not known

    @property
    def document(self) -> ForeseenChange:
        """For programs."""
        fields = self.change.fields if self.change is not None else ()
        return ForeseenChange(
            namespace=self.namespace,
            name=self.name,
            change="CREATE" if self.change is None else self.change.weight.name,
            fields=[ForeseenField(f.path, f.before, f.after) for f in fields],
            graph=list(self.graph),
            orders=list(self.change.orders) if self.change is not None else [],
            start=self.start,
            paused=self.paused,
        )

    @property
    def text(self) -> str:
        """For people."""
        head = f"StreamJob {self.namespace}/{self.name}: "
        if self.change is None:
            return f"{head}it is new, and its first run starts from {self.start}\n"
        lines = [head + SAID[self.change.weight]]
        lines += [f"  {f.path}: {_shown(f.before)} -> {_shown(f.after)}" for f in self.change.fields]
        lines += [f"  {found}" for found in self.graph]
        lines += [f"  {order}" for order in self.change.orders]
        if self.start is not None:
            lines.append(f"  the next run starts from {self.start}")
        if self.paused and self.change.weight >= Weight.IN_PLACE:
            lines.append("  spec.paused is true: it waits until that is false")
        return "\n".join(lines) + "\n"


def foresee(kubectl: Kubectl, submission: Submission) -> Foreseen:
    """Raises ``Refused`` with all that the API server finds wrong."""
    applied = kubectl.apply(submission.documents, dry_run=True)
    after = next(document for document in applied if document.get("kind") == "StreamJob")
    metadata, spec = after["metadata"], after["spec"]
    before = kubectl.find(KIND, metadata["name"])
    change = None if before is None else compare(before["spec"], spec)
    status = (before or {}).get("status") or {}
    runs_anew = (
        change is None
        or change.weight is Weight.UPGRADE
        or any(field.path in {"upgrade.restartNonce", "job.state"} for field in change.fields)
    )
    return Foreseen(
        namespace=metadata.get("namespace", "default"),
        name=metadata["name"],
        change=change,
        start=start_of(spec, status) if runs_anew else None,
        paused=bool(spec.get("paused")),
        graph=() if before is None else _graph_changes(before, after, submission),
    )


def _graph_changes(before: Document, after: Document, submission: Submission) -> tuple[str, ...]:
    """Of two versions that came with a script; nothing is said of the others, whose code is in images."""
    if submission.code is None:
        return ()
    if submission.unknown is not None:
        return (f"its graph is not compared, since the script cannot be planned here: {submission.unknown}",)
    old, new = (
        changes.decode((document["metadata"].get("annotations") or {}).get(GRAPH, ""))
        for document in (before, after)
    )
    if old is None or new is None:
        return ("its graph is not compared: of the version that runs none was remembered",)
    return changes.changes(old, new)


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)
