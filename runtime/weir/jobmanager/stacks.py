"""What the processes of a cluster do at a moment: thread dumps of TaskManagers, flame graphs of vertices.

Workers are asked through their sessions, all at once. A flame graph is sampled when somebody looks at it, and again when
he still looks after a while; until the first is there, there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from weir.clock import Clock
from weir.ids import WorkerId
from weir.rpc.messages import StackSample, StackSamples

#: How often workers are looked at for a flame graph, and seconds between two looks.
SAMPLES: Final = 100
INTERVAL: Final = 0.05
#: Seconds for which a flame graph is good.
YOUNG: Final = 60.0
#: Flame graphs that are kept.
_KEPT: Final = 32

Ask = Callable[[WorkerId, int, float], Awaitable[StackSamples | None]]


@dataclass(frozen=True)
class FlameFacts:
    """The samples of one vertex."""

    ended_ms: int  #: wall time
    samples: tuple[StackSample, ...]


@dataclass
class _Graph:
    sampled_at: float
    facts: FlameFacts | None = None
    work: asyncio.Task[None] | None = None


class Stacks:
    """See the module."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        """``ask`` is ``Sessions.sample``."""
        self._ask = ask
        self._clock = clock
        self._graphs: dict[tuple[str, str, frozenset[WorkerId]], _Graph] = {}

    async def threads(self, workers: Iterable[WorkerId]) -> Mapping[WorkerId, Mapping[str, str]]:
        """By worker and thread: its stack. Workers that do not answer are left out."""
        asked = list(workers)
        answers = await asyncio.gather(*(self._ask(worker, 1, 0.0) for worker in asked))
        return {w: answer.threads for w, answer in zip(asked, answers, strict=True) if answer is not None}

    def flame_graph(self, job: str, vertex: str, workers: frozenset[WorkerId]) -> FlameFacts | None:
        """The samples of the vertex of that name; ``None``: being taken, come again in a few seconds."""
        key = (job, vertex, workers)
        now = self._clock.monotonic()
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = _Graph(now - 2 * YOUNG)
            while len(self._graphs) > _KEPT:
                del self._graphs[next(iter(self._graphs))]
        if graph.work is None and now - graph.sampled_at > YOUNG:
            graph.work = asyncio.ensure_future(self._sample(graph, vertex, workers))
        return graph.facts

    async def _sample(self, graph: _Graph, vertex: str, workers: frozenset[WorkerId]) -> None:
        try:
            answers = await asyncio.gather(*(self._ask(worker, SAMPLES, INTERVAL) for worker in workers))
            found = tuple(
                sample
                for answer in answers
                if answer is not None
                for sample in answer.samples
                if sample.vertex == vertex
            )
            graph.facts = FlameFacts(self._clock.wall_ms(), found)
            graph.sampled_at = self._clock.monotonic()
        finally:
            graph.work = None
