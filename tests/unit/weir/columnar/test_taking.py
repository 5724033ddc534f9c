"""Rows of a batch keep their times, whether these are one of its columns or not."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

from weir.columnar.taking import taken, time_column  # noqa: E402
from weir.records import ColumnBatch  # noqa: E402

MANY = 20_000
DATA = pa.record_batch({"a": list(range(MANY)), "ts": [7 * n for n in range(MANY)]})


def stamped(data: pa.RecordBatch, *, apart: bool = False) -> ColumnBatch:
    times = data.column(1).to_numpy()
    return ColumnBatch(data, times.copy() if apart else times)


@pytest.mark.parametrize(
    ("batch", "at"),
    [
        (stamped(DATA), 1),
        (stamped(DATA.slice(11, 500)), 1),
        (stamped(DATA, apart=True), None),
        (ColumnBatch(DATA), None),
        (ColumnBatch(DATA, DATA.column(1).to_numpy()[::-1]), None),
        (ColumnBatch(DATA.slice(0, 0), np.empty(0, dtype=np.int64)), None),
        (ColumnBatch(DATA.select(["a"]), DATA.column(1).to_numpy()), None),
        (ColumnBatch(DATA.slice(1), DATA.column(1).to_numpy()[:-1]), None),
    ],
    ids=["a column", "of a slice", "a copy", "none", "backwards", "no rows", "dropped", "of other rows"],
)
def test_times_are_found_by_their_memory(batch: ColumnBatch, at: int | None) -> None:
    assert time_column(batch) == at


@pytest.mark.parametrize("apart", [False, True], ids=["a column", "apart"])
@pytest.mark.parametrize("step", [1, 2, 1000])
@pytest.mark.parametrize("start", [0, 3])
def test_rows_come_with_their_times(apart: bool, step: int, start: int) -> None:
    data = DATA.slice(start)
    rows = np.arange(0, data.num_rows, step)[::-1]
    found = taken(stamped(data, apart=apart), rows)
    assert found.data.column(0).to_pylist() == [start + int(row) for row in rows]
    assert found.timestamps is not None
    assert found.timestamps.tolist() == found.data.column(1).to_pylist()
    assert found.tag is None
