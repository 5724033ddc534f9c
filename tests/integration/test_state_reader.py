"""Savepoints read, changed and written offline, and jobs that start from what was written. Scorecard rows B26 and C7."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from tests.support import oracle, waiting
from tests.support.clusters import FAST, files_of, wait_for
from tests.support.kept_job import AT_THE_END, GROUPS_OF_NUMBERS, KEY, KEYS, RULES, Last, Mean, expected, spec
from tests.support.processes import ROOT
from weir import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from weir.checkpoint.inspection import inspect_snapshot
from weir.checkpoint.store import load
from weir.errors import SerializationError, SnapshotError, SnapshotMismatch, StateAccessError
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.requests import JobState
from weir.serde import PickleSerializer, allow_pickle
from weir.state_reader import Savepoint

KEPT = (ROOT / "tests/fixtures/kept/format-1/savepoint").as_uri()
COUNT, LAST = ValueStateDescriptor("count", int), ValueStateDescriptor("last", Last)
LARGEST = ReducingStateDescriptor("largest", max, int)
BY_DIGIT = MapStateDescriptor("by-digit", str, int | None)
SEEN = ListStateDescriptor("seen", int)
ROWS, NAMES = ListStateDescriptor("rows", int), ListStateDescriptor("names", str)
ALL = [
    COUNT,
    LAST,
    ValueStateDescriptor("ballast", str),
    ValueStateDescriptor("pickled", PickleSerializer(unsigned=True)),
    SEEN,
    BY_DIGIT,
    LARGEST,
    AggregatingStateDescriptor("mean", Mean(), tuple[int, int]),
]


@pytest.fixture(autouse=True)
def key() -> Iterator[None]:
    """The kept job's own."""
    allow_pickle(KEY)
    yield
    allow_pickle(None)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST) as made:
        yield made


def output_from(cluster: LocalCluster, folder: Path, savepoint: str) -> list[oracle.Line]:
    """What the kept job writes when it goes on from there."""
    (folder / "gate").touch()
    job = cluster.submit(spec(folder, restore_from=savepoint))
    status = cluster.wait(job, timeout=120)
    assert not status.failures, status.failures
    return oracle.visible(str(folder / "out"))


def test_a_savepoint_that_was_changed_offline_is_what_the_job_goes_on_from(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    before = files_of(KEPT)
    savepoint = Savepoint.load(KEPT)
    kept, ruled = savepoint.operator("kept"), savepoint.operator("ruled")
    largest, seen, counts = (kept.keyed_state(one) for one in (LARGEST, SEEN, COUNT))
    assert len(counts) == KEYS
    largest["key 3"] = 10**6
    seen["key 4"].insert(0, -1)
    del counts["key 5"]
    kept.event_timers.remove(("key 6", AT_THE_END))
    kept.event_timers.add(("key 7", AT_THE_END + 1))
    lists = ruled.list_state(ROWS)
    lists[0].add(-7)
    ruled.union_list_state(NAMES)[1].update(["somebody"])
    ruled.broadcast_state(RULES)[1] = "another rule"
    written = savepoint.write(str(tmp_path / "changed"))
    assert inspect_snapshot(load(written)).faults == ()
    assert files_of(KEPT) == before
    lines = output_from(cluster, tmp_path, written)
    told = [line for line in lines if line["kind"] == "kept"]
    by_key = {line["k"]: line for line in told if line["at"] == AT_THE_END}
    plain = {line["k"]: line for line in expected()}
    assert by_key["key 3"] == plain["key 3"] | {"largest": 10**6}
    assert by_key["key 4"] == plain["key 4"] | {"seen": [-1, *plain["key 4"]["seen"]]}
    assert by_key["key 5"]["count"] < plain["key 5"]["count"]
    assert "key 6" not in by_key
    assert [line["k"] for line in told if line["at"] == AT_THE_END + 1] == ["key 7"]
    others = plain.keys() - {"key 3", "key 4", "key 5", "key 6"}
    assert {key: by_key[key] for key in others} == {key: plain[key] for key in others}
    found = [line for line in lines if line["kind"] == "found"]
    assert [-7 in line["rows"] for line in found].count(True) == 1
    assert {tuple(line["names"]) for line in found} == {("2-0", "somebody")}
    assert {line["rules"]["1"] for line in found} == {"another rule"}


def test_what_nobody_asked_for_is_passed_on_to_the_byte_and_the_job_goes_on_exactly(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    savepoint = Savepoint.load(KEPT)
    assert savepoint.operator("kept").keyed_state(COUNT)["key 0"] > 0
    written = savepoint.write(str(tmp_path / "same"))
    lines = output_from(cluster, tmp_path, written)
    by_key = {line["k"]: line for line in lines if line["kind"] == "kept"}
    assert by_key == {line["k"]: line for line in expected()}


def test_keys_and_max_parallelism_change_and_nothing_is_lost(tmp_path: Path) -> None:
    savepoint = Savepoint.load(KEPT)
    kept = savepoint.operator("kept")
    before = [dict(kept.keyed_state(descriptor)) for descriptor in ALL]
    timers = set(kept.event_timers), set(kept.processing_timers)
    number = lambda key: int(key.removeprefix("key "))
    kept.migrate(*ALL, key=number, max_parallelism=50)
    again = Savepoint.load(savepoint.write(str(tmp_path / "migrated"))).operator("kept")
    assert (again.max_parallelism, again.parallelism) == (50, kept.parallelism)
    for descriptor, was in zip(ALL, before, strict=True):
        assert dict(again.keyed_state(descriptor)) == {number(key): value for key, value in was.items()}
    moved = tuple({(number(key), at) for key, at in found} for found in timers)
    assert (set(again.event_timers), set(again.processing_timers)) == moved


def test_a_job_goes_on_exactly_at_the_layout_to_which_its_state_was_migrated(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    """Keys are numbers now, in 50 key groups, read by three subtasks where two had written. Row C7."""
    savepoint = Savepoint.load(KEPT)
    number = lambda key: int(key.removeprefix("key "))
    savepoint.operator("kept").migrate(*ALL, key=number, max_parallelism=GROUPS_OF_NUMBERS)
    written = savepoint.write(str(tmp_path / "migrated"))
    (tmp_path / "gate").touch()
    wanted = spec(tmp_path, parallelism=3, restore_from=written)
    job = cluster.submit(structs.replace(wanted, args=(*wanted.args, "keys=number")))
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    told = [line for line in oracle.visible(str(tmp_path / "out")) if line["kind"] == "kept"]
    assert len(told) == KEYS
    assert {line["k"]: line for line in told} == {
        number(line["k"]): {**line, "k": number(line["k"])} for line in expected()
    }


def test_a_migration_says_what_is_missing_and_what_becomes_one() -> None:
    kept = Savepoint.load(KEPT).operator("kept")
    with pytest.raises(StateAccessError, match=r"also has the state .*'last'.*; give the descriptors of all"):
        kept.migrate(COUNT, key=str.upper)
    with pytest.raises(
        StateAccessError, match=r"'key \d+' and 'key \d+' of operator uid 'kept' both become 'one'"
    ):
        kept.migrate(*ALL, key=lambda _key: "one")
    with pytest.raises(StateAccessError, match=r"has 2 subtasks and cannot have 1 key groups"):
        kept.migrate(*ALL, max_parallelism=1)


def test_mistakes_are_named(tmp_path: Path) -> None:
    savepoint = Savepoint.load(KEPT)
    with pytest.raises(SnapshotError, match=r"has no operator 'count'; it has .*'kept'"):
        savepoint.operator("count")
    kept = savepoint.operator("kept")
    with pytest.raises(SnapshotMismatch, match=r"state 'count' .* as int and is now declared as str"):
        kept.keyed_state(ValueStateDescriptor("count", str))
    kept = Savepoint.load(KEPT)
    kept.operator("kept").keyed_state(COUNT)["key 1"] = "many"
    with pytest.raises(
        SerializationError, match=r"state 'count' of operator uid 'kept', key 'key 1': .*int, got str"
    ):
        kept.write(str(tmp_path / "wrong"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(SnapshotError, match=r"is not empty; name a new folder"):
        savepoint.write(str(tmp_path / "full"))


def test_a_diff_tells_what_was_changed_offline_and_nothing_else_without_the_jobs_code(tmp_path: Path) -> None:
    savepoint = Savepoint.load(KEPT)
    kept, ruled = savepoint.operator("kept"), savepoint.operator("ruled")
    last, pickled = (
        kept.keyed_state(LAST),
        kept.keyed_state(ValueStateDescriptor("pickled", PickleSerializer(unsigned=True))),
    )
    was = last["key 2"]
    last["key 2"] = Last(-1, "changed", [])
    del kept.keyed_state(COUNT)["key 5"]
    kept.keyed_state(BY_DIGIT)["key 1"]["new"] = 7
    kept.event_timers.remove(("key 6", AT_THE_END))
    pickled["key 1"] = {99}
    ruled.broadcast_state(RULES)[1] = "another rule"
    written = savepoint.write(str(tmp_path / "changed"))
    command = [sys.executable, "-m", "weir", "diff", KEPT, written]
    said = subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, text=True).stdout
    assert f"~ 'key 2': {{'number': {was.number}, 'text': '{was.number}', 'parts': {was.parts}}} -> " in said
    assert "{'number': -1, 'text': 'changed', 'parts': []}" in said
    assert "count (value, int): 1 removed" in said
    assert "+ ('key 1', 'new'): 7" in said
    assert f"- ('key 6', {AT_THE_END})\n" in said
    assert "pickled (value, pickled): its bytes differ" in said
    assert "~ 1: 'rule 1' -> 'another rule'" in said
    assert sum(line.startswith("    ") for line in said.splitlines()) == 5
    same = subprocess.run([*command[:-1], KEPT], check=True, capture_output=True, cwd=tmp_path, text=True)
    assert same.stdout == ""


def test_an_operator_may_be_left_out(tmp_path: Path) -> None:
    savepoint = Savepoint.load(KEPT)
    savepoint.drop_operator("ruled")
    again = Savepoint.load(savepoint.write(str(tmp_path / "without")))
    assert "ruled" not in {operator.uid for operator in again.operators}
    with pytest.raises(SnapshotError, match="has no operator 'ruled'"):
        again.operator("ruled")


def test_an_incremental_checkpoint_is_read_too(cluster: LocalCluster, tmp_path: Path) -> None:
    incremental = {"state.backend.type": "RocksDB", "execution.checkpointing.incremental": "true"}
    wanted = spec(tmp_path, restore_from=KEPT)
    job = cluster.submit(structs.replace(wanted, overrides=wanted.overrides | incremental))
    wait_for(cluster, job, lambda status: status.checkpoints.completed > 1)
    cluster.suspend(job)
    chosen = max(tmp_path.glob("checkpoints/*/chk-*"), key=lambda path: int(path.name.removeprefix("chk-")))
    assert '"shared/' in (chosen / "_metadata").read_text()
    read = Savepoint.load(str(chosen))
    for descriptor in ALL:
        now = dict(read.operator("kept").keyed_state(descriptor))
        assert now == dict(Savepoint.load(KEPT).operator("kept").keyed_state(descriptor))
    written = read.write(str(tmp_path / "savepoint"))
    assert '"shared/' not in (tmp_path / "savepoint/_metadata").read_text()
    assert inspect_snapshot(load(written)).faults == ()


class Gadget:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_somebody_else_put_into_a_savepoint_runs_nowhere(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    """Row R36: not in the command line, not in the JobManager, and in a worker only with the job's own signature."""
    proof = tmp_path / "ran"

    def with_gadget(name: str, key: bytes) -> str:
        allow_pickle(key)
        savepoint = Savepoint.load(KEPT)
        kept = savepoint.operator("kept")
        kept.keyed_state(ValueStateDescriptor("pickled", PickleSerializer(unsigned=True)))["key 1"] = Gadget(
            proof
        )
        return savepoint.write(str(tmp_path / name))

    def submitted(name: str, path: str) -> JobId:
        (tmp_path / name).mkdir()
        return cluster.submit(spec(tmp_path / name, restore_from=path))

    foreign = with_gadget("foreign", b"the key of somebody else, of 32 bytes and more")
    for command in (["inspect", foreign], ["diff", KEPT, foreign]):
        subprocess.run(
            [sys.executable, "-m", "weir", *command], check=True, capture_output=True, cwd=tmp_path
        )
    job = submitted("refused", foreign)
    status = wait_for(cluster, job, lambda status: bool(status.failures))
    assert "signed with another key than that of state.pickle.key-file" in status.failures[0].failure.message
    cluster.cancel(job)
    assert not proof.exists()
    job = submitted("let", with_gadget("own", KEY))
    waiting.wait_for(proof.exists, "the gadget works where it is let")
    cluster.cancel(job)
