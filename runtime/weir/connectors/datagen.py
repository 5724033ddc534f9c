"""A source that makes its rows from their numbers, so that any position can be read again.

Row numbers are dealt out to the splits in blocks: split ``s`` of ``n`` owns the blocks ``s``, ``s + n``, ... . The
position of a split counts its own rows; the row number follows from it by arithmetic. A rate limit never sleeps:
``fetch`` gives nothing before the next rows are due, and ``next_fetch_at`` says when that is. Hot path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from weir.errors import UserCodeError, UserError

T = TypeVar("T")

#: Rows that ``batch_fn`` makes in one call at most, when several splits share the numbers.
_BATCH_BLOCK = 1000
#: Rows become due in slices of this many seconds: a batch a slice, not a batch a row.
_SLICE_S = 0.005
#: After a stall at most this many seconds of rows are made up for at once.
_CATCH_UP_S = 1.0


class GeneratorSplit(msgspec.Struct, frozen=True):
    """Split ``index`` of ``num_splits``: its rows from ``position`` on, up to ``length`` (``None``: endless)."""

    index: int
    num_splits: int
    block: int
    length: int | None
    position: int = 0

    @property
    def split_id(self) -> str:
        return str(self.index)

    def row_number(self, position: int) -> int:
        """The number, over all splits, of the row at ``position`` of this one."""
        block, within = divmod(position, self.block)
        return (block * self.num_splits + self.index) * self.block + within


def deal_out(count: int | None, num_splits: int, block: int) -> list[GeneratorSplit]:
    """Splits that together hold the row numbers 0 to ``count`` (exclusive), each once."""
    if count is None:
        return [GeneratorSplit(index, num_splits, block, None) for index in range(num_splits)]
    whole, rest = divmod(count, block)
    lengths = [(whole // num_splits + (index < whole % num_splits)) * block for index in range(num_splits)]
    lengths[whole % num_splits] += rest
    return [GeneratorSplit(index, num_splits, block, lengths[index]) for index in range(num_splits)]


class DataGeneratorSource(Source[T, GeneratorSplit], Generic[T]):
    """Row i is ``generator_fn(i)``, for i from 0 up to ``count``; without ``count`` it never ends.

    ``generator_fn`` must give the same row for the same number every time. ``batch_fn(start, n)`` may stand in its
    place (``generator_fn=None``): it returns the list of rows ``start`` to ``start + n`` and is called once a
    batch. ``rows_per_second`` limits all readers together. ``num_splits`` is one a reader by default.
    ``timestamp_fn(i)`` gives event times in milliseconds.
    """

    def __init__(
        self,
        generator_fn: Callable[[int], T] | None = None,
        count: int | None = None,
        rows_per_second: float | None = None,
        num_splits: int | None = None,
        timestamp_fn: Callable[[int], int] | None = None,
        batch_fn: Callable[[int, int], list[T]] | None = None,
    ) -> None:
        if (generator_fn is None) == (batch_fn is None):
            raise UserError("DataGeneratorSource needs either generator_fn or batch_fn, and not both")
        for name, value, low in (
            ("count", count, 0),
            ("rows_per_second", rows_per_second, 1e-6),
            ("num_splits", num_splits, 1),
        ):
            if value is not None and value < low:
                raise UserError(f"DataGeneratorSource got {name}={value}; use {low} or more, or leave it out")
        self._make = _batches_of(generator_fn) if generator_fn is not None else _checked(batch_fn)
        self._block = 1 if generator_fn is not None else _BATCH_BLOCK
        self._count = count
        self._rate = rows_per_second
        self._num_splits = num_splits
        self._timestamp_fn = timestamp_fn

    @property
    def split_type(self) -> type[GeneratorSplit]:
        return GeneratorSplit

    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[GeneratorSplit]:
        splits = deal_out(self._count, self._num_splits or context.parallelism, self._block)
        return FixedSplits(splits, lambda split: split.index % context.parallelism)

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> SplitEnumerator[GeneratorSplit]:
        splits = unassigned_in(state, GeneratorSplit)
        return FixedSplits(splits, lambda split: split.index % context.parallelism)

    def create_reader(self, context: ReaderContext) -> SplitReader[T, GeneratorSplit]:
        return GeneratorReader(self._make, self._timestamp_fn, self._rate, context.monotonic)


#: Rows of the numbers in a range.
_Make = Callable[[range], list[Any]]


def _batches_of(generator_fn: Callable[[int], Any]) -> _Make:
    def make(numbers: range) -> list[Any]:
        rows: list[Any] = []
        try:
            rows.extend(map(generator_fn, numbers))
        except Exception as error:
            raise UserCodeError(
                f"the generator function failed at row {numbers[len(rows)]}: {type(error).__name__}: {error}"
            ) from error
        return _complete(rows, numbers, "the generator function")

    return make


def _complete(results: list[Any], numbers: range, function: str) -> list[Any]:
    """``StopIteration`` ends ``map`` without a word: then results are missing, and so would be rows."""
    if len(results) < len(numbers):
        raise UserCodeError(
            f"{function} raised StopIteration at row {numbers[len(results)]}; give next(...) a default, or set count"
        )
    return results


def _checked(batch_fn: Callable[[int, int], list[Any]] | None) -> _Make:
    assert batch_fn is not None

    def make(numbers: range) -> list[Any]:
        start, n = numbers.start, len(numbers)
        try:
            rows = batch_fn(start, n)
        except Exception as error:
            raise UserCodeError(f"batch_fn({start}, {n}) failed: {type(error).__name__}: {error}") from error
        if not isinstance(rows, list) or len(rows) != n:
            got = f"{len(rows)} rows" if isinstance(rows, list) else f"a {type(rows).__name__}"
            raise UserCodeError(f"batch_fn({start}, {n}) returned {got}; it must return a list of {n} rows")
        return rows

    return make


class _Progress:
    """Where one split stands, and when its next rows are due."""

    __slots__ = ("due", "position", "slice", "split")

    def __init__(self, split: GeneratorSplit, rate: float | None) -> None:
        self.split = split
        self.position = split.position
        #: Rows that become due together.
        self.slice = max(1, int(rate * _SLICE_S)) if rate is not None else 0
        #: When the next slice is due; ``None`` before the first fetch.
        self.due: float | None = None

    @property
    def left(self) -> int | None:
        return None if self.split.length is None else self.split.length - self.position

    def next_numbers(self, most: int) -> range:
        """Up to ``most`` row numbers that lie evenly apart; moves on."""
        split = self.split
        start, left = split.row_number(self.position), self.left
        if left is not None:
            most = min(most, left)
        step = 1
        if split.num_splits > 1:
            if split.block == 1:
                step = split.num_splits
            else:
                most = min(most, split.block - self.position % split.block)
        self.position += most
        return range(start, start + most * step, step)


class GeneratorReader(SplitReader[T, GeneratorSplit], Generic[T]):
    """Takes its splits in turn, a batch each."""

    def __init__(
        self,
        make: _Make,
        timestamp_fn: Callable[[int], int] | None,
        rate: float | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._make = make
        self._timestamp_fn = timestamp_fn
        self._rate = rate
        self._monotonic = monotonic
        self._splits: list[_Progress] = []
        self._turn = 0
        self._finished: list[str] = []

    def add_splits(self, splits: Sequence[GeneratorSplit]) -> None:
        for split in splits:
            progress = _Progress(split, self._rate / split.num_splits if self._rate is not None else None)
            if progress.left == 0:
                self._finished.append(split.split_id)
            else:
                self._splits.append(progress)

    def fetch(self, max_rows: int) -> Fetched | None:
        if self._rate is None:
            return self._read(self._turn % len(self._splits), max_rows) if self._splits else None
        now = self._monotonic()
        for turn in range(self._turn, self._turn + len(self._splits)):
            index = turn % len(self._splits)
            progress = self._splits[index]
            due = now if progress.due is None else max(progress.due, now - _CATCH_UP_S)
            if due <= now:
                rate = self._rate / progress.split.num_splits
                fetched = self._read(index, min(progress.slice + int((now - due) * rate), max_rows))
                progress.due = due + len(fetched.values) / rate
                return fetched
        return None

    def _read(self, index: int, rows: int) -> Fetched:
        progress = self._splits[index]
        before = progress.position
        numbers = progress.next_numbers(rows)
        try:
            values = self._make(numbers)
            timestamps = None
            if self._timestamp_fn is not None:
                timestamps = _complete(list(map(self._timestamp_fn, numbers)), numbers, "timestamp_fn")
        except BaseException:
            progress.position = before
            raise
        self._turn = index + 1
        if progress.left == 0:
            self._finished.append(progress.split.split_id)
            del self._splits[index]
            self._turn = index
        return Fetched(values, timestamps, progress.split.split_id)

    def finished_splits(self) -> list[str]:
        finished, self._finished = self._finished, []
        return finished

    def is_idle(self) -> bool:
        return not self._splits

    def next_fetch_at(self) -> float | None:
        due = [progress.due for progress in self._splits]
        if self._rate is None or not due or None in due:
            return None
        return min(at for at in due if at is not None)

    def pending(self) -> Pending:
        left = [progress.left for progress in self._splits]
        return Pending(None if None in left else sum(rows for rows in left if rows is not None))

    def snapshot(self) -> list[GeneratorSplit]:
        return [msgspec.structs.replace(p.split, position=p.position) for p in self._splits]
