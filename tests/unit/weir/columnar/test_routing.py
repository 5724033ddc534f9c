"""Columns are routed as rows are, whether the subtasks of their keys were looked up or computed."""

from __future__ import annotations

import random

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

from weir.columnar.routing import KeyRoutes  # noqa: E402
from weir.errors import UserCodeError  # noqa: E402
from weir.keygroups import KeyRouter  # noqa: E402
from weir.records import ColumnBatch  # noqa: E402
from weir.taskmanager.exchange.column_outputs import split  # noqa: E402

BATCHES = {
    "near": [range(100, 900), range(50, 60), range(5000, 5001), range(-300, 20)],
    "far": [range(10), [2**40, 3, -(2**40)], range(10)],
    "at both ends": [[2**63 - 1], [2**63 - 2, 2**63 - 1], [-(2**63), 2**63 - 1]],
    "at the low end": [[-(2**63)], [1 - 2**63]],
}


@pytest.mark.parametrize("batches", BATCHES.values(), ids=BATCHES)
def test_integers_go_where_the_row_path_sends_them(batches):
    routes, router = KeyRoutes(["k"], 128, 7), KeyRouter(128, 7)
    for keys in map(list, batches):
        data = pa.record_batch({"k": pa.array(keys, type=pa.int64())})
        assert routes.targets(data).tolist() == router.route(keys)


def test_keys_of_other_types_go_where_the_row_path_sends_them():
    routes, router = KeyRoutes(["a", "b"], 128, 5), KeyRouter(128, 5)
    rows = [(number % 7, f"text {number % 11}") for number in range(100)]
    data = pa.record_batch({"a": [a for a, _ in rows], "b": [b for _, b in rows]})
    assert routes.targets(data).tolist() == router.route(rows)


def test_a_null_key_is_refused_also_where_others_are_known():
    routes = KeyRoutes(["k"], 128, 2)
    routes.targets(pa.record_batch({"k": [1, 2]}))
    with pytest.raises(UserCodeError, match="column 'k' is null in row 0"):
        routes.targets(pa.record_batch({"k": pa.array([None, 2], type=pa.int64())}))


@pytest.mark.parametrize("count", [2, 8, 9, 200])
@pytest.mark.parametrize("stamped", [False, True], ids=["without times", "with times"])
def test_the_rows_of_a_target_keep_their_order_and_times(count, stamped):
    chance = random.Random(count)
    targets = [chance.randrange(count) for _ in range(500)]
    times = np.arange(500) * 3 if stamped else None
    batch = ColumnBatch(pa.record_batch({"row": range(500)}), times)
    parts = list(split(batch, np.array(targets, dtype=np.uint16), count))
    for wanted, part in zip(range(count), parts, strict=True):
        rows = [row for row, target in enumerate(targets) if target == wanted]
        assert part.data["row"].to_pylist() == rows
        assert (part.timestamps.tolist() == [3 * row for row in rows]) if stamped else part.timestamps is None
