"""The settings of a format, and how a split of a file in that format is opened.

``Format.opened`` is a generator over blocks of one file: first a :class:`Start` (what a decoder needs to know, such as
the CSV header), then chunks. It may run on the data thread or ahead of it on a thread of its own (``intake``);
decoding always happens on the data thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from weir.connectors.files.reading.chunks import Chunk, LineRange, Read, line_chunks
from weir.connectors.files.reading.csv_header import Header, check_fields, read_header
from weir.connectors.files.reading.csv_rows import CsvDecoder, CsvShape
from weir.connectors.files.reading.lines import JsonDecoder, TextDecoder
from weir.connectors.files.reading.row_groups import Rows
from weir.connectors.files.reading.rows import BrokenRows, RowDecoder
from weir.connectors.files.reading.splits import FileSplit


class Start(NamedTuple):
    """What a decoder needs to know before the first chunk."""

    fields: tuple[str, ...]
    #: Rows, from the first chunk on, that were given before a restore.
    given: int = 0


class Format(ABC):
    """Settings only; one decoder per split."""

    #: Whether a file may be cut at any newline.
    splittable: bool = True
    #: Whether rows are columns.
    columnar: bool = False
    #: Whether the bytes of a file are no text.
    binary: bool = False
    #: What is read at once of a local file.
    local_block_bytes: int = 256 * 1024

    def header(self, read: Read, uri: str) -> Header:
        """What precedes the rows of a file."""
        return Header((), 0)

    def opened(
        self, split: FileSplit, read: Read, size: int, block_bytes: int
    ) -> Iterator[Start | Chunk | Rows]:
        """The rows of ``split`` in a file of ``size`` bytes, from its position on.

        Raises what ``read`` raises, and ``RecordFormatError``.
        """
        header = self.header(read, split.uri)
        if split.position is not None:
            begin, aligned = max(split.position, header.end), True
        else:
            begin, aligned = max(split.start, header.end), split.start <= header.end
        yield Start(header.fields, split.given)
        yield from line_chunks(read, LineRange(begin, split.end, aligned), block_bytes, split.uri)

    @abstractmethod
    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        """For the chunks that follow ``start``."""

    def event_times(self, rows: Any) -> Any:
        """The event times that are in the rows, if any are."""
        return None


@dataclass(frozen=True)
class TextLines(Format):
    """A row is a line."""

    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        return TextDecoder(broken)


@dataclass(frozen=True)
class JsonLines(Format):
    """A row is the JSON value of a line, checked against ``type``."""

    type: Any = Any

    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        return JsonDecoder(broken, msgspec.json.Decoder(self.type))


@dataclass(frozen=True)
class CsvRows(Format):
    """A row is a record as a dict; ``fields`` are the names when the header does not say them."""

    delimiter: str
    fields: tuple[str, ...] | None
    has_header: bool
    splittable: bool

    def header(self, read: Read, uri: str) -> Header:
        found = read_header(read, self.delimiter, uri) if self.has_header else Header((), 0)
        if self.fields is not None:
            return Header(self.fields, found.end)
        check_fields(found.fields, uri)
        return found

    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        shape = CsvShape(start.fields, self.delimiter, multi_line=not self.splittable)
        return CsvDecoder(broken, shape)
