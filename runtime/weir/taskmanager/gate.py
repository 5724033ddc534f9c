"""The input of a task: its channels, in turn, leaving out those that are blocked. Hot path."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from weir.records import StreamElement
from weir.taskmanager.channels import InputChannel


class InputGate:
    """Hands out elements channel by channel, one at a time from each."""

    def __init__(self, channels: list[InputChannel]) -> None:
        self.channels = channels
        #: Channels that have something; may hold blocked ones, which are dropped when met.
        self._ready: deque[InputChannel] = deque()
        for channel in channels:
            channel.gate = self._ready.append

    def next(self) -> tuple[InputChannel, StreamElement] | None:
        """The next element of a channel that is not blocked."""
        ready = self._ready
        while ready:
            channel = ready.popleft()
            if channel.blocked or not channel.queue:
                continue
            element = channel.take()
            if channel.queue:
                ready.append(channel)
            return channel, element
        return None

    def has_input(self) -> bool:
        """Whether ``next`` would give something."""
        return any(channel.queue and not channel.blocked for channel in self._ready)

    def block(self, channel: InputChannel) -> None:
        """Read nothing more of it; what arrives stays queued and its credit withheld."""
        channel.blocked = True

    def unblock(self, indices: Iterable[int]) -> None:
        """Read these again; what they held back goes first."""
        for index in sorted(indices, reverse=True):
            channel = self.channels[index]
            channel.blocked = False
            if channel.queue:
                self._ready.appendleft(channel)

    def queued_bytes(self) -> int:
        """Bytes waiting in all channels."""
        return sum(channel.queued_bytes for channel in self.channels)
