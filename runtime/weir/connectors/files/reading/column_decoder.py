"""Columns of one split: blocks of text, or rows of a row group, become Arrow batches. Hot path: work is a block, never a row.

Rows of a block have no offsets of their own: the position is that of the block, with the number of its rows that were
given. The formats of ``column_text`` say what a text means; a text with a broken row goes through a ``sieve``, whose parts have
positions of their own.
"""

from __future__ import annotations

from typing import Any

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.csv_rows import MAX_RECORD_BYTES
from weir.connectors.files.reading.row_groups import Rows
from weir.connectors.files.reading.rows import BOM, BrokenRows
from weir.connectors.files.reading.sieve import Parse, Sieve

#: Of parts of a text with broken rows, before the data thread may do something else.
_MOST_PARSES = 64


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
        self._batch = batch if batch is not None and batch.num_rows else None
        self.exhausted = self._batch is None


class TextColumnDecoder(ColumnDecoder):
    """Rows of text. ``given`` of them, from the first block on, were given before a restore."""

    def __init__(self, parse: Parse, broken: BrokenRows, *, quotes: bool, given: int) -> None:
        """``quotes``: a newline between an odd and an even double quote ends no row."""
        super().__init__()
        self._parse = parse
        self._broken = broken
        self._quotes = quotes
        self._left_out = given
        self._sieve: Sieve | None = None  #: of the text, where it has broken rows
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

    def take(self, max_rows: int) -> Any:
        rows: Any = []
        for _ in range(_MOST_PARSES):
            if self._batch is not None:
                rows = super().take(max_rows)
                break
            if self._sieve is None or not self._sieve.left:
                break
            sifted = self._sieve.sift()
            if sifted is None:
                self._hold(self._sieve.position, self._left_out, None)
            else:
                self._hold_rows(sifted.position, sifted.batch)
        self.exhausted = self._batch is None and (self._sieve is None or not self._sieve.left)
        return rows

    def _hold_text(self, position: int, text: bytes) -> None:
        self._sieve = None
        try:
            self._hold_rows(position, self._parse(text))
        except ValueError:
            self._hold(position, self._left_out, None)
            self._sieve = Sieve(text, position, self._parse, self._broken, quotes=self._quotes)
            self.exhausted = False

    def _hold_rows(self, position: int, batch: Any) -> None:
        known = 0 if batch is None else min(batch.num_rows, self._left_out)
        self._hold(position, self._left_out, None if batch is None else batch.slice(known))
        self._left_out -= known


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
