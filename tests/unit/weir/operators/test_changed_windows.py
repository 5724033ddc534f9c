"""A job's windows may change under one uid: those that are open end as they were to end, or the start is refused in clear words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from tests.support.kept_windows import JOBS, TEN, Listed, add, filled, harness
from tests.support.keyed_model import Shelf
from weir import (
    AggregateFunction,
    ContinuousEventTimeTrigger,
    CountEvictor,
    CountTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    GlobalWindows,
    OutputTag,
    ProcessWindowFunction,
    PurgingTrigger,
    SlidingEventTimeWindows,
    TimeWindow,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
)
from weir.config import StateBackendOptions
from weir.config.options import StateBackendType
from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.operators.base import RestoredState
from weir.records import RowBatch, Watermark
from weir.state import statefile
from weir.state.backend import HEAP, StateBackend, backend_for
from weir.testing.drive import Harness
from weir.testing.snapshots import Snapshot

KEPT = Path(__file__).parents[3] / "fixtures/kept_windows/format-1"
GAP = EventTimeSessionWindows.with_gap("5s")
GONE = OutputTag("gone")


def job(assigner: Any, end: Any, **how: Any) -> Any:
    def build(keyed: Any) -> Any:
        windows = keyed.window(assigner)
        for name, value in how.items():
            windows = getattr(windows, name)(value)
        return end(windows)

    return build


def reduced(assigner: Any, **how: Any) -> Any:
    return job(assigner, lambda windows: windows.reduce(add), **how)


def listed(assigner: Any, **how: Any) -> Any:
    return job(assigner, lambda windows: windows.process(Listed()), **how)


class Total(AggregateFunction):
    def create_accumulator(self):
        return 0

    def add(self, value, accumulator):
        return accumulator + value[1]

    def get_result(self, accumulator):
        return accumulator

    def merge(self, a, b):
        return a + b


class Clears(ProcessWindowFunction):
    """Says which windows are gone."""

    def process(self, key, context, elements):
        yield key, context.window().start, len(list(elements))

    def clear(self, context):
        context.output(GONE, context.window())


@pytest.fixture(params=["heap", "rocksdb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> StateBackend:
    if request.param == "heap":
        return HEAP
    pytest.importorskip("rocksdict")
    return backend_for(
        StateBackendOptions(type=StateBackendType.ROCKSDB, memory=32 << 20, local_directory=str(tmp_path))
    )


@pytest.fixture
def changed(backend: StateBackend) -> Iterator[Any]:
    """Restores a snapshot in another job, or in the same one."""
    made: list[Any] = []

    def restore(snapshot: Any, build: Any, parallelism: int = 1) -> Any:
        plain = harness(build)
        settings = replace(plain._settings, backend=backend, parallelism=parallelism)
        made.append(Harness(plain._subject, settings, restored=snapshot))
        return made[-1]

    yield restore
    for each in made:
        each.close()


def left(h: Any) -> dict[str, Any]:
    """What is in state yet."""
    known = h._subtasks[0].operator._store._known
    return {name: kept for name, (d, _) in known.items() if (kept := h._taken().state(d))}


OTHER_TIMES = {
    "larger": TumblingEventTimeWindows.of("20s"),
    "smaller": TumblingEventTimeWindows.of("7s"),
    "shifted": TumblingEventTimeWindows.of("10s", "3s"),
    "sliding": SlidingEventTimeWindows.of("20s", "10s"),
}


@pytest.mark.parametrize("lateness", ["0s", "3s"])
@pytest.mark.parametrize("name", OTHER_TIMES)
def test_open_windows_of_another_size_end_as_they_were_to_end(changed: Any, name: str, lateness: str) -> None:
    old = harness(reduced(TEN))
    old.process_all([("a", 1), ("a", 2), ("b", 4)], [1_000, 11_000, 12_000])
    h = changed(old.snapshot(), reduced(OTHER_TIMES[name], allowed_lateness=lateness))
    # What is yet to end is remembered through another restore.
    h = changed(h.snapshot(), reduced(OTHER_TIMES[name], allowed_lateness=lateness), parallelism=3)
    h.watermark(9_998)
    assert h.output == []
    h.watermark(9_999)
    assert h.timestamped == [(9_999, ("a", 1))]
    h = changed(h.snapshot(), reduced(OTHER_TIMES[name], allowed_lateness=lateness))
    h.watermark(19_999)
    assert sorted(h.timestamped) == [(19_999, ("a", 2)), (19_999, ("b", 4))]
    h.clear_output()
    h.end_input()
    assert h.output == []
    assert h.timers() == []
    assert left(h) == {}


def test_rows_that_come_after_a_change_are_in_the_new_windows_only(changed: Any) -> None:
    old = harness(listed(TEN))
    old.process(("a", 1), 1_000)
    h = changed(old.snapshot(), listed(TumblingEventTimeWindows.of("20s")))
    h.process(("a", 2), 2_000)
    h.end_input()
    assert h.output == [("a", 0, 10_000, [1]), ("a", 0, 20_000, [2])]
    assert left(h) == {}


def test_windows_by_the_clock_go_on_with_another_size(changed: Any) -> None:
    old = harness(reduced(TumblingProcessingTimeWindows.of("10s")))
    old.process(("a", 1))
    h = changed(old.snapshot(), reduced(TumblingProcessingTimeWindows.of("7s")))
    h.process(("a", 2))
    h.advance_processing_time("7s")
    assert h.output == [("a", 2)]
    h.advance_processing_time("3s")
    assert h.output == [("a", 2), ("a", 1)]
    assert left(h) == {}


@pytest.mark.parametrize("assigner", [TEN, GAP])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize(("before", "after"), [(0, 10), (10, 0), (10, 5), (10, 15), (20, 10)])
def test_with_another_lateness_nothing_fires_twice_and_nothing_stays(
    changed: Any, assigner: Any, asked: bool, before: int, after: int
) -> None:
    trigger = {"trigger": PurgingTrigger.of(EventTimeTrigger.create())} if asked else {}
    old = harness(reduced(assigner, allowed_lateness=f"{before}s"))
    old.process_all([("a", 1), ("a", 2), ("b", 4)], [1_000, 11_000, 31_000])
    old.watermark(10_500)
    assert old.output == [("a", 1)]
    h = changed(old.snapshot(), reduced(assigner, allowed_lateness=f"{after}s", **trigger))
    h.watermark(60_000)
    assert h.output == [("a", 2), ("b", 4)]
    assert h.timers() == []
    assert left(h) == {}


def test_a_window_that_is_over_by_a_shorter_lateness_is_cleared_as_the_job_starts(changed: Any) -> None:
    old = harness(job(TEN, lambda w: w.process(Clears()), allowed_lateness="10s"))
    old.process_all([("a", 1), ("a", 1)], [1_000, 11_000])
    old.watermark(9_999)
    h = changed(old.snapshot(), job(TEN, lambda w: w.process(Clears())))
    h.watermark(15_000)
    assert h.side_output(GONE) == [TimeWindow(0, 10_000)]
    h.end_input()
    assert h.output == [("a", 10_000, 1)]
    assert h.side_output(GONE) == [TimeWindow(0, 10_000), TimeWindow(10_000, 20_000)]


def test_windows_with_a_trigger_that_never_fired_end_by_the_default_one(changed: Any) -> None:
    for assigner in (TEN, GAP):
        old = harness(reduced(assigner, trigger=CountTrigger.of(9), allowed_lateness="5s"))
        old.process(("a", 1), 1_000)
        h = changed(old.snapshot(), reduced(assigner, allowed_lateness="5s"))
        h.end_input()
        assert h.output == [("a", 1)]
        assert h.timers() == []
        assert left(h) == {}


def test_a_session_whose_rows_an_earlier_trigger_purged_gives_nothing(changed: Any) -> None:
    old = harness(reduced(GAP, trigger=PurgingTrigger.of(CountTrigger.of(1))))
    old.process(("a", 1), 1_000)
    h = changed(old.snapshot(), reduced(GAP))
    h.end_input()
    assert h.output == []
    assert left(h) == {}


REFUSED = {
    "reduce to process": (reduced(TEN), listed(TEN), "keep one reduced row", "keep all rows"),
    "process to reduce": (listed(TEN), reduced(TEN), "keep all rows", "keep one reduced row"),
    "reduce to aggregate": (
        reduced(TEN),
        job(TEN, lambda w: w.aggregate(Total())),
        "keep one reduced row",
        "keep one accumulator",
    ),
    "an evictor more": (
        listed(TEN),
        listed(TEN, evictor=CountEvictor.of(9)),
        "all rows;",
        "with their times",
    ),
    "an evictor less": (
        listed(TEN, evictor=CountEvictor.of(9)),
        listed(TEN),
        "with their times",
        "all rows,",
    ),
    "sessions to tumbling": (reduced(GAP), reduced(TEN), "merging windows by event", "has windows by event"),
    "tumbling to sessions": (
        reduced(TEN),
        reduced(GAP),
        ": windows by event",
        "has merging windows by event",
    ),
    "sessions that are reduced": (listed(GAP), reduced(GAP), "keep all rows", "keep one reduced row"),
    "another clock": (
        reduced(TEN),
        reduced(TumblingProcessingTimeWindows.of("10s")),
        "windows by event time",
        "windows by the clock",
    ),
    "global to tumbling": (
        reduced(GlobalWindows.create(), trigger=CountTrigger.of(9)),
        reduced(TEN),
        "global windows",
        "has windows by event time",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_open_windows_cannot_go_on_as_is_refused_with_both_and_the_next_step(
    changed: Any, name: str
) -> None:
    before, after, then, now = REFUSED[name]
    old = harness(before)
    old.process_all([("a", 1), ("a", 2)], [1_000, 2_000])
    with pytest.raises(SnapshotMismatch) as refused:
        changed(old.snapshot(), after)
    message = str(refused.value)
    assert then in message
    assert now in message
    assert "give the operator another uid" in message
    assert "--allow-non-restored-state" in message
    assert "ABSENT" not in message


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_not_refused_where_no_window_is_open(changed: Any, name: str) -> None:
    before, after, *_ = REFUSED[name]
    h = changed(harness(before).snapshot(), after)
    h.process_all([("a", 1)], [1_000])


def test_an_evictor_may_come_to_another_function(changed: Any) -> None:
    """With one all rows are kept, whatever is made of them."""
    old = harness(reduced(TEN, evictor=CountEvictor.of(9)))
    old.process_all([("a", 1), ("a", 2)], [1_000, 2_000])
    h = changed(old.snapshot(), listed(TEN, evictor=CountEvictor.of(9)))
    h.end_input()
    assert h.output == [("a", 0, 10_000, [1, 2])]


def test_a_note_that_is_damaged_is_told_as_such(changed: Any) -> None:
    snapshot = filled(JOBS["tumbling-reduce"]).snapshot()
    with pytest.raises(SnapshotCorrupt, match=r"notes of its windows is damaged"):
        changed(_noted(snapshot, {"windows": 5}), JOBS["tumbling-reduce"])


# ---- snapshots from before there were notes


def _noted(snapshot: Snapshot, note: Any) -> Snapshot:
    subtasks = []
    for each in snapshot.subtasks:
        assert each.keyed is not None
        header, sections = statefile.read(each.keyed)
        data = statefile.write(structs.replace(header, note=note), sections)
        subtasks.append(structs.replace(each, keyed=data))
    return structs.replace(snapshot, subtasks=tuple(subtasks))


def _results(h: Any) -> list[Any]:
    h.advance_processing_time("60s")
    h.end_input()
    assert h.timers() == []
    assert left(h) == {}
    return sorted(h.timestamped)


def _once(results: list[Any]) -> list[Any]:
    """Without the repetitions that a trigger asks for."""
    return [result for at, result in enumerate(results) if result not in results[:at]]


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("parallelism", [1, 3])
def test_unchanged_windows_go_on_from_a_snapshot_without_a_note(
    changed: Any, name: str, parallelism: int
) -> None:
    assert _results(changed(Snapshot.load(KEPT / name), JOBS[name], parallelism)) == _results(
        filled(JOBS[name]).restored(parallelism=parallelism)
    )


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("tumbling-reduce", reduced(TumblingEventTimeWindows.of("20s"))),
        ("tumbling-reduce", reduced(TEN, trigger=PurgingTrigger.of(EventTimeTrigger.create()))),
        ("tumbling-process", listed(TumblingEventTimeWindows.of("4s"), allowed_lateness="3s")),
        ("clock-reduce", reduced(TumblingProcessingTimeWindows.of("4s"))),
        ("sessions-process", listed(GAP, allowed_lateness="3s", trigger=ContinuousEventTimeTrigger.of("1h"))),
        ("asked-reduce", reduced(TumblingEventTimeWindows.of("20s"))),
        ("asked-reduce", reduced(TEN, allowed_lateness="9s")),
    ],
)
def test_open_windows_of_a_snapshot_without_a_note_end_as_they_were_to_end(
    changed: Any, name: str, after: Any
) -> None:
    unchanged = filled(JOBS[name])
    unchanged.clear_output()
    expected = _once(_results(unchanged))
    assert _once(_results(changed(Snapshot.load(KEPT / name), after))) == expected


@pytest.mark.parametrize(
    ("name", "after", "then"),
    [
        ("tumbling-reduce", listed(TEN), "one value for each key"),
        ("tumbling-process", reduced(TEN), "all rows"),
        ("tumbling-process", listed(TEN, evictor=CountEvictor.of(9)), "without an evictor"),
        ("tumbling-process", listed(GAP), "do not merge"),
        ("sessions-process", listed(TEN), "merging windows"),
        ("sessions-process", reduced(GAP), "all rows"),
        ("clock-reduce", reduced(TEN), "by the clock"),
        ("clock-reduce", reduced(GlobalWindows.create(), trigger=CountTrigger.of(9)), ": windows"),
        ("asked-reduce", listed(TEN, evictor=CountEvictor.of(9)), "one value for each key"),
    ],
)
def test_windows_of_a_snapshot_without_a_note_are_known_by_what_is_in_them(
    changed: Any, name: str, after: Any, then: str
) -> None:
    with pytest.raises(SnapshotMismatch, match=then):
        changed(Snapshot.load(KEPT / name), after)


def test_a_version_without_notes_reads_what_this_one_writes() -> None:
    class Header(msgspec.Struct, kw_only=True):
        content: str
        operator: str
        max_parallelism: int = 0

    snapshot = filled(JOBS["tumbling-reduce"]).snapshot()
    header, _ = statefile.read(snapshot.subtasks[0].keyed or b"")
    assert header.note is not msgspec.UNSET
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(header), type=Header)
    assert (old.content, old.max_parallelism) == ("keyed", 128)


@pytest.mark.parametrize("backend", ["rocksdb"], indirect=True)
def test_an_incremental_checkpoint_notes_its_windows_too(changed: Any) -> None:
    old = changed(harness(reduced(TEN)).snapshot(), reduced(TEN))
    old.process_all([("a", 1), ("a", 2)], [1_000, 11_000])
    snapshot = old._subtasks[0].operator.snapshot(1)
    increment = Shelf().increment(snapshot.keyed)
    snapshot.release()
    for build in (reduced(TumblingEventTimeWindows.of("4s")), reduced(TEN)):
        h = changed(harness(build).snapshot(), build)
        operator = h._subject.make(None)
        operator.open(h._subtasks[0].operator.context, RestoredState(keyed=(increment,), watermark=2_000))
        fired = [e for e in operator.on_watermark(Watermark(30_000)) if isinstance(e, RowBatch)]
        assert [row for batch in fired for row in batch.values] == [("a", 1), ("a", 2)]
        assert operator._store.note["timing"] is not None
        operator.close()
    operator = harness(listed(TEN))._subject.make(None)
    with pytest.raises(SnapshotMismatch, match="keep one reduced row"):
        operator.open(h._subtasks[0].operator.context, RestoredState(keyed=(increment,)))
    operator.close()
