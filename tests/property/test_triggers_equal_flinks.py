"""Windows with a trigger of their own give what Flink's operator gives, whatever the order of rows, lateness and crashes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.flinks_windows import FlinksWindows
from weir import (
    ContinuousEventTimeTrigger,
    EventTimeSessionWindows,
    ProcessWindowFunction,
    SlidingEventTimeWindows,
)
from weir.records import MIN_TIMESTAMP
from weir.testing import stream_harness


class Values(ProcessWindowFunction):
    def process(self, key, context, elements):
        yield tuple(sorted(elements))


walks = st.lists(
    st.one_of(
        st.tuples(st.just("row"), st.integers(-5, 30)),
        st.tuples(st.just("row"), st.integers(-5, 30)),
        st.tuples(st.just("watermark"), st.integers(-5, 30)),
        st.tuples(st.just("crash")),
    ),
    max_size=16,
)


@settings(max_examples=300)
@given(
    st.integers(1, 9),
    st.integers(1, 5),
    st.sampled_from([0, 0, 3, 6]),
    st.sampled_from([0, 3, 9]),
    st.integers(1, 6),
    walks,
)
def test_windows_that_ask_a_trigger_give_what_flinks_do(
    size: int, slide: int, gap: int, lateness: int, interval: int, walk: list[Any]
) -> None:
    assigner: Any = EventTimeSessionWindows(gap) if gap else SlidingEventTimeWindows(size, slide)
    flink = FlinksWindows(size, slide, gap, lateness, interval)
    h = stream_harness(
        lambda stream: (
            stream.key_by(lambda _: "a")
            .window(assigner)
            .allowed_lateness(lateness / 1000)
            .trigger(ContinuousEventTimeTrigger(interval))
            .process(Values())
        )
    )
    for number, step in enumerate([*walk, ("watermark", 200)]):
        match step:
            case ("row", time):
                flink.row(number, time)
                h.process(number, time)
            case ("watermark", timestamp) if timestamp > flink.watermark or flink.watermark == MIN_TIMESTAMP:
                flink.advance(timestamp)
                h.watermark(timestamp)
            case ("crash",):
                h.snapshot()
                h.crash()
        assert {timer.timestamp for timer in h.timers()} == {time for time, _ in flink.timers}
    assert sorted(h.timestamped) == sorted(flink.results)
    assert h.timers() == []
