"""The watermark of a subtask with several input channels: the smallest of those that are not idle. Pure.

A channel that ended holds nothing back, but it does not speak for the others either: while they are idle, time
stands still, else what they bring later would all be late.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from weir.records import MAX_TIMESTAMP, MIN_TIMESTAMP


@dataclass
class WatermarkMerge:
    """Merges watermarks and idleness of ``channels`` channels; never goes back."""

    channels: int
    current: int = MIN_TIMESTAMP
    #: All channels that have not ended are idle.
    idle: bool = False
    #: ``MAX_TIMESTAMP``: the channel ended.
    _marks: list[int] = field(init=False)
    _idle: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self._marks = [MIN_TIMESTAMP] * self.channels
        self._idle = [False] * self.channels

    def on_watermark(self, channel: int, timestamp: int) -> int | None:
        """The new merged watermark if it advanced, else ``None``."""
        if timestamp <= self._marks[channel]:
            return None
        self._marks[channel] = timestamp
        return self._advance()

    def on_status(self, channel: int, idle: bool) -> tuple[int | None, bool | None]:
        """(watermark if it advanced, idleness if it changed) after a channel's status."""
        self._idle[channel] = idle
        return self._advance(), self._idleness()

    def on_end(self, channel: int) -> tuple[int | None, bool | None]:
        """As ``on_status``, after a channel ended."""
        return self.on_watermark(channel, MAX_TIMESTAMP), self._idleness()

    def _idleness(self) -> bool | None:
        going_on = [idle for mark, idle in zip(self._marks, self._idle, strict=True) if mark < MAX_TIMESTAMP]
        idle = bool(going_on) and all(going_on)
        if idle == self.idle:
            return None
        self.idle = idle
        return idle

    def _advance(self) -> int | None:
        marks = self._marks
        smallest = min(
            (mark for mark, idle in zip(marks, self._idle, strict=True) if not idle and mark < MAX_TIMESTAMP),
            default=None,
        )
        if smallest is None:
            if min(marks) < MAX_TIMESTAMP:
                return None
            smallest = MAX_TIMESTAMP
        if smallest <= self.current:
            return None
        self.current = smallest
        return smallest
