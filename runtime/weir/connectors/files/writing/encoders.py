"""From rows to bytes: JSON lines, text lines, CSV. Hot path: one call into C for a batch.

A row that cannot be written is found by writing the batch again row by row, and named in a ``UserError``.
"""

from __future__ import annotations

import csv
import io
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from weir.errors import UserError, is_text

_EXCERPT_CHARS = 200
_BOTH_ENDS = "\r\n"


class RowEncoder(ABC):
    """Made per writer."""

    suffix: str

    @property
    def head(self) -> bytes:
        """What every file begins with."""
        return b""

    @abstractmethod
    def encode(self, values: list[Any]) -> bytes:
        """A line a value. Raises ``UserError`` for one that cannot be written."""


class JsonLinesEncoder(RowEncoder):
    """Any JSON-able value: tuples and sets as lists, dataclasses as objects, datetimes in ISO 8601, NaN as null."""

    suffix = ".jsonl"

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder(enc_hook=_plain_of)

    def encode(self, values: list[Any]) -> bytes:
        try:
            return self._encoder.encode_lines(values)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            for value in values:
                try:
                    self._encoder.encode(value)
                except (TypeError, ValueError, OverflowError, RecursionError) as of_value:
                    raise _cannot_write(
                        "JSON", value, str(of_value), "map it to plain values first"
                    ) from None
            raise _cannot_write("JSON", values, str(error), "map it to plain values first") from None


class TextLinesEncoder(RowEncoder):
    """``str(value)``, one line each."""

    suffix = ".txt"

    def encode(self, values: list[Any]) -> bytes:
        text = "\n".join(map(str, values)) + "\n" if values else ""
        if text.count("\n") != len(values):
            broken = next(value for value in values if "\n" in str(value))
            raise _cannot_write(
                "text lines", broken, "it holds a newline", "replace it, or use FileSink.for_json_lines"
            )
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            broken = next(value for value in values if not is_text(str(value)))
            raise _cannot_write("text lines", broken, str(error), "remove lone surrogates") from None


class CsvEncoder(RowEncoder):
    """Dicts by the names of the header, or sequences in its order; every file begins with the header."""

    suffix = ".csv"

    def __init__(self, header: tuple[str, ...], delimiter: str) -> None:
        self._header = header
        self._delimiter = delimiter
        self._get = operator.itemgetter(*header)

    @property
    def head(self) -> bytes:
        return self._written([self._header])

    def encode(self, values: list[Any]) -> bytes:
        kinds = set(map(type, values))
        width = len(self._header)
        plain = width > 1 and kinds <= {dict, tuple, list} and set(map(len, values)) == {width}
        if plain and dict not in kinds:
            return self._written(values)
        if plain and len(kinds) == 1:
            try:
                return self._written(list(map(self._get, values)))
            except KeyError:
                pass  # named below
        return self._written([self._cells(value) for value in values])

    def _cells(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, Mapping):
            if len(value) == len(self._header) and all(name in value for name in self._header):
                return tuple([value[name] for name in self._header])
            missing = [name for name in self._header if name not in value]
            fault = f"it lacks {missing[0]!r}" if missing else "it has more keys than the header names"
        elif isinstance(value, tuple | list):
            if len(value) == len(self._header):
                return tuple(value)
            fault = f"it has {len(value)} items"
        else:
            fault = "it is neither a dict nor a tuple or list"
        raise _cannot_write(
            f"CSV with the header {list(self._header)}", value, fault, "map it to such rows first"
        )

    def _written(self, rows: Sequence[Sequence[Any]]) -> bytes:
        text = self._text(rows, "\n")
        if "\r" in text:  # the csv module quotes characters of the end of a line only
            text = "".join(f"{self._text([row], _BOTH_ENDS).removesuffix(_BOTH_ENDS)}\n" for row in rows)
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            broken = next(row for row in rows if not is_text("".join(map(str, row))))
            raise _cannot_write("CSV", broken, str(error), "remove lone surrogates") from None

    def _text(self, rows: Sequence[Sequence[Any]], end: str) -> str:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self._delimiter, lineterminator=end).writerows(rows)
        return out.getvalue()


def _plain_of(value: Any) -> Any:
    """Scalars and arrays of numpy and its like say themselves what they are in plain Python."""
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    as_key = " as a dict's key" if isinstance(value, tuple | frozenset) else ""
    raise TypeError(f"{type(value).__qualname__} has no JSON form{as_key}")


def _cannot_write(form: str, value: Any, reason: str, hint: str) -> UserError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    excerpt = repr(value)
    if len(excerpt) > _EXCERPT_CHARS:
        excerpt = excerpt[:_EXCERPT_CHARS] + "..."
    return UserError(
        f"FileSink cannot write a value of type {kind} as {form}: {reason}; {hint}. The value: {excerpt}"
    )
