"""Finds the rows of a text that cannot be parsed: a row is broken if it cannot be parsed alone, wherever reading began.

The text is halved until a part can be parsed, or is a row. So few broken rows cost few parses, leave large batches, and a
thousand cost a thousand times that and no more; one call makes one parse, after which the data thread may do something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from weir.connectors.files.reading.rows import BrokenRows

if TYPE_CHECKING:
    import pyarrow as pa

#: Whole rows as a batch; ``None``: there are none. Raises ``ValueError`` for what cannot be parsed.
Parse = Callable[[bytes], "pa.RecordBatch | None"]

#: So few rows are judged one by one: halving them on costs more parses where every second one is broken.
_FEW = 8


class Sifted(NamedTuple):
    """Rows of which none is broken, and where they begin."""

    position: int
    batch: pa.RecordBatch


class Sieve:
    """The rows of one text that could not be parsed as a whole."""

    def __init__(self, text: bytes, position: int, parse: Parse, broken: BrokenRows, *, quotes: bool) -> None:
        """``quotes``: a newline between an odd and an even double quote ends no row."""
        self._text = text
        self._position = position
        self._parse = parse
        self._broken = broken
        self._borders = [0, *row_ends(text, quotes=quotes)]
        self._doubtful = self._parts(0, len(self._borders) - 1)  #: last first

    @property
    def left(self) -> bool:
        """Whether there is anything that was not judged."""
        return bool(self._doubtful)

    @property
    def position(self) -> int:
        """Where the first row begins that was not judged."""
        return self._position + self._borders[self._doubtful[-1][0] if self._doubtful else -1]

    def sift(self) -> Sifted | None:
        """One parse further. ``None``: it gave no rows."""
        begin, end = self._doubtful.pop()
        position = self._position + self._borders[begin]
        text = self._text[self._borders[begin] : self._borders[end]]
        try:
            batch = self._parse(text)
        except ValueError as error:
            if end - begin == 1:
                self._broken(position, text, str(error))
            else:
                self._doubtful += self._parts(begin, end)
            return None
        return None if batch is None else Sifted(position, batch)

    def _parts(self, begin: int, end: int) -> list[tuple[int, int]]:
        rows = end - begin
        width = 1 if rows <= _FEW else -(-rows // 2)
        return [(at, min(at + width, end)) for at in range(begin, end, width)][::-1]


def row_ends(text: bytes, *, quotes: bool) -> list[int]:
    """Where each row ends. Of a quote that is never closed the line is a row, and what follows is read without it."""
    ends: list[int] = []
    end, inside = 0, False
    for line in text.split(b"\n"):  # behind the last newline is an empty one
        end = min(end + len(line) + 1, len(text))
        inside = quotes and inside ^ (line.count(b'"') % 2 == 1)
        if not inside:
            ends.append(end)
    if inside:
        open_at = ends[-1] if ends else 0
        first = text.find(b"\n", open_at) + 1 or len(text)
        ends += [first, *(first + end for end in row_ends(text[first:], quotes=quotes))]
    if len(ends) > 1 and ends[-1] == ends[-2]:
        ends.pop()
    return ends
