"""Samples of stacks as a tree, which a dashboard draws as a flame graph. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from weir.jobmanager.rest.models import vertices as models
from weir.jobmanager.stacks import FlameFacts

#: What Flink answers while samples are being taken.
WAITING = models.FlameGraph(end_timestamp=-1, data=None)


def flame_graph(facts: FlameFacts | None) -> models.FlameGraph:
    """The tree of all samples; without any, only its root."""
    if facts is None:
        return WAITING
    paths = [(sample.frames, sample.count) for sample in facts.samples]
    return models.FlameGraph(end_timestamp=facts.ended_ms, data=_node("root", paths))


def _node(name: str, paths: Iterable[tuple[Sequence[str], int]]) -> models.FlameNode:
    paths = list(paths)
    below: dict[str, list[tuple[Sequence[str], int]]] = {}
    for frames, count in paths:
        if frames:
            below.setdefault(frames[0], []).append((frames[1:], count))
    return models.FlameNode(
        name=name,
        value=sum(count for _, count in paths),
        children=tuple(_node(frame, inner) for frame, inner in sorted(below.items())),
    )
