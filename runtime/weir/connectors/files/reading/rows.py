"""What every format has in common: how rows are taken from chunks, and what becomes of a row that is broken.

``lines`` (text, JSON lines), ``csv_rows`` and ``column_decoder`` fulfil :class:`RowDecoder`; ``reader`` drives it: ``load`` a chunk,
``take`` rows until it is ``exhausted``, ``load`` the next, ``end`` behind the last one of the split.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from weir.errors import RecordFormatError

BOM = b"\xef\xbb\xbf"

_EXCERPT_CHARS = 200


class RowDecoder(Protocol):
    """Rows of one split, with the byte offset of the next one always known."""

    position: int  #: byte offset of the next row; means nothing before the first ``load``
    given: int  #: rows behind ``position`` that were taken; of rows that have offsets always 0
    exhausted: bool  #: ``take`` has nothing before the next ``load``

    def load(self, chunk: Any) -> None:
        """The chunk that follows the last one."""
        ...

    def take(self, max_rows: int) -> Any:
        """Rows of up to ``max_rows`` lines; fewer, even none, where lines are blank or skipped."""
        ...

    def end(self) -> None:
        """Nothing follows."""
        ...


class BrokenRows:
    """Called for each row that cannot be parsed: fails the job, or counts and goes on."""

    def __init__(self, uri: str, skip: bool, line_at: Callable[[int], int] | None = None) -> None:
        """``line_at`` finds the line number of a byte offset, where that is affordable."""
        self._uri = uri
        self._skip = skip
        self._line_at = line_at
        #: How many rows were skipped so far, and what was wrong with the first.
        self.skipped = 0
        self.first: str | None = None

    def __call__(self, offset: int, row: str | bytes, reason: str) -> None:
        if self._skip and self.skipped:
            self.skipped += 1
            return
        text = row if isinstance(row, str) else row[: 4 * _EXCERPT_CHARS].decode("utf-8", "backslashreplace")
        excerpt = repr(text[:_EXCERPT_CHARS]) + ("..." if len(text) > _EXCERPT_CHARS else "")
        place = f"byte {offset}"
        if self._line_at is not None:
            place = f"line {self._line_at(offset)} ({place})"
        message = f"{self._uri}, {place}: {reason}; the row begins with {excerpt}"
        if not self._skip:
            raise RecordFormatError(f"{message}. Correct or remove it, or read with on_error='skip'")
        self.skipped, self.first = 1, message
