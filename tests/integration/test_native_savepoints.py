"""Savepoints in the files of their backend: self-contained as any, and for that backend alone; full checkpoints amid increments.

Scorecard row B6.
"""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.integration.test_steering_commands import weir
from tests.support.clusters import (
    FAST,
    elsewhere,
    faults,
    folder_of,
    kill_a_worker,
    open_gate,
    reference,
    spec,
    started,
    wait_for,
)
from tests.support.waiting import wait_for as wait_until
from weir.checkpoint.inspection import inspect_snapshot
from weir.checkpoint.store import load
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.requests import JobState

ROCKSDB = {"state__backend__type": "RocksDB", "state__backend__rocksdb__memory__fixed_per_slot": "16Mi"}
INCREMENTAL = {**ROCKSDB, "execution__checkpointing__incremental": "true"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=2, rest="127.0.0.1:0") as made:
        yield made


def saved(cluster: LocalCluster, job: JobId, folder: Path, kind: str) -> str:
    """A savepoint taken by the command."""
    done = weir("savepoint", job, str(folder), "--type", kind, address=str(cluster.rest_address))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def checkpoint(cluster: LocalCluster, job: JobId, kind: str) -> Any:
    """The answer once a checkpoint of that type is complete."""
    base = f"http://{cluster.rest_address}/jobs/{job}/checkpoints"
    body = json.dumps({"checkpointType": kind}).encode()
    request = urllib.request.Request(base, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        trigger = json.load(answer)["request-id"]

    def done() -> Any:
        with urllib.request.urlopen(f"{base}/{trigger}") as polled:
            found = json.load(polled)
        return found if found["status"]["id"] == "COMPLETED" else None

    return wait_until(done, "the checkpoint is complete")


def test_a_native_savepoint_is_for_its_backend_and_a_canonical_one_for_all(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = reference(tmp_path, keys=100, ballast=1000)
    job = started(cluster, spec(work, tmp_path, **ROCKSDB))
    wait_for(cluster, job, lambda status: status.records_in >= 0.7 * work.partitions * work.rows)
    paths = {kind: saved(cluster, job, tmp_path / kind, kind) for kind in ("native", "canonical")}
    cluster.cancel(job)
    moved = tmp_path / "moved"
    folder_of(paths["native"]).rename(moved)
    assert inspect_snapshot(load(moved.as_uri())).faults == ()
    assert list(moved.glob("shared/*/*")) and not list(folder_of(paths["canonical"]).glob("shared/*/*"))
    open_gate(work)
    heap = {"state__backend__type": "FileSystem"}
    for name, source, settings in (
        ("native-rocksdb", moved.as_uri(), INCREMENTAL),
        ("native-heap", moved.as_uri(), heap),
        ("canonical-heap", paths["canonical"], heap),
    ):
        mine = elsewhere(work, tmp_path / f"out-{name}")
        shutil.copytree(work.out, mine.out)
        wanted = structs.replace(spec(mine, tmp_path, name=name, **settings), restore_from=source)
        status = cluster.wait(cluster.submit(wanted), timeout=120)
        if name == "native-heap":
            assert status.state is JobState.FAILED
            assert status.failure is not None
            for said in ("a native savepoint", "set stateBackend.type: RocksDB", "canonical savepoint"):
                assert said in status.failure.message
        else:
            assert status.state is JobState.FINISHED, status.failures
            assert faults(mine) == []


def test_a_full_checkpoint_amid_increments_is_made_of_files_of_its_own_and_increments_go_on_from_it(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = reference(tmp_path, keys=100, ballast=1000)
    settings = {**INCREMENTAL, "execution__checkpointing__num_retained": "1000"}
    job = started(cluster, spec(work, tmp_path, **settings))
    wait_for(cluster, job, lambda status: status.records_in >= 0.7 * work.partitions * work.rows)

    def taken(kind: str) -> tuple[int, set[int]]:
        """The number of a checkpoint, and those for which the files were stored that it shares."""
        number = checkpoint(cluster, job, kind)["operation"]["checkpointId"]
        text = (tmp_path / "checkpoints" / job / f"chk-{number}" / "_metadata").read_text()
        return number, {int(n) for n in re.findall(r'"path": ?"shared/(\d+)/', text)}

    wait_until(lambda: taken("CONFIGURED")[1], "changes are in the database")
    full, of_full = taken("FULL")
    last, of_last = taken("INCREMENTAL")
    assert of_full == {full}
    assert full in of_last and min(of_last) >= full and max(of_last) <= last
    kill_a_worker(cluster, job)
    open_gate(work)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    assert faults(work) == []
