"""A source of values that the job itself holds; bounded, for examples and tests.

The list is cut into contiguous splits. A split is a range of indexes, its position the index of the next row, so
nothing but numbers is sent or stored: every process has the list, since it ran ``build`` itself. Hot path:
``fetch`` is one list slice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from weir.connectors.fixed_splits import FixedSplits, unassigned_in
from weir.connectors.source import (
    EnumeratorContext,
    Fetched,
    Pending,
    ReaderContext,
    Source,
    SplitEnumerator,
    SplitReader,
)
from weir.errors import UserError

T = TypeVar("T")


class CollectionSplit(msgspec.Struct, frozen=True):
    """Rows ``position`` to ``end`` (exclusive) of a list that has ``size`` rows."""

    split_id: str
    position: int
    end: int
    size: int


class CollectionSource(Source[T, CollectionSplit], Generic[T]):
    """The rows of ``values``, with event times (milliseconds) when ``timestamps`` are given.

    ``num_splits`` is how many readers can share it; one by default, which keeps the order. Raises ``UserError``
    when the two lists differ in length or ``num_splits`` is below one.
    """

    def __init__(
        self, values: Iterable[T], timestamps: Iterable[int] | None = None, num_splits: int = 1
    ) -> None:
        self._values = list(values)
        self._timestamps = None if timestamps is None else list(timestamps)
        if self._timestamps is not None and len(self._timestamps) != len(self._values):
            raise UserError(
                f"CollectionSource got {len(self._values)} values and {len(self._timestamps)} timestamps; "
                "give one timestamp for each value"
            )
        if num_splits < 1:
            raise UserError(f"CollectionSource got num_splits={num_splits}; use 1 or more")
        self._num_splits = num_splits

    @property
    def split_type(self) -> type[CollectionSplit]:
        return CollectionSplit

    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[CollectionSplit]:
        size = len(self._values)
        count = max(1, min(self._num_splits, size))
        bounds = [size * i // count for i in range(count + 1)]
        return FixedSplits([CollectionSplit(str(i), bounds[i], bounds[i + 1], size) for i in range(count)])

    def restore_enumerator(
        self, context: EnumeratorContext, state: bytes
    ) -> SplitEnumerator[CollectionSplit]:
        return FixedSplits(unassigned_in(state, CollectionSplit))

    def create_reader(self, context: ReaderContext) -> SplitReader[T, CollectionSplit]:
        return CollectionReader(self._values, self._timestamps)


class CollectionReader(SplitReader[T, CollectionSplit], Generic[T]):
    """Reads its ranges one after the other."""

    def __init__(self, values: list[T], timestamps: list[int] | None) -> None:
        self._values: list[Any] = values
        self._timestamps = timestamps
        self._splits: deque[CollectionSplit] = deque()
        self._position = 0  #: of the first split
        self._finished: list[str] = []

    def add_splits(self, splits: Sequence[CollectionSplit]) -> None:
        for split in splits:
            if split.size != len(self._values):
                raise UserError(
                    f"the collection has {len(self._values)} values, but had {split.size} when the snapshot was "
                    "taken; restore with the same values, or start without state"
                )
            if not self._splits:
                self._position = split.position
            self._splits.append(split)
        self._drop_finished()

    def fetch(self, max_rows: int) -> Fetched | None:
        if not self._splits:
            return None
        split = self._splits[0]
        start, end = self._position, min(self._position + max_rows, split.end)
        self._position = end
        if end == split.end:
            self._drop_finished()
        timestamps = self._timestamps
        return Fetched(
            self._values[start:end], None if timestamps is None else timestamps[start:end], split.split_id
        )

    def _drop_finished(self) -> None:
        while self._splits and self._position >= self._splits[0].end:
            self._finished.append(self._splits.popleft().split_id)
            if self._splits:
                self._position = self._splits[0].position

    def finished_splits(self) -> list[str]:
        finished, self._finished = self._finished, []
        return finished

    def is_idle(self) -> bool:
        return not self._splits

    def pending(self) -> Pending:
        return Pending(sum(split.end - split.position for split in self.snapshot()))

    def snapshot(self) -> list[CollectionSplit]:
        if not self._splits:
            return []
        first, *others = self._splits
        return [msgspec.structs.replace(first, position=self._position), *others]
