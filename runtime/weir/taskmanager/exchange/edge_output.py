"""The sending side of one edge, whatever it carries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from weir.ids import VertexId
from weir.records import MIN_TIMESTAMP, StreamElement, Watermark
from weir.taskmanager.exchange.channels import OutputChannel


class EdgeOutput(ABC):
    """The sending side of one edge in one subtask."""

    def __init__(self, channels: Sequence[OutputChannel]) -> None:
        self.channels = channels
        self.rows_out = 0
        self.watermark = MIN_TIMESTAMP
        #: Where the channels lead: subtasks of a vertex, in the order of the channels.
        self.target: VertexId | None = None
        self.subtasks: Sequence[int] = ()

    @abstractmethod
    def send(self, batch: Any) -> None:
        """Spread a batch; an edge carries rows or columns, always the same."""

    def control(self, element: StreamElement) -> None:
        """Control elements go to every channel."""
        if isinstance(element, Watermark):
            self.watermark = element.timestamp
        for channel in self.channels:
            channel.send_control(element)

    def flush(self) -> None:
        """Send what the channels gathered."""
        for channel in self.channels:
            channel.flush()
