"""The fixtures of the pytest plugin; ``test_guide_to_testing`` and ``test_scripted_jobs`` run jobs with them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import weir.testing
from weir import MapFunction, ValueStateDescriptor
from weir.testing import keyed_harness
from weir.testing.pytest_plugin import KeptSnapshots

PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"


class Total(MapFunction):
    def open(self, ctx):
        self.total = ctx.get_state(ValueStateDescriptor("total", int))

    def map(self, number):
        self.total.update((self.total.value() or 0) + number)
        return self.total.value()


@pytest.fixture
def harness():
    return keyed_harness(Total(), key=lambda number: number % 2)


def test_harnesses_share_a_clock(weir_clock):
    first, second = (keyed_harness(Total(), key=str, clock=weir_clock) for _ in range(2))
    first.advance_processing_time("5s")
    assert (weir_clock.wall_ms(), second.clock.wall_ms()) == (5000, 5000)


def test_a_snapshot_is_written_once_and_read_from_then_on(tmp_path, harness):
    kept = KeptSnapshots(tmp_path / "snapshots", write=True)
    harness.process(1)
    written = kept("totals-1", harness)
    harness.process(1)
    assert KeptSnapshots(tmp_path / "snapshots", write=False)("totals-1", harness) == written
    assert kept("totals-1", harness) == written
    later = harness.restored(written)
    later.process(3)
    assert later.output == [4]


def test_a_snapshot_that_is_not_there_is_not_made_up(tmp_path, harness):
    with pytest.raises(FileNotFoundError, match=r"no .*totals-1\.snapshot; pytest --weir-write-snapshots"):
        KeptSnapshots(tmp_path, write=False)("totals-1", harness)


def test_snapshots_lie_beside_the_test(weir_snapshot):
    assert weir_snapshot.folder == Path(__file__).parent / "snapshots"


def test_pytest_finds_the_plugin_where_weir_is_installed():
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["pytest11"]
    assert declared == {"weir": "weir.testing.pytest_plugin"}


def test_a_name_that_the_room_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'weir\.testing' has no attribute 'Nothing'"):
        weir.testing.Nothing
    assert set(dir(weir.testing)) == set(weir.testing.__all__)
