"""A job's windows may change at any restart in size, offset, lateness and trigger: no row is lost, none is counted twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.window_oracle import SameTrigger, Windows
from weir import EventTimeSessionWindows, ProcessWindowFunction, SlidingEventTimeWindows
from weir.records import MAX_TIMESTAMP
from weir.testing import stream_harness


class Described(ProcessWindowFunction):
    def process(self, key, context, elements):
        yield key, tuple(context.window()), tuple(value for _, value in elements)


times = st.integers(-5, 40)


def aligned(lateness: st.SearchStrategy[int]) -> st.SearchStrategy[Windows]:
    return st.builds(Windows, st.integers(1, 15), st.integers(1, 15), st.integers(0, 5), lateness)


def walks(windows: st.SearchStrategy[Windows]) -> st.SearchStrategy[list[Any]]:
    return st.lists(
        st.one_of(
            st.tuples(st.just("row"), st.sampled_from("ab"), times),
            st.tuples(st.just("row"), st.sampled_from("ab"), times),
            st.tuples(st.just("watermark"), times),
            st.tuples(st.just("change"), windows, st.booleans(), st.integers(1, 3)),
        ),
        max_size=20,
    )


def harness_of(windows: Windows, *, asked: bool) -> Any:
    def build(stream: Any) -> Any:
        assigner: Any = EventTimeSessionWindows(windows.size)
        if windows.slide:
            assigner = SlidingEventTimeWindows(windows.size, windows.slide, windows.offset)
        windowed = stream.key_by(lambda row: row[0]).window(assigner)
        windowed = windowed.allowed_lateness(windows.lateness / 1000)
        return (windowed.trigger(SameTrigger()) if asked else windowed).process(Described())

    return stream_harness(build)


def left(h: Any) -> list[Any]:
    """What is in state yet."""
    known = h._subtasks[0].operator._store._known.values()
    return [kept for descriptor, _ in known if (kept := h._taken().state(descriptor))]


class Walk:
    """A job through changes; ``expected``: rows by key and window."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.h = harness_of(windows, asked=False)
        self.watermark: int | None = None
        self.results: list[Any] = []
        self.expected: Counter[Any] = Counter()

    def row(self, number: int, key: str, time: int) -> None:
        for start in self.windows.starts(time) if self.windows.slide else ():
            end = start + self.windows.size
            if self.watermark is None or end - 1 + self.windows.lateness > self.watermark:
                self.expected[key, (start, end), number] += 1
        self.h.process((key, number), time)

    def advance(self, watermark: int) -> None:
        if self.watermark is None or watermark > self.watermark:
            self.watermark = watermark
            self.h.watermark(watermark)

    def change(self, windows: Windows, asked: bool, parallelism: int) -> None:
        self.results += self.h.output
        self.windows = windows
        plain = harness_of(windows, asked=asked)
        self.h = plain.restored(self.h._taken(), parallelism=parallelism)

    def run(self, steps: list[Any]) -> None:
        for number, step in enumerate([*steps, ("watermark", MAX_TIMESTAMP)]):
            match step:
                case ("row", key, time):
                    self.row(number, key, time)
                case ("watermark", time):
                    self.advance(time)
                case ("change", windows, asked, parallelism):
                    self.change(windows, asked, parallelism)
        self.results += self.h.output
        assert self.h.timers() == []
        assert left(self.h) == []


@settings(max_examples=200)
@given(aligned(st.just(0)), walks(aligned(st.just(0))))
def test_each_row_is_once_in_each_window_that_took_it(first: Windows, steps: list[Any]) -> None:
    walk = Walk(first)
    walk.run(steps)
    found = Counter((key, window, value) for key, window, values in walk.results for value in values)
    assert found == walk.expected


@settings(max_examples=200)
@given(
    aligned(st.sampled_from([0, 3, 10])),
    walks(aligned(st.sampled_from([0, 3, 10]))),
)
def test_with_lateness_a_row_may_be_in_several_results_of_its_window_but_is_in_one(
    first: Windows, steps: list[Any]
) -> None:
    walk = Walk(first)
    walk.run(steps)
    found = {(key, window, value) for key, window, values in walk.results for value in values}
    assert found == set(walk.expected)
    given = Counter(map(repr, walk.results))
    assert not given or max(given.values()) == 1, "no window gives the same result again"


gaps = st.builds(Windows, st.integers(1, 8), st.just(0), st.just(0), st.sampled_from([0, 0, 3, 10]))


@settings(max_examples=150)
@given(gaps, walks(gaps))
def test_sessions_of_another_gap_and_lateness_lose_no_row(first: Windows, steps: list[Any]) -> None:
    walk = Walk(first)
    walk.run(steps)
    given = Counter(map(repr, walk.results))
    assert not given or max(given.values()) == 1, "no session gives the same result again"
    first_watermark = next((at for at, step in enumerate(steps) if step[0] == "watermark"), len(steps))
    in_time = {at for at, step in enumerate(steps[:first_watermark]) if step[0] == "row"}
    assert in_time <= {value for _, _, values in walk.results for value in values}
