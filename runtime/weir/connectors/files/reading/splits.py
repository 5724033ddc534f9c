"""What a file source reads: files, and the byte ranges that they are cut into. Pure.

A split ``[start, end)`` holds the rows that BEGIN in that range (of Parquet: the row groups), so neighbours need not
agree on anything but their common border. ``enumerator`` makes splits, ``chunks`` reads them.
"""

from __future__ import annotations

import msgspec


class FoundFile(msgspec.Struct, frozen=True):
    """An input file, by the storage root it was found below."""

    root: str
    name: str
    size: int


class FileSplit(msgspec.Struct, frozen=True):
    """The rows of a file that begin in ``[start, end)``, without the first ``given`` from byte ``position`` on."""

    root: str
    name: str
    start: int
    end: int
    #: Offset of the next row; ``None`` before the first row was looked for.
    position: int | None = None
    #: How many rows behind ``position`` were given: columns are read in blocks, whose rows have no offsets.
    given: int = 0

    @property
    def uri(self) -> str:
        """The file, for messages."""
        return f"{self.root}{'' if self.root.endswith('/') else '/'}{self.name}"

    @property
    def split_id(self) -> str:
        """Unique within a source."""
        return f"{self.uri}@{self.start}"


def cut(file: FoundFile, target_bytes: int | None) -> list[FileSplit]:
    """Splits of about ``target_bytes``, equal in size (``None``: one split). An empty file has none."""
    if file.size == 0:
        return []
    parts = 1 if target_bytes is None else max(1, -(-file.size // target_bytes))
    borders = [file.size * part // parts for part in range(parts + 1)]
    return [
        FileSplit(file.root, file.name, borders[part], borders[part + 1])
        for part in range(parts)
        if borders[part] < borders[part + 1]
    ]


def is_hidden(name: str) -> bool:
    """Whether a part of ``name`` begins with ``.`` or ``_``: files in progress, markers, not input."""
    return any(part.startswith((".", "_")) for part in name.split("/"))
