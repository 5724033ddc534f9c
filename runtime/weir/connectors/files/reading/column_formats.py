"""The settings of formats that are read as columns. Arrow is loaded when the first split is opened, not before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weir.connectors.files.reading.chunks import Chunk, Read
from weir.connectors.files.reading.column_decoder import ColumnDecoder, TextColumnDecoder
from weir.connectors.files.reading.column_text import csv_parser, json_parser
from weir.connectors.files.reading.csv_header import Header, check_fields, read_header
from weir.connectors.files.reading.formats import Format, Start
from weir.connectors.files.reading.row_groups import Rows, row_group_batches
from weir.connectors.files.reading.rows import BrokenRows, RowDecoder
from weir.connectors.files.reading.splits import FileSplit
from weir.errors import RecordFormatError

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnFormat(Format):
    """Rows are columns; ``timestamp_column`` holds their event times."""

    columnar = True
    local_block_bytes = 1024 * 1024
    timestamp_column: str | None

    def event_times(self, rows: Any) -> Any:
        if self.timestamp_column is None:
            return None
        from weir.connectors.timestamp_column import event_times

        return event_times(rows, self.timestamp_column)


@dataclass(frozen=True)
class ParquetColumns(ColumnFormat):
    """Row groups; of them these ``columns``, or all."""

    columns: tuple[str, ...] | None
    timestamp_column: str | None
    binary = True

    def opened(
        self, split: FileSplit, read: Read, size: int, block_bytes: int
    ) -> Iterator[Start | Chunk | Rows]:
        yield Start((), 0)
        yield from row_group_batches(split, read, size, block_bytes, self.columns)

    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        return ColumnDecoder()


@dataclass(frozen=True)
class JsonColumns(ColumnFormat):
    """Lines that are JSON objects."""

    schema: pa.Schema
    timestamp_column: str | None

    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        return TextColumnDecoder(json_parser(self.schema), broken, quotes=False, given=start.given)


@dataclass(frozen=True)
class CsvColumns(ColumnFormat):
    """Records, of which the columns of the schema are taken by name."""

    schema: pa.Schema
    delimiter: str
    has_header: bool
    timestamp_column: str | None
    splittable: bool

    def header(self, read: Read, uri: str) -> Header:
        if not self.has_header:
            return Header(tuple(self.schema.names), 0)
        found = read_header(read, self.delimiter, uri)
        if found.fields:
            check_fields(found.fields, uri)
            missing = [name for name in self.schema.names if name not in found.fields]
            if missing:
                raise RecordFormatError(
                    f"{uri} has no column {', '.join(map(repr, missing))}; its header names {', '.join(found.fields)}. "
                    "Correct the schema, or give header=False for files without a header line"
                )
        return found

    def decoder(self, start: Start, broken: BrokenRows) -> RowDecoder:
        quotes = not self.splittable
        parse = csv_parser(self.schema, start.fields, self.delimiter, quotes=quotes)
        return TextColumnDecoder(parse, broken, quotes=quotes, given=start.given)
