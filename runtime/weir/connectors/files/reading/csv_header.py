"""The header of a CSV file: its first record, read apart from the rows, since a split may begin far behind it."""

from __future__ import annotations

import csv
from typing import NamedTuple

from weir.connectors.files.reading.chunks import Read
from weir.connectors.files.reading.csv_rows import split_lines
from weir.connectors.files.reading.rows import BOM
from weir.errors import RecordFormatError

_FIRST_BYTES = 64 * 1024
_MAX_BYTES = 16 * 1024 * 1024


class Header(NamedTuple):
    """Names of the columns, and the offset at which the rows begin."""

    fields: tuple[str, ...]
    end: int


def read_header(read: Read, delimiter: str, uri: str) -> Header:
    """The first record that is not blank. Raises ``RecordFormatError`` when it cannot be a header."""
    size = _FIRST_BYTES
    while True:
        data = read(0, size)
        header = _header_in(data, len(data) < size, delimiter, uri)
        if header is not None:
            return header
        if size >= _MAX_BYTES:
            raise RecordFormatError(
                f"{uri}, byte 0: no header in the first {size} bytes; is it a CSV file with a header line? If it has "
                "none, name the columns: FileSource.for_csv(path, fields=[...])"
            )
        size *= 4


def _header_in(data: bytes, whole: bool, delimiter: str, uri: str) -> Header | None:
    """The header in the first bytes of a file; ``None``: it may go on behind them."""
    skipped = len(BOM) if data.startswith(BOM) else 0
    known = data[skipped:] if whole else data[skipped : data.rfind(b"\n") + 1]
    lines = split_lines(known.decode(errors="surrogateescape"))  # what follows the header is not judged here
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        fields = next((record for record in reader if record), None)
    except csv.Error as error:
        if not whole:
            return None
        raise RecordFormatError(f"{uri}, byte {skipped}: the header cannot be read: {error}") from None
    if fields is None:
        return Header((), len(data)) if whole else None
    used = "".join(lines[: reader.line_num]).encode(errors="surrogateescape")
    try:
        used.decode()
    except UnicodeDecodeError as error:
        raise RecordFormatError(
            f"{uri}, byte {skipped + error.start}: the header is not UTF-8 ({error.reason}); is it a text file?"
        ) from None
    return Header(tuple(fields), skipped + len(used))


def check_fields(fields: tuple[str, ...], uri: str) -> None:
    """Raises ``RecordFormatError`` when rows could not be dicts by these names."""
    doubles = sorted({field for field in fields if fields.count(field) > 1})
    if doubles:
        raise RecordFormatError(
            f"{uri}, line 1 (byte 0): the header names {doubles[0]!r} twice; give other names: "
            "FileSource.for_csv(path, fields=[...], header=True)"
        )
