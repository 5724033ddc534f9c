"""Event times that are a column of a batch: numbers of milliseconds, or Arrow timestamps of any unit. Hot path: a call a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weir.errors import UserCodeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def event_times(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.int64]:
    """Milliseconds since the epoch. Raises ``UserCodeError`` where the column is missing, has nulls or holds no times."""
    import pyarrow as pa

    where = batch.schema.get_field_index(name)
    if where < 0:
        raise UserCodeError(
            f"there is no timestamp column {name!r}; there are {', '.join(batch.schema.names)}"
        )
    column = batch.column(where)
    if column.null_count:
        raise UserCodeError(
            f"the timestamp column {name!r} has {column.null_count} nulls in a batch of {len(column)} rows; every row "
            "needs an event time"
        )
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False).view(pa.int64())
    elif not pa.types.is_integer(column.type):
        raise UserCodeError(
            f"the timestamp column {name!r} is {column.type}; expected int64 milliseconds or an Arrow timestamp"
        )
    times: npt.NDArray[np.int64] = column.to_numpy(zero_copy_only=False).astype("int64", copy=False)
    return times
