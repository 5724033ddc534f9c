"""Operators that loop over keys themselves, on RocksDB: a key without a value is new, and what a snapshot holds stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rocksdict")

from weir import EventTimeSessionWindows, TimeWindow, TumblingEventTimeWindows
from weir.config import StateBackendOptions
from weir.config.options import StateBackendType
from weir.operators.base import RestoredState
from weir.state.backend import StateBackend, backend_for
from weir.testing import stream_harness
from weir.testing.drive import Harness


@pytest.fixture
def rocksdb(tmp_path: Path) -> StateBackend:
    return backend_for(
        StateBackendOptions(type=StateBackendType.ROCKSDB, memory=32 << 20, local_directory=str(tmp_path))
    )


@pytest.fixture
def harness(rocksdb: StateBackend) -> Iterator[Callable[[Any], Any]]:
    made: list[Harness[Any, Any]] = []

    def make(build: Any) -> Harness[Any, Any]:
        plain = stream_harness(build)
        made.append(Harness(plain._subject, replace(plain._settings, backend=rocksdb)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def longer(one: list[int], other: list[int]) -> list[int]:
    one.extend(other)
    return one


def test_a_running_reduction_begins_with_the_first_value_of_a_key(harness: Callable[[Any], Any]) -> None:
    h = harness(lambda s: s.key_by(lambda row: row[0]).reduce(longer))
    h.process_all([[1], [2], [1]])
    taken = h._subtasks[0].operator.snapshot(1)
    h.process([1])
    assert h.output == [[1], [2], [1, 1], [1, 1, 1]]
    restored = h.restored()
    restored.process([2])
    assert restored.output == [[2, 2]]
    restored.close()
    assert taken.keyed is not None
    taken.release()


@pytest.mark.parametrize(
    ("assigner", "window"),
    [
        (TumblingEventTimeWindows.of("10s"), TimeWindow(0, 10_000)),
        (EventTimeSessionWindows.with_gap("10s"), TimeWindow(0, 10_000)),
    ],
)
def test_what_a_snapshot_holds_of_a_window_does_not_grow_with_later_rows(
    harness: Callable[[Any], Any], assigner: Any, window: TimeWindow
) -> None:
    h = harness(lambda s: s.key_by(lambda row: row[0]).window(assigner).reduce(longer))
    h.process_all([[1], [1]], [0, 1])
    begun = h._subtasks[0].operator.snapshot(1)
    h.process([1], 2)
    assert begun.keyed is not None
    data = begun.keyed.encode()
    h.end_input()
    assert h.output == [[1, 1, 1]]
    again = h._subject.make(None)
    again.open(h._subtasks[0].operator.context, RestoredState(keyed=(data,)))
    kept = again._store.load_entries(again._contents._descriptor, tuple(window), [1])
    again.close()
    assert kept == {1: [1, 1]}
