"""``weir diff``: what it says of two snapshots, as text and as JSON."""

from __future__ import annotations

import json

import pytest

from tests.support.json_schema import faults
from tests.support.processes import ROOT
from tests.support.snapshots import savepoint_in
from weir.storage import MemoryStorage, PrefixedStorage

GOLDEN = ROOT / "tests/golden/cli"
FIRST, SECOND = "memory://golden-diff/savepoint-012345-3", "memory://golden-diff/savepoint-012345-4"


@pytest.fixture
def two_savepoints():
    storage = MemoryStorage.named("golden-diff")
    storage._objects.clear()
    savepoint_in(PrefixedStorage(storage, "savepoint-012345-3"), keys=20)
    savepoint_in(PrefixedStorage(storage, "savepoint-012345-4"), keys=23)


def test_changes_are_told_by_operator_state_and_key(weir, two_savepoints, golden):
    code, out, err = weir("diff", FIRST, SECOND)
    assert (code, err) == (0, "")
    golden("cli/diff.txt", out)


def test_the_same_is_no_difference(weir, two_savepoints):
    assert weir("diff", FIRST, FIRST) == (0, "", "")


def test_the_json_counts_all_and_tells_as_many_as_asked_for(weir, two_savepoints):
    code, out, _ = weir("diff", FIRST, SECOND, "-o", "json", "--limit", "1", "--operator", "count")
    assert code == 0
    found = json.loads(out)
    [operator] = found["operators"]
    assert operator["uid"] == "count"
    seen = next(state for state in operator["states"] if state["name"] == "seen")
    assert (seen["added"], len(seen["changes"])) == (3, 1)
    schema = json.loads((GOLDEN / "diff.schema.json").read_text())
    assert list(faults(found, schema)) == []


def test_an_unknown_operator_is_named_with_those_that_there_are(weir, two_savepoints):
    code, _, err = weir("diff", FIRST, SECOND, "--operator", "coutn")
    assert code == 1
    assert "neither snapshot has an operator of uid 'coutn'; they have " in err


def test_what_is_no_snapshot_is_refused(weir, two_savepoints):
    code, _, err = weir("diff", FIRST, "memory://golden-diff/nothing")
    assert code == 1
    assert "no completed snapshot is there" in err
