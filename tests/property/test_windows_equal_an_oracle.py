"""Windows of rows equal an oracle in plain Python, whatever the order of rows, lateness, crashes and changes of parallelism.

Scorecard row B20.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.window_oracle import Engine, Oracle, Row, Windows
from weir import (
    ProcessingTimeSessionWindows,
    ProcessingTimeTrigger,
    PurgingTrigger,
    SlidingProcessingTimeWindows,
    TumblingProcessingTimeWindows,
)
from weir.config import StateBackendOptions
from weir.config.options import StateBackendType
from weir.records import MAX_TIMESTAMP
from weir.state.backend import HEAP, StateBackend, backend_for
from weir.testing import stream_harness

times = st.integers(-5, 40)
tumbling = st.builds(
    lambda size, offset, lateness: Windows(size, size, offset % size, lateness),
    st.integers(1, 15),
    st.integers(0, 14),
    st.sampled_from([0, 0, 3, 10]),
)
sliding = st.builds(
    Windows, st.integers(1, 15), st.integers(1, 18), st.integers(0, 5), st.sampled_from([0, 0, 3, 10])
)
sessions = st.builds(Windows, st.integers(1, 8), st.just(0), st.just(0), st.sampled_from([0, 0, 3, 10]))
rows = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), times), min_size=1, max_size=12)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), rows),
        st.tuples(st.just("rows"), rows),
        st.tuples(st.just("watermark"), times),
        st.tuples(st.just("watermark"), times),
        st.tuples(st.just("snapshot")),
        st.tuples(st.just("crash")),
        st.tuples(st.just("rescale"), st.integers(1, 4), st.booleans()),
    ),
    min_size=3,
    max_size=25,
)


def compare(
    walk: list[Any], windows: Windows, engine: Engine, *, tagged: bool, backends: list[StateBackend]
) -> None:
    oracle = Oracle(windows)
    moves = 0
    engine.snapshot()
    for step in [*walk, ("watermark", MAX_TIMESTAMP)]:
        match step:
            case ("rows", given_rows):
                for row in given_rows:
                    oracle.row(Row(*row))
                engine.rows(Row(*row) for row in given_rows)
            case ("watermark", timestamp):
                oracle.watermark(timestamp)
                engine.watermark(timestamp)
            case ("snapshot",):
                engine.snapshot()
            case ("crash",):
                engine.crash()
            case ("rescale", parallelism, other_trigger):
                moves += 1
                backend = backends[moves % len(backends)]
                engine.rescale(parallelism, backend, other_trigger=other_trigger)
    assert engine.by_key == oracle.by_key
    assert engine.late == (Counter(oracle.late) if tagged else Counter())
    assert engine.dropped == (0 if tagged else len(oracle.late))
    assert engine.timers == []
    assert list(engine.kept()) == [], "state of windows is dropped with them"


@settings(max_examples=150)
@given(
    st.one_of(tumbling, sliding, sessions),
    st.sampled_from(["process", "aggregate", "reduce"]),
    st.booleans(),
    st.booleans(),
    steps,
)
def test_results_late_firings_merges_side_output_and_counter_equal_the_oracle(
    windows: Windows, kind: str, tagged: bool, asked: bool, walk: list[Any]
) -> None:
    engine = Engine(windows, kind, tagged=tagged, asked=asked)
    compare(walk, windows, engine, tagged=tagged, backends=[HEAP])


@pytest.fixture(scope="module")
def rocksdb(tmp_path_factory: pytest.TempPathFactory) -> StateBackend:
    folder: Path = tmp_path_factory.mktemp("databases")
    return backend_for(
        StateBackendOptions(type=StateBackendType.ROCKSDB, memory=32 << 20, local_directory=str(folder))
    )


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(tumbling, sliding, sessions),
    st.sampled_from(["process", "aggregate", "reduce"]),
    st.booleans(),
    steps,
)
def test_they_do_so_in_rocksdb_and_on_the_way_between_backends(
    rocksdb: StateBackend, windows: Windows, kind: str, asked: bool, walk: list[Any]
) -> None:
    engine = Engine(windows, kind, rocksdb, tagged=True, asked=asked)
    try:
        compare(walk, windows, engine, tagged=True, backends=[rocksdb, HEAP, rocksdb])
    finally:
        engine.close()


clock_steps = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.lists(st.sampled_from("abc"), min_size=1, max_size=6)),
        st.tuples(st.just("wait"), st.integers(1, 2_500)),
        st.tuples(st.just("snapshot")),
        st.tuples(st.just("crash")),
        st.tuples(st.just("rescale"), st.integers(1, 4)),
    ),
    min_size=3,
    max_size=25,
)


@given(
    st.sampled_from(
        [
            TumblingProcessingTimeWindows.of("1s"),
            SlidingProcessingTimeWindows.of("2s", "1s"),
            ProcessingTimeSessionWindows.with_gap("1s"),
        ]
    ),
    st.booleans(),
    clock_steps,
)
def test_every_row_is_in_as_many_windows_by_the_clock_as_cover_it_despite_crashes(
    assigner: Any, asked: bool, walk: list[Any]
) -> None:
    def build(stream: Any) -> Any:
        windowed = stream.key_by(lambda row: row[0]).window(assigner)
        if asked:
            windowed = windowed.trigger(PurgingTrigger.of(ProcessingTimeTrigger.create()))
        return windowed.reduce(lambda one, other: (one[0], one[1] + other[1]))

    rows: Counter[str] = Counter()
    found: Counter[str] = Counter()
    h = stream_harness(build)
    h.snapshot()
    for step in [*walk, ("wait", 5_000)]:
        match step:
            case ("rows", keys):
                rows.update(keys)
                h.process_all([(key, 1) for key in keys])
            case ("wait", milliseconds):
                h.advance_processing_time(milliseconds / 1000)
            case ("snapshot",):
                h.snapshot()
            case ("crash",):
                h.crash()
                h.replay()
            case ("rescale", parallelism):
                for key, count in h.output:
                    found[key] += count
                h = h.restored(parallelism=parallelism)
    for key, count in h.output:
        found[key] += count
    covering = 2 if isinstance(assigner, SlidingProcessingTimeWindows) else 1
    assert found == Counter({key: covering * count for key, count in rows.items()})
    assert h.timers() == []
