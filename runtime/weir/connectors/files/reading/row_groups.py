"""Parquet: the row groups of a split, as batches of columns, by range reads of any storage. Hot path: work is a batch.

A row group belongs to the split in whose range its first byte lies. Its offset and the number of its rows that were given
are the position: after a restore the group is decoded again up to there, and none of its rows is given twice.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from weir.connectors.files.reading.chunks import Read
from weir.connectors.files.reading.splits import FileSplit
from weir.errors import RecordFormatError, UserError

if TYPE_CHECKING:
    import pyarrow as pa

#: What columns hold best at once, see ``operators.source``.
_BATCH_ROWS = 32768


class Rows(NamedTuple):
    """Some rows of a row group."""

    offset: int  #: of the group in the file
    given: int  #: rows of the group that come before these
    data: pa.RecordBatch

    @property
    def nbytes(self) -> int:
        """What it holds in memory."""
        size: int = self.data.nbytes
        return size


def row_group_batches(
    split: FileSplit, read: Read, size: int, block_bytes: int, columns: Sequence[str] | None
) -> Iterator[Rows]:
    """The rows of ``split``, from its position on; ``size`` is that of the file, ``block_bytes`` that of a read.

    Raises what ``read`` raises, ``RecordFormatError`` for what is no such file, ``UserError`` for one that changed.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with pa.PythonFile(_RangeFile(read, size), mode="r") as file:
            found = parquet.ParquetFile(file, buffer_size=block_bytes, pre_buffer=False)
            _check_columns(found.schema_arrow, columns, split.uri)
            for group, offset, skipped in _groups(found.metadata, split):
                given = 0
                for batch in found.iter_batches(
                    _BATCH_ROWS,
                    [group],
                    columns=None if columns is None else list(columns),
                    use_threads=False,
                ):
                    given += batch.num_rows
                    if given > skipped:
                        kept = min(batch.num_rows, given - skipped)
                        yield Rows(offset, given - kept, batch.slice(batch.num_rows - kept))
    except pa.ArrowInvalid as error:
        raise RecordFormatError(f"{split.uri} cannot be read as a Parquet file: {error}") from error
    except OSError as error:
        if type(error) is not OSError:  # a fault of the storage, which has its own words
            raise
        raise RecordFormatError(f"{split.uri} is damaged: {error}; write it again") from error


def _groups(metadata: Any, split: FileSplit) -> Iterator[tuple[int, int, int]]:
    """Number, offset and rows to be left out of each row group of the split that is not given yet."""
    found = [(number, _offset_of(metadata.row_group(number))) for number in range(metadata.num_row_groups)]
    begin = split.start if split.position is None else split.position
    if split.position is not None and all(offset != begin for _, offset in found):
        raise UserError(
            f"{split.uri} has no row group at byte {begin}, where reading stopped: input files must not be replaced "
            "while a job reads them; restore the file, or start without state"
        )
    for number, offset in found:
        skipped = split.given if offset == split.position else 0
        if begin <= offset < split.end and skipped < metadata.row_group(number).num_rows:
            yield number, offset, skipped


def _offset_of(group: Any) -> int:
    """Of the first byte of its first column. ``file_offset`` of the format is not to be relied on."""
    if not group.num_columns:
        return 0
    first = group.column(0)
    return int(first.dictionary_page_offset or first.data_page_offset)


def _check_columns(schema: Any, columns: Sequence[str] | None, uri: str) -> None:
    missing = [name for name in columns or () if name not in schema.names]
    if missing:
        raise RecordFormatError(
            f"{uri} has no column {', '.join(map(repr, missing))}; it has {', '.join(schema.names)}. Correct "
            "for_parquet(columns=[...]), or move the file out of the input"
        )


class _RangeFile(io.RawIOBase):
    """What pyarrow reads of: a file made of range reads."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        data = self._read(self._at, length) if length else b""
        self._at += len(data)
        return data
