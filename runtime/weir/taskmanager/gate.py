"""The input of a task: its channels, in turn, leaving out those that are blocked. Hot path.

What a channel held back while it was blocked goes first when it is read again, before anything newer of the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from weir.records import StreamElement
from weir.taskmanager.exchange.channels import InputChannel


class InputGate:
    """Hands out elements channel by channel, one at a time from each."""

    def __init__(self, channels: list[InputChannel]) -> None:
        self.channels = channels
        #: All and only the channels that have something and are not blocked, each once.
        self._ready: deque[InputChannel] = deque()
        for channel in channels:
            channel.gate = self._arrived

    def _arrived(self, channel: InputChannel) -> None:
        """The channel was empty and is not any more."""
        if not channel.blocked:
            self._ready.append(channel)

    def next(self) -> tuple[InputChannel, StreamElement] | None:
        """The next element of a channel that is not blocked."""
        ready = self._ready
        if not ready:
            return None
        channel = ready.popleft()
        element = channel.take()
        if channel.backlog:
            channel.backlog -= 1
        if channel.queue:
            if channel.backlog:
                ready.appendleft(channel)
            else:
                ready.append(channel)
        return channel, element

    def block(self, channel: InputChannel) -> None:
        """Read nothing more of it; what arrives stays queued and its credit withheld."""
        channel.blocked = True
        channel.backlog = 0
        if channel.queue:
            self._ready.remove(channel)

    def unblock(self, indices: Iterable[int]) -> None:
        """Read these again; what they held back goes first. Channels that were not blocked stay in their place."""
        for index in sorted(indices, reverse=True):
            channel = self.channels[index]
            if not channel.blocked:
                continue
            channel.blocked = False
            channel.backlog = len(channel.queue)
            if channel.queue:
                self._ready.appendleft(channel)

    def put_back(self, channel: InputChannel, element: StreamElement) -> None:
        """The rest of what was just taken: it goes next. Its credit was given back."""
        if channel.queue:
            self._ready.remove(channel)
        channel.queue.appendleft((0, element, 0))
        channel.backlog += 1
        self._ready.appendleft(channel)

    def remove(self, channel: InputChannel, position: int) -> None:
        """Take a control element out of the queue."""
        del channel.queue[position]
        if position < channel.backlog:
            channel.backlog -= 1
        if not channel.queue and not channel.blocked:
            self._ready.remove(channel)

    def restore(self, channel: InputChannel, elements: Iterable[tuple[StreamElement, int]]) -> None:
        """What was on its way when the checkpoint was taken, with its costs: before all that comes, on any channel."""
        total = 0
        for element, cost in elements:
            channel.put(0, element, cost)
            total += cost
        channel.backlog = len(channel.queue)
        channel.restored_bytes += total
        if total and channel.upstream is not None:
            channel.upstream.charge(total)

    def bytes_in(self) -> int:
        """Bytes taken from all channels."""
        return sum(channel.bytes_in for channel in self.channels)

    def queued_bytes(self) -> int:
        """Bytes waiting in all channels."""
        return sum(channel.queued_bytes for channel in self.channels)
