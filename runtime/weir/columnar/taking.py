"""Some rows of a batch of columns. Hot path.

Timestamps are nearly always a column of the batch as well, in the same memory: then they are neither taken nor sent a second time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weir.records import ColumnBatch

_INT64 = pa.int64()
#: From so many rows on it costs less to look which column it is than to take the timestamps.
_MANY = 4096


def taken(batch: ColumnBatch, rows: npt.NDArray[np.int64]) -> ColumnBatch:
    """The rows of these numbers, in that order, without a tag."""
    data = batch.data.take(pa.array(rows))
    stamps = batch.timestamps
    if stamps is not None:
        at = time_column(batch) if len(rows) >= _MANY else None
        stamps = stamps[rows] if at is None else data.column(at).to_numpy()
    return ColumnBatch(data, stamps)


def time_column(batch: ColumnBatch) -> int | None:
    """The position of the column whose memory the timestamps are; ``None``: of none."""
    stamps, data = batch.timestamps, batch.data
    if stamps is None or not len(stamps) or stamps.strides != (8,):
        return None
    address = stamps.__array_interface__["data"][0]
    for at, kind in enumerate(data.schema.types):
        if kind == _INT64:
            column = data.column(at)
            if not column.null_count and column.buffers()[1].address + 8 * column.offset == address:
                return at
    return None
