"""How event time advances."""

from __future__ import annotations

from datetime import timedelta

import pytest

from weir.api.code_hash import code_hash
from weir.errors import GraphError
from weir.records import MIN_TIMESTAMP
from weir.windows import WatermarkStrategy


def test_a_bounded_watermark_lags_the_highest_timestamp_by_the_bound_and_one():
    generator = WatermarkStrategy.for_bounded_out_of_orderness("2s").create_generator()
    assert generator.watermark() == MIN_TIMESTAMP
    generator.on_batch([5000, 9000, 7000])
    assert generator.watermark() == 9000 - 2000 - 1
    generator.on_batch([100])
    assert generator.watermark() == 6999


def test_a_monotonous_watermark_is_one_below_the_newest_timestamp():
    generator = WatermarkStrategy.for_monotonous_timestamps().create_generator()
    generator.on_batch([10])
    assert generator.watermark() == 9


def test_a_watermark_never_falls_below_the_smallest_timestamp():
    generator = WatermarkStrategy.for_bounded_out_of_orderness(timedelta(days=1)).create_generator()
    generator.on_batch([MIN_TIMESTAMP + 5])
    assert generator.watermark() == MIN_TIMESTAMP


def test_without_watermarks_event_time_stands_still():
    generator = WatermarkStrategy.no_watermarks().create_generator()
    generator.on_batch([10])
    assert generator.watermark() == MIN_TIMESTAMP


def test_generators_of_one_strategy_share_nothing():
    strategy = WatermarkStrategy.for_monotonous_timestamps()
    one, other = strategy.create_generator(), strategy.create_generator()
    one.on_batch([10])
    assert other.watermark() == MIN_TIMESTAMP


def test_a_strategy_is_refined_by_copies():
    base = WatermarkStrategy.for_monotonous_timestamps()
    refined = base.with_timestamp_assigner(lambda value, stamp: value["t"]).with_idleness("30s")
    assert (base.timestamp_assigner, base.idleness_seconds) == (None, None)
    assert refined.idleness_seconds == 30
    assert refined.timestamp_assigner({"t": 7}, None) == 7


def test_a_generator_of_the_users_own_is_made_for_each_split():
    class Mine:
        def on_batch(self, timestamps):
            self.highest = max(timestamps)

        def watermark(self):
            return self.highest

    generator = WatermarkStrategy.for_generator(Mine).create_generator()
    generator.on_batch([3])
    assert generator.watermark() == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WatermarkStrategy.for_bounded_out_of_orderness("late"), "'late' is not a duration"),
        (lambda: WatermarkStrategy.no_watermarks().with_idleness("0s"), "above zero, got '0s'"),
        (lambda: WatermarkStrategy.no_watermarks().with_timestamp_assigner(5), "a callable .* got 5"),
    ],
)
def test_wrong_settings_are_refused_where_they_are_written(make, message):
    with pytest.raises(GraphError, match=message):
        make()


def test_the_bound_is_part_of_the_code_hash():
    bounds = [WatermarkStrategy.for_bounded_out_of_orderness(bound) for bound in ("1s", "2s", "1s")]
    hashes = [code_hash(strategy) for strategy in bounds]
    assert hashes[0] == hashes[2] != hashes[1]
