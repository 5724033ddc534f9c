"""From the bytes of a file to chunks of whole lines: where a split really begins and ends. Pure.

``line_chunks`` asks for blocks by ``read(offset, length)``. It skips the line that a split starts within (its
predecessor reads it), and reads on over the split's end up to the end of the line that begins before it. Chunks
go to a decoder of ``formats``, directly or through ``read_ahead``. Hot path: work is a block, never a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from weir.errors import UserError

#: ``read(offset, length)``: up to ``length`` bytes, fewer only at the file's end.
Read = Callable[[int, int], bytes]

#: Blocks that reach over a split's end are at least this long: most lines are shorter.
_OVERHANG = 64 * 1024


class Chunk(NamedTuple):
    """Whole lines; only the last one of a file may lack its newline."""

    offset: int
    data: bytes

    @property
    def nbytes(self) -> int:
        """What it holds in memory."""
        return len(self.data)


class LineRange(NamedTuple):
    """Lines that begin in ``[begin, end)``."""

    begin: int
    end: int
    #: Whether a line begins at ``begin``; if not known, the byte before it is looked at.
    aligned: bool


def line_chunks(read: Read, lines: LineRange, block_bytes: int, uri: str) -> Iterator[Chunk]:
    """The lines of a range, about a block at a time. Raises ``UserError`` when the file ends before the range."""
    blocks = _Blocks(read, lines, block_bytes, uri)
    if lines.begin >= lines.end or not blocks.align():
        return
    tail: list[bytes] = []  # of a line longer than a block
    tail_at = blocks.at
    while blocks.data or blocks.next():
        data = blocks.data
        stop = data.find(b"\n", max(0, lines.end - 1 - blocks.at)) + 1
        cut = stop or data.rfind(b"\n") + 1
        if cut:
            tail.append(data[:cut])
            yield Chunk(tail_at, b"".join(tail))
            tail, tail_at = [], blocks.at + cut
        if stop:
            return
        if cut < len(data):
            tail.append(data[cut:] if cut else data)
        blocks.take()
    if tail:
        yield Chunk(tail_at, b"".join(tail))


class _Blocks:
    """The blocks of a range, one at a time: ``data`` lies at offset ``at``."""

    def __init__(self, read: Read, lines: LineRange, block_bytes: int, uri: str) -> None:
        self._uri = uri
        self._read = read
        self._lines = lines
        self._block_bytes = block_bytes
        self.at = lines.begin if lines.aligned else lines.begin - 1
        self.data = b""

    def align(self) -> bool:
        """Go to the first line that begins in the range; ``False`` if there is none."""
        if self._lines.aligned:
            return True
        while self.next():
            newline = self.data.find(b"\n")
            if newline >= 0:
                self.at += newline + 1
                self.data = self.data[newline + 1 :]
                return self.at < self._lines.end
            self.take()
        return False

    def next(self) -> bool:
        """Read a block behind the current one (which must be taken); ``False`` at the file's end."""
        left = self._lines.end - self.at
        self.data = self._read(self.at, min(self._block_bytes, max(left, 0) + _OVERHANG))
        if not self.data and left > 0:
            raise UserError(
                f"{self._uri} ends at byte {self.at}, but had {self._lines.end} or more bytes when it was found: input "
                "files must not be cut or replaced while a job reads them; restore the file, or start without state"
            )
        return bool(self.data)

    def take(self) -> None:
        """The current block is used up."""
        self.at += len(self.data)
        self.data = b""
