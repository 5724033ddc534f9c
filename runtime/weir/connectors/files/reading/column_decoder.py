"""Columns of one split: blocks of text, or rows of a row group, become Arrow batches. Hot path: work is a block, never a row.

Rows of a block have no offsets of their own: the position is that of the block, with the number of its rows that were
given. The formats of ``column_text`` say what a text means.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.csv_rows import MAX_RECORD_BYTES
from weir.connectors.files.reading.row_groups import Rows
from weir.connectors.files.reading.rows import BOM, BrokenRows

if TYPE_CHECKING:
    import pyarrow as pa

#: Whole rows as a batch; ``None``: there are none. Raises ``ValueError`` for what cannot be parsed.
Parse = Callable[[bytes], "pa.RecordBatch | None"]


class ColumnDecoder:
    """Gives the rows of batches as slices, which copies nothing."""

    def __init__(self) -> None:
        self.position = 0
        self.given = 0
        self.exhausted = True
        self._batch: Any = None
        self._at = 0  #: rows of the batch that were taken

    def load(self, chunk: Any) -> None:
        rows: Rows = chunk
        self._hold(rows.offset, rows.given, rows.data)

    def take(self, max_rows: int) -> Any:
        rows = self._batch.slice(self._at, max_rows)
        self._at += rows.num_rows
        self.given += rows.num_rows
        if self._at == self._batch.num_rows:
            self._batch, self.exhausted = None, True
        return rows

    def end(self) -> None:
        pass

    def _hold(self, position: int, given: int, batch: Any) -> None:
        self.position, self.given, self._at = position, given, 0
        self._batch = batch
        self.exhausted = batch is None or not batch.num_rows


class TextColumnDecoder(ColumnDecoder):
    """Rows of text. ``given`` of them, from the first block on, were given before a restore."""

    def __init__(self, parse: Parse, broken: BrokenRows, *, quotes: bool, given: int) -> None:
        """``quotes``: a newline between an odd and an even double quote ends no row."""
        super().__init__()
        self._parse = parse
        self._broken = broken
        self._quotes = quotes
        self._left_out = given
        self._open: list[bytes] = []  #: a row that goes on in the next block, from ``_open_at`` on
        self._open_at = 0
        self._open_bytes = 0

    def load(self, chunk: Any) -> None:
        block: Chunk = chunk
        offset, data = block.offset, block.data
        if offset == 0 and data.startswith(BOM):
            offset, data = len(BOM), data[len(BOM) :]
        cut = closed_end(data, inside=bool(self._open)) if self._quotes else len(data)
        if not cut and not self._open:
            self._hold(offset, self._left_out, None)
        if cut:
            text = b"".join((*self._open, data[:cut]))
            self._hold_text(self._open_at if self._open else offset, text)
            self._open, self._open_bytes = [], 0
        if cut < len(data):
            self._keep_open(offset + cut, data[cut:])

    def end(self) -> None:
        if self._open:
            text = b"".join(self._open)
            self._open = []
            self._hold_text(self._open_at, text)

    def _keep_open(self, offset: int, data: bytes) -> None:
        if not self._open:
            self._open_at = offset
        self._open.append(data)
        self._open_bytes += len(data)
        if self._open_bytes > MAX_RECORD_BYTES:
            self._broken(self._open_at, self._open[0], "a quote is opened and never closed")
            self._open, self._open_bytes = [], 0

    def _hold_text(self, position: int, text: bytes) -> None:
        batch = self._batch_of(position, text)
        known = 0 if batch is None else min(batch.num_rows, self._left_out)
        self._hold(position, self._left_out, None if batch is None else batch.slice(known))
        self._left_out -= known

    def _batch_of(self, position: int, text: bytes) -> Any:
        """All rows of the text; where one is broken and may be left out, those before and behind it."""
        import pyarrow as pa

        good: list[Any] = []
        while text:
            try:
                good.append(self._parse(text))
                break
            except ValueError as error:
                before, row, reason = self._first_broken(text, error)
            self._broken(position + len(before), row, reason)
            good.append(self._parse(before) if before else None)
            position += len(before) + len(row)
            text = text[len(before) + len(row) :]
        found = [batch for batch in good if batch is not None]
        return pa.Table.from_batches(found).combine_chunks().to_batches()[0] if found else None

    def _first_broken(self, text: bytes, error: ValueError) -> tuple[bytes, bytes, str]:
        """What stands before the first row that cannot be parsed, that row, and why."""
        ends = list(_row_ends(text, quotes=self._quotes))
        reasons = {len(ends) - 1: str(error)}

        def fails(number: int) -> bool:
            try:
                self._parse(text[: ends[number]])
            except ValueError as found:
                reasons[number] = str(found)
                return True
            return False

        number = bisect_left(range(len(ends) - 1), True, key=fails)
        begin = ends[number - 1] if number else 0
        row = text[begin : ends[number]]
        if self._quotes and row.count(b'"') % 2:  # a quote that is never closed: its line is at fault
            row = row[: row.find(b"\n") + 1] or row
        return text[:begin], row, reasons[number]


def closed_end(data: bytes, *, inside: bool) -> int:
    """Where the last line ends that no quote is open behind; 0: there is none. ``inside``: one is open before ``data``."""
    end = len(data)
    is_open = (data.count(b'"') + inside) % 2
    while is_open:
        newline = data.rfind(b"\n", 0, end - 1)
        if newline < 0:
            return 0
        is_open ^= data.count(b'"', newline + 1, end) % 2
        end = newline + 1
    return end


def _row_ends(text: bytes, *, quotes: bool) -> Iterator[int]:
    end, inside = (
        0,
        False,
    )  # behind the last newline is an empty line, whose end is that of the text once more
    for line in text.split(b"\n"):
        end = min(end + len(line) + 1, len(text))
        inside = quotes and inside ^ (line.count(b'"') % 2 == 1)
        if not inside:
            yield end
    if inside:
        yield end
