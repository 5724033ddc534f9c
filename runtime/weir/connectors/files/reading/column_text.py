"""CSV and JSON lines as columns of a schema: parsed in C, a block at a time. Hot path: work is a block, never a row.

The schema is asked for, not guessed: a block of whole numbers and a block of fractions must give the same columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from weir.connectors.files.reading.rows import BOM

if TYPE_CHECKING:
    import pyarrow as pa

_TYPED_DICT: Any = TypedDict
_ROW_NUMBER = re.compile(r"\bRow #\d+: ")  #: of a block, whose place nobody knows
_GOES_ON = "a quoted field goes on over the end of the line, so the file cannot be read in parts: leave out splittable=True"


def csv_parser(
    schema: pa.Schema, fields: Sequence[str], delimiter: str, *, quotes: bool
) -> Callable[[bytes], Any]:
    """Records with these ``fields`` as columns of the schema. Raises ``ValueError`` for a record that does not fit."""
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=quotes)
    convert = csv.ConvertOptions(
        column_types={field.name: field.type for field in schema},
        include_columns=schema.names,
        null_values=[""],  # by default also NA, NULL, nan and the like, which rows would give as they are
    )

    def parsed(text: bytes) -> Any:
        if text.count(b'"') % 2:  # Arrow would close it at the end
            raise ValueError("a quote is opened and never closed" if quotes else _GOES_ON)
        if not text.strip(b"\r\n"):  # Arrow takes no text of empty lines only
            return None
        if text.startswith(BOM):  # within a file it is text, which Arrow must not leave out
            text = b"\n" + text
        read = csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=list(fields))
        try:  # read_csv does the same, and starts a thread: much for a text of one row
            found = _one(csv.open_csv(pa.BufferReader(text), read, parse, convert).read_all())
        except pa.ArrowInvalid as error:
            raise ValueError(_ROW_NUMBER.sub("", str(error))) from error
        if not quotes and found.num_rows != _records_in(text):
            raise ValueError(_GOES_ON)
        return found

    return parsed


def _records_in(text: bytes) -> int:
    """How many lines are not empty."""
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    if b"\n\n" in text or b"\n\r" in text or text.startswith((b"\n", b"\r")):
        return sum(1 for line in text.split(b"\n") if line.strip(b"\r"))
    return lines


def json_parser(schema: pa.Schema) -> Callable[[bytes], Any]:
    """Objects as columns of the schema; other members are left out, missing ones null.

    Raises ``ValueError`` for a line that does not fit. Arrow has a reader of its own, but a line that is ``null`` ends its
    process; msgspec, told which members to take, is as fast.
    """
    import pyarrow as pa

    places = {f"_{number}": name for number, name in enumerate(schema.names)}
    members = [(place, json_type(field.type), None) for place, field in zip(places, schema, strict=True)]
    taken = msgspec.defstruct("Taken", members, rename=places, gc=False)
    decode = msgspec.json.Decoder(taken).decode_lines
    values = attrgetter(*places)  # a tuple, unless there is one only

    def parsed(text: bytes) -> Any:
        try:
            rows = decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(str(error)) from error
        if not rows:
            return None
        if not _is_each_a_line(text, len(rows)):
            raise ValueError("a line must be one JSON object")
        found = map(values, rows)
        columns = zip(*found, strict=True) if len(places) > 1 else [list(found)]
        return pa.RecordBatch.from_arrays(
            [_json_column(column, field) for column, field in zip(columns, schema, strict=False)],
            names=schema.names,
        )

    return parsed


def _is_each_a_line(text: bytes, objects: int) -> bool:
    """Whether a line is an object. One that goes on over the end of a line has no ``}`` before it and ``{`` behind it."""
    if text.count(b"}\n{") == objects - 1 == text.count(b"\n") - text.endswith(b"\n"):
        return True
    lines = [line for line in map(bytes.strip, text.split(b"\n")) if line]
    return len(lines) == objects and all(line[:1] + line[-1:] == b"{}" for line in lines)


def _json_column(values: Sequence[Any], field: pa.Field) -> Any:
    """Times come as text, in ISO 8601, or as numbers in the unit of the type; a column may have both."""
    import pyarrow as pa

    try:
        if not pa.types.is_temporal(field.type) or not any(isinstance(value, str) for value in values):
            return pa.array(values, field.type)
        texts = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
        numbers = pa.array([None if isinstance(value, str) else value for value in values], field.type)
        return texts.cast(field.type).fill_null(numbers)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{field.name!r} cannot be read as {field.type}: {error}") from error


def json_type(type_: Any) -> Any:
    """What msgspec is to take for an Arrow type: Arrow itself would make 1 of 1.5."""
    import pyarrow as pa

    kinds = pa.types
    found: Any = Any
    if kinds.is_integer(type_):
        found = int
    elif kinds.is_floating(type_):
        found = float
    elif kinds.is_string(type_) or kinds.is_large_string(type_):
        found = str
    elif kinds.is_boolean(type_):
        found = bool
    elif kinds.is_temporal(type_):
        found = int | str
    elif kinds.is_decimal(type_):
        found = Decimal
    elif kinds.is_list(type_) or kinds.is_large_list(type_):
        found = list[json_type(type_.value_type)]  # type: ignore[misc]
    elif kinds.is_struct(type_):
        found = _TYPED_DICT("Members", {field.name: json_type(field.type) for field in type_}, total=False)
    elif kinds.is_dictionary(type_):
        return json_type(type_.value_type)
    return found | None


def csv_fault(schema: pa.Schema) -> str:
    """Which column cannot be read from CSV, and why; empty: all can."""
    return _fault(schema, lambda one: csv_parser(one, one.names, ",", quotes=True), b'""\n')


def json_fault(schema: pa.Schema) -> str:
    """Which column cannot be read from JSON lines, and why; empty: all can."""
    return _fault(schema, json_parser, b"{}\n")


def _fault(schema: pa.Schema, parser: Callable[[pa.Schema], Callable[[bytes], Any]], null: bytes) -> str:
    import pyarrow as pa

    for field in schema:
        try:
            parser(pa.schema([field]))(null)
        except (pa.ArrowException, ValueError) as error:
            return f"the column {field.name!r} of type {field.type}: {error}"
    return ""


def _one(table: Any) -> Any:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else None
