"""Which of a subtask's channels was without credit most: that is where rows do not get away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weir.rpc.task_gauges import ChannelGauge
from weir.taskmanager.exchange.edge_output import EdgeOutput

#: Seconds over which a rate is taken, at least.
_LEAST: Final = 5.0


class MostStarved:
    """Of the channels that a subtask sends on."""

    def __init__(self, outputs: Sequence[EdgeOutput]) -> None:
        self._outputs = outputs
        self._asked: float | None = None
        self._before: dict[tuple[int, int], tuple[float, int]] = {}
        self._answer: ChannelGauge | None = None

    def since_last(self, now: float) -> ChannelGauge | None:
        """The one that was without credit longest since the last question; ``None``: none was. The first only begins."""
        if self._asked is None:
            self._asked = now
        elapsed = now - self._asked
        if elapsed < _LEAST:
            return self._answer
        self._asked = now
        most, self._answer = 0.0, None
        for number, output in enumerate(self._outputs):
            for position, channel in enumerate(output.channels):
                starved, sent = channel.starved.seconds(), channel.bytes_out
                starved_before, sent_before = self._before.get((number, position), (0.0, 0))
                self._before[number, position] = starved, sent
                if output.target is not None and starved - starved_before > most:
                    most = starved - starved_before
                    self._answer = ChannelGauge(
                        vertex=output.target,
                        index=output.subtasks[position],
                        starved_ms=min(1000, round(1000 * most / elapsed)),
                        bytes_out=round((sent - sent_before) / elapsed, 1),
                    )
        return self._answer
