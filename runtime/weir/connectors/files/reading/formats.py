"""The settings of a format, and how a split of a file in that format is opened.

``opened`` is a generator over blocks of one file: first a :class:`Start` (what a decoder needs to know, such as
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
from weir.connectors.files.reading.rows import BrokenRows, RowDecoder
from weir.connectors.files.reading.splits import FileSplit


class Start(NamedTuple):
    """What a decoder needs to know before the first chunk."""

    fields: tuple[str, ...]


class Format(ABC):
    """Settings only; one decoder per split."""

    #: Whether a file may be cut at any newline.
    splittable: bool = True

    def header(self, read: Read, uri: str) -> Header:
        """What precedes the rows of a file."""
        return Header((), 0)

    @abstractmethod
    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        """For the chunks that follow ``start``."""


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


def opened(format_: Format, split: FileSplit, read: Read, block_bytes: int) -> Iterator[Start | Chunk]:
    """The rows of ``split``, from its position on. Raises what ``read`` raises, and ``RecordFormatError``."""
    header = format_.header(read, split.uri)
    if split.position is not None:
        begin, aligned = max(split.position, header.end), True
    else:
        begin, aligned = max(split.start, header.end), split.start <= header.end
    yield Start(header.fields)
    yield from line_chunks(read, LineRange(begin, split.end, aligned), block_bytes, split.uri)
