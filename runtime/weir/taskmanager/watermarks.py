"""The watermark of a subtask with several input channels: the smallest of those that are not idle. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from weir.records import MAX_TIMESTAMP, MIN_TIMESTAMP


@dataclass
class WatermarkMerge:
    """Merges watermarks and idleness of ``channels`` channels; never goes back."""

    channels: int
    current: int = MIN_TIMESTAMP
    idle: bool = False
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
        everything_idle = all(self._idle)
        changed = everything_idle if everything_idle != self.idle else None
        self.idle = everything_idle
        return self._advance(), changed

    def on_end(self, channel: int) -> int | None:
        """A channel ended: it holds nothing back any more."""
        self._idle[channel] = False
        return self.on_watermark(channel, MAX_TIMESTAMP)

    def _advance(self) -> int | None:
        active = [mark for mark, idle in zip(self._marks, self._idle, strict=True) if not idle]
        if not active:
            return None
        smallest = min(active)
        if smallest <= self.current:
            return None
        self.current = smallest
        return smallest
