"""How many bytes may be on their way or queued in a channel.

A sender that has used its window waits until credit is back, and credit takes a while: what a sender made leaves, what
arrived is taken, and what was taken is told when a data thread next pauses, and I/O threads wait for the
interpreter in between. So the window of a receiver that takes much grows to what it takes in that time, and shrinks again when it
gets slow: rows in front of a slow one would only make barriers wait. As buffer debloating in Flink, which holds what is in flight to a time too.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of one channel at first, and of one whose receiver is slow.
WINDOW_BYTES = 512 * 1024
#: So many windows are shared by the channels between a subtask and another vertex, but none has less than one.
SHARED_WINDOWS = 8
#: Seconds from a sender's step to the credit for it: two pauses of data threads, and as much again for I/O threads that wait.
ROUND_TRIP = 0.025


@dataclass(frozen=True)
class WindowRange:
    """Bytes between which a channel's window moves; it begins at ``smallest``."""

    smallest: int
    largest: int


def rows_window(channels: int) -> WindowRange:
    """Of one of so many channels of rows between a subtask and another vertex."""
    return WindowRange(WINDOW_BYTES, _share(channels))


def columns_window(channels: int) -> WindowRange:
    """Of columns, always the largest: a batch of them is often more than ``WINDOW_BYTES``, and where there is no
    room for two, sender and receiver wait for each other in turn.
    """
    return WindowRange(_share(channels), _share(channels))


def fixed_window() -> WindowRange:
    """Of a channel that carries no more than a little."""
    return WindowRange(WINDOW_BYTES, WINDOW_BYTES)


def _share(channels: int) -> int:
    return max(WINDOW_BYTES, WINDOW_BYTES * SHARED_WINDOWS // channels)


def adapted(window: int, taken: int, seconds: float, within: WindowRange) -> int:
    """The window of a receiver that took ``taken`` bytes in ``seconds``: at once as large as it needs, but no more than halved."""
    if seconds <= 0:
        return window
    needed = int(taken / seconds * ROUND_TRIP)
    if needed > window:
        return min(needed, within.largest)
    return max(window // 2, within.smallest) if needed < window // 4 else window
