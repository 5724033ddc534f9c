"""A reader's watermark is that of its slowest split, also of one that it has not read from yet."""

from __future__ import annotations

import msgspec

from weir.connectors import DataGeneratorSource
from weir.connectors.datagen import deal_out
from weir.operators.base import OperatorContext
from weir.operators.source import SourceOperator
from weir.records import RowBatch, Watermark
from weir.windows import WatermarkStrategy

CONTEXT = OperatorContext("job", "job", "0" * 32, "rows", "rows", 0, 1, 128, 1, 1, keyed=False)


def reader(splits: int, rows: int, *, positions: dict[int, int] | None = None) -> SourceOperator:
    """A source of ``splits`` splits with ``rows`` rows each; the event time of a row is its number."""
    count = splits * rows
    source = DataGeneratorSource(lambda i: i, count=count, num_splits=splits, timestamp_fn=lambda i: i)
    operator = SourceOperator(source, WatermarkStrategy.for_monotonous_timestamps())
    operator.open(CONTEXT, None)
    dealt = deal_out(count, splits, 1)
    assigned = [
        msgspec.structs.replace(split, position=(positions or {}).get(split.index, 0)) for split in dealt
    ]
    operator.add_splits([msgspec.msgpack.encode(split) for split in assigned], no_more=True)
    return operator


def run(operator: SourceOperator) -> list[int]:
    """Poll to the end; every row must be newer than the watermark before it."""
    watermarks: list[int] = []
    while not operator.exhausted():
        elements = operator.poll()
        assert elements is not None
        for element in elements:
            if isinstance(element, Watermark):
                watermarks.append(element.timestamp)
            elif isinstance(element, RowBatch) and watermarks:
                assert element.timestamps is not None
                assert min(element.timestamps) > watermarks[-1], "a row came late from a source in order"
    return watermarks


def test_a_split_that_was_not_read_yet_holds_the_watermark_back() -> None:
    operator = reader(splits=3, rows=2500)
    first = list(operator.poll() or ())
    assert [type(element) for element in first] == [RowBatch]


def test_no_row_of_ordered_splits_is_late() -> None:
    watermarks = run(reader(splits=3, rows=2500))
    assert watermarks == sorted(set(watermarks))
    assert watermarks[-1] == 3 * 2500 - 2  # the last row is never certain before the end


def test_no_row_is_late_when_splits_were_restored_at_different_positions() -> None:
    assert run(reader(splits=3, rows=2500, positions={0: 2000, 1: 10, 2: 1200}))


def test_an_ended_split_holds_nothing_back() -> None:
    operator = reader(splits=2, rows=1500, positions={0: 1500})
    watermarks = run(operator)
    assert watermarks[-1] == 2 * 1500 - 2
