"""Timers of one subtask in one time domain: buckets by timestamp, and a heap of the distinct timestamps.

Hot path: registering costs two dict operations when the timestamp already has a bucket. The operator
registers and deletes under its current key, asks :meth:`TimerQueue.next_timestamp` between batches and
fires whole buckets with :meth:`TimerQueue.pop_due`. The keyed store writes the queue into its snapshots; a long one stands
still meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import chain, islice
from typing import Any

from weir.errors import UserError
from weir.state.standing import StandingTable, Still, Table

#: Stale heap entries that are tolerated beyond the number of buckets before the heap is built anew.
_STALE_SLACK = 64


class TimerQueue:
    """At most one timer per key and timestamp; within one timestamp, keys fire in order of registration."""

    __slots__ = ("_buckets", "_heap", "_table")

    def __init__(self) -> None:
        self._table = StandingTable(dict.copy, _weight, owned=True)
        self._table.on_front = self._use
        #: By timestamp. No bucket is empty. A dict without values serves as an ordered set.
        self._buckets: dict[int, dict[Any, None]] = self._table.front
        #: Every bucket's timestamp, and perhaps stale ones whose buckets are gone.
        self._heap: list[int] = []

    def __len__(self) -> int:
        """The number of timers; costs one step per distinct timestamp."""
        return sum(map(len, self._all().values()))

    def register(self, key: Any, timestamp: int) -> None:
        """Set a timer (milliseconds); a second one for the same key and timestamp changes nothing.

        Raises ``UserError`` when ``timestamp`` is not an ``int``.
        """
        bucket = self._buckets.get(timestamp)
        if bucket is not None:
            bucket[key] = None
            return
        if type(timestamp) is not int:
            raise UserError(
                f"a timer needs an int timestamp in milliseconds, got {type(timestamp).__name__} "
                f"{timestamp!r}; convert it with int(...)"
            )
        self._buckets[timestamp] = {key: None}
        heappush(self._heap, timestamp)

    def register_all(self, keys: Iterable[Any], timestamp: int) -> None:
        """One timer at ``timestamp`` for each of ``keys``, for operators that know them by the batch."""
        bucket = self._buckets.get(timestamp)
        if bucket is not None:
            bucket.update(dict.fromkeys(keys))
        elif found := dict.fromkeys(keys):
            self._buckets[timestamp] = found
            heappush(self._heap, timestamp)

    def delete(self, key: Any, timestamp: int) -> None:
        """Remove a timer; an unknown one is a no-op."""
        bucket = self._buckets.get(timestamp)
        if bucket is None:
            return
        bucket.pop(key, None)
        if bucket:
            return
        self._table.remove(timestamp)
        # The heap's entry stays until it surfaces; who registers and deletes for ever must not grow it.
        if self._table.whole and len(self._heap) > 2 * len(self._buckets) + _STALE_SLACK:
            self._heap = list(self._buckets)
            heapify(self._heap)

    def has(self, key: Any, timestamp: int) -> bool:
        """Whether a timer is set."""
        bucket = self._table.peek(timestamp)
        return bucket is not None and key in bucket

    def next_timestamp(self) -> int | None:
        """The earliest timer's timestamp, ``None`` without timers."""
        heap, buckets = self._heap, self._buckets
        while heap:
            if heap[0] in buckets:
                return heap[0]
            heappop(heap)
        return None

    def pop_due(self, until: int) -> Iterator[tuple[int, list[Any]]]:
        """Hand out all timers with timestamp <= ``until`` in order, one timestamp with its keys at a time.

        Timers registered meanwhile fire in the same round when they are due. What was handed out is
        gone from the queue, everything else stays in it, wherever the consumer stops.
        """
        while (timestamp := self.next_timestamp()) is not None and timestamp <= until:
            heappop(self._heap)
            keys = list(self._table.peek(timestamp))
            self._table.remove(timestamp)
            yield timestamp, keys

    def columns(self) -> tuple[list[Any], list[int]]:
        """All timers as parallel lists of keys and timestamps, in firing order."""
        buckets = self._all()
        timestamps = sorted(buckets)
        keys = list(chain.from_iterable(buckets[timestamp] for timestamp in timestamps))
        repeated = [timestamp for timestamp in timestamps for _ in range(len(buckets[timestamp]))]
        return keys, repeated

    # ---- snapshots of many ---------------------------------------------------------------------------------

    @property
    def whole(self) -> bool:
        """Whether nothing changed while it stood still that is yet to be merged."""
        return self._table.whole

    def cut(self, small: int) -> Still | None:
        """Buckets by timestamp, which stand still from now on; ``None``: there are no more than ``small`` timers, or too many
        snapshots already.
        """
        table = self._table
        if table.crowded or (table.whole and len(table.base) <= small and len(self) <= small):
            return None
        return table.cut()

    def merge(self, most: int) -> int:
        """As ``StandingTable.merge``."""
        return self._table.merge(most)

    def merge_beside(self, most: int) -> int:
        """As ``StandingTable.merge_beside``."""
        return self._table.merge_beside(most)

    def _use(self, front: Table) -> None:
        self._buckets = front

    def _all(self) -> dict[int, dict[Any, None]]:
        """Only to be read."""
        return self._buckets if self._table.whole else dict(self._table.now().entries())


def _weight(bucket: dict[Any, None]) -> int:
    """The old bucket is freed when a changed one takes its place."""
    return 1 + len(bucket) // 8


def parts(still: Still, most: int) -> Iterator[tuple[list[Any], list[int]]]:
    """The timers of a queue that stands still as parallel lists of up to ``most`` keys and timestamps."""
    keys: list[Any] = []
    timestamps: list[int] = []
    for timestamp, bucket in still.entries():
        left = iter(bucket)
        while part := list(islice(left, most - len(keys))):
            keys += part
            timestamps += [timestamp] * len(part)
            if len(keys) == most:
                yield keys, timestamps
                keys, timestamps = [], []
    if keys:
        yield keys, timestamps
