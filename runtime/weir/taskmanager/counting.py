"""What each channel of a subtask carried before a barrier, counted at both of its ends, in bytes as credit counts them.

The coordinator compares the two: a checkpoint to which rows are missing is never completed.
"""

from __future__ import annotations

from collections.abc import Iterable

from weir.taskmanager.exchange.channels import InputChannel, OutputChannel


def sent(channels: Iterable[OutputChannel]) -> dict[int, int]:
    """By number; right after the barrier was sent."""
    return {channel.number: channel.bytes_out for channel in channels if channel.number is not None}


def taken(channel: InputChannel) -> int:
    """Taken so far of what was sent; after a restore this is negative while restored rows wait."""
    return channel.bytes_in - channel.restored_bytes


class Received:
    """What the channels had brought before their barriers, of checkpoints that are being aligned."""

    def __init__(self) -> None:
        self._before: dict[int, dict[int, int]] = {}

    def brought(self, channel: InputChannel, checkpoint_id: int, more: int = 0) -> None:
        """The barrier is next, or overtakes ``more`` bytes."""
        if channel.number is not None:
            self._before.setdefault(checkpoint_id, {})[channel.number] = taken(channel) + more

    def of(self, checkpoint_id: int) -> dict[int, int]:
        """By number; it and those before it are forgotten."""
        found = self._before.get(checkpoint_id, {})
        self._before = {number: of for number, of in self._before.items() if number > checkpoint_id}
        return found
