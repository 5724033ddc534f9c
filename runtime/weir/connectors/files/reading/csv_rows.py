"""CSV rows as dicts of strings by the names of the header. Hot path: the csv module's C code, then one ``dict`` a row.

A field in quotes may hold newlines, so a chunk's last record may be open at its end. To see that, every chunk is
parsed with a sentinel line behind it: a record that takes it in is open, and is kept for the next chunk. Batches in which anything is odd (an open or broken record, a blank
line, a wrong number of fields) are parsed again, record by record. ``csv_header`` reads the names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.rows import BOM, BrokenRows

#: A record that grows over this is taken for a quote that was never closed.
MAX_RECORD_BYTES = 256 * 1024 * 1024

_NEVER_CLOSED = "a quote is opened and never closed"
_NOT_SPLITTABLE = "a quoted field goes on over the end of the line, so the file cannot be read in parts: leave out splittable=True"


class CsvShape(NamedTuple):
    """How records are to be read."""

    fields: tuple[str, ...]
    delimiter: str
    #: Whether a quoted field may hold newlines; then a file cannot be split.
    multi_line: bool


class CsvDecoder:
    """Records of one split."""

    given = 0

    def __init__(self, broken: BrokenRows, shape: CsvShape) -> None:
        self.position = 0
        self.exhausted = True
        self._broken = broken
        self._shape = shape
        self._width = {len(shape.fields)}
        self._sentinel = ["\x02", "\x03"]
        self._lines: list[str] = []  #: of the chunk, with their newlines
        self._at = 0  #: the line at which the next record begins
        self._is_utf8 = True
        self._is_ascii = True
        self._final = False  #: nothing follows the chunk
        self._open: list[bytes] = []  #: an open record, and what came behind it
        self._open_bytes = 0
        self._parse_at = 0  #: it is parsed again when it has grown to this many bytes
        self._reader = self._read_on()
        csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD_BYTES))

    def load(self, chunk: Chunk) -> None:
        offset, data = chunk
        if offset == 0 and data.startswith(BOM):
            offset, data = len(BOM), data[len(BOM) :]
        if not self._open:
            self.position, self._open_bytes, self._parse_at = offset, 0, 0
        self._open.append(data)
        self._open_bytes += len(data)
        if self._open_bytes >= self._parse_at:
            self._parse()

    def end(self) -> None:
        self._final = True
        if self._open:
            self._parse()

    def take(self, max_rows: int) -> list[Any]:
        before, left = self._reader.line_num, len(self._lines) - self._at
        try:
            records = list(islice(self._reader, max_rows))
        except csv.Error:
            return self._take_each(max_rows)
        used = self._reader.line_num - before
        if used > left and records.pop() == self._sentinel:
            used = left
        plain = used == len(records) or (self._shape.multi_line and used <= left)
        if not plain or not self._is_utf8 or not self._width.issuperset(map(len, records)):
            return self._take_each(max_rows)
        self._advance(used)
        fields = self._shape.fields
        return [dict(zip(fields, record)) for record in records]  # noqa: B905  strict costs 100 ns a row

    def _take_each(self, max_rows: int) -> list[Any]:
        """The same from the same place, record by record."""
        rows: list[Any] = []
        reader = self._read_on()
        end = min(len(self._lines), self._at + max_rows)
        while self._at < end:
            before, record, reason = reader.line_num, [], ""
            try:
                record = next(reader)
            except csv.Error as error:
                reason = str(error)
            used = reader.line_num - before
            is_open = self._at + used > len(self._lines)
            if is_open and self._may_close():
                self._keep_open()
                break
            if is_open or (used > 1 and not self._shape.multi_line):
                reason = _NEVER_CLOSED if self._shape.multi_line else _NOT_SPLITTABLE
                used = 1
            if reason or (record and (reason := self._fault_of(record))):
                self._broken(self.position, "".join(self._lines[self._at : self._at + used]), reason)
            elif record:
                rows.append(dict(zip(self._shape.fields, record, strict=True)))
            self._advance(used)
            if reason:
                reader = self._read_on()
        self._reader = self._read_on()
        return rows

    def _fault_of(self, record: list[str]) -> str:
        if not self._is_utf8 and any("\udc80" <= char <= "\udcff" for char in "".join(record)):
            return "not UTF-8"
        if len(record) != len(self._shape.fields):
            return f"{len(record)} fields, but the header names {len(self._shape.fields)}"
        return ""

    def _may_close(self) -> bool:
        return self._shape.multi_line and not self._final and self._open_bytes <= MAX_RECORD_BYTES

    def _parse(self) -> None:
        data = b"".join(self._open)
        self._open = []
        try:
            text = data.decode()
            self._is_utf8 = True
        except UnicodeDecodeError:
            text = data.decode(errors="surrogateescape")
            self._is_utf8 = False
        self._is_ascii = len(text) == len(data)
        self._lines = split_lines(text)
        self._at = 0
        self.exhausted = not self._lines
        self._reader = self._read_on()

    def _keep_open(self) -> None:
        rest = "".join(self._lines[self._at :]).encode(errors="surrogateescape")
        self._open, self._open_bytes, self._parse_at = [rest], len(rest), 2 * len(rest)
        self._lines = self._lines[: self._at]
        self.exhausted = True

    def _read_on(self) -> Any:
        lines: Iterator[str] = chain(self._lines[self._at :], (self._shape.delimiter.join(self._sentinel),))
        return csv.reader(lines, delimiter=self._shape.delimiter, strict=True)

    def _advance(self, lines: int) -> None:
        used = self._lines[self._at : self._at + lines]
        if self._is_ascii:
            self.position += sum(map(len, used))
        else:
            self.position += len("".join(used).encode(errors="surrogateescape"))
        self._at += lines
        self.exhausted = self._at == len(self._lines)


def split_lines(text: str) -> list[str]:
    """Lines with their ends. ``str.splitlines`` would also split at form feeds and other separators."""
    return list(io.StringIO(text, newline="\n"))
