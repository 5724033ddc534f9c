"""Incremental checkpoints of jobs on RocksDB: kills, rescales, files that are shared and files that are left, on real processes.

Scorecard row B4.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.test_recovery import HEARTBEATS, exact, kill_at_random, reference
from tests.support import oracle
from tests.support.processes import ROOT, Run, completed_in, read_fence, resource

SEED = int(os.environ.get("WEIR_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


def incremental(job: Any, tmp_path: Path, **settings: Any) -> dict[str, Any]:
    config = {
        "state.backend.rocksdb.localdir": str(tmp_path / "local"),
        "state.backend.rocksdb.memory.fixed-per-slot": "16Mi",
    }
    backend = {"type": "RocksDB", "incremental": True}
    return resource(job, tmp_path, config=config, stateBackend=backend, **settings)


def references(folder: Path) -> dict[int, set[str]]:
    """By checkpoint that is there: the shared files of which it is made."""
    return {
        int(metadata.parent.name.removeprefix("chk-")): set(
            re.findall(r'"path": ?"(shared/[^"]+)"', metadata.read_text())
        )
        for metadata in folder.glob("chk-*/_metadata")
    }


def there(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.glob("shared/*/*")}


def test_output_is_exact_over_kills_and_no_file_is_missing_or_left(tmp_path: Path) -> None:
    print(f"WEIR_TEST_SEED={SEED}")
    job = reference(tmp_path, rows=4000, rate=1000, keys=400, ballast=2000)
    described = incremental(job, tmp_path, interval="200ms")
    with Run(tmp_path, described, HEARTBEATS) as run, oracle.Visible(job.out) as seen:
        run.wait_completed(3)
        folder = run.job_folder()
        newest = run.wait(lambda: max(references(folder).items(), default=None), "a checkpoint is there")
        assert newest[1], "it is made of shared files"
        kill_at_random(run, ("worker", "supervisor", "jobmanager"), 3, random.Random(SEED))
        run.wait_completed(len(run.completed()) + 3)

        def shares() -> bool:
            """A checkpoint is made of files that were stored for earlier ones."""
            return any(
                int(file.split("/")[1]) < number
                for number, files in references(folder).items()
                for file in files
            )

        run.wait(shares, "a checkpoint is made of a file of an earlier one")
        run.process.send_signal(signal.SIGINT)
        run.finish()
        # Suspended: what is retained can be restored, and nothing else is left but what a checkpoint on its way stored.
        made_of = references(folder)
        assert set().union(*made_of.values()) <= there(folder)
        newest_number = max(made_of)
        left = there(folder) - set().union(*made_of.values())
        assert all(int(file.split("/")[1]) > newest_number for file in left), left
        facts = inspected(folder)
        assert facts["faults"] == []
        [count] = [operator for operator in facts["operators"] if operator["uid"] == "count"]
        assert {state["kind"] for state in count["states"]} <= {
            "value",
            "map",
            "list",
            "reducing",
            "aggregating",
        }
        assert count["files"] >= 1
    Path(job.gate).touch()
    with Run(tmp_path, described, HEARTBEATS, name="again") as run:
        run.finish()
        exact(run, job, seen)
    assert there(folder) == set(), "a job that finished takes its checkpoints with it"
    assert list((tmp_path / "local").glob("*/*")) == []


def inspected(folder: Path) -> dict[str, Any]:
    number = completed_in(read_fence(folder))[-1]
    command = [sys.executable, "-m", "weir", "inspect", str(folder / f"chk-{number}"), "-o", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)


def test_a_retained_checkpoint_is_restored_by_another_job_at_another_parallelism(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=3000, rate=1500, keys=300, ballast=1000)
    described = incremental(job, tmp_path, interval="200ms")
    with Run(tmp_path, described, HEARTBEATS) as run:
        run.wait_completed(3)
        run.interrupt()
        folder = run.job_folder()
    number = completed_in(read_fence(folder))[-1]
    before = {path: path.read_bytes() for path in folder.glob("shared/*/*")}
    Path(job.gate).touch()
    other = tmp_path / "other"
    described = incremental(job, other, parallelism=3, slots=3, interval="200ms")
    described["spec"]["restore"] = {"from": str(folder / f"chk-{number}")}
    with Run(other, described, HEARTBEATS) as run:
        assert run.finish() == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert {path: path.read_bytes() for path in folder.glob("shared/*/*")} == before, "it was only read"


def test_the_heap_refuses_an_increment_with_what_to_do(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=2000, rate=1000)
    described = incremental(job, tmp_path, interval="200ms")
    with Run(tmp_path, described, HEARTBEATS) as run:
        run.wait_completed(2)
        run.interrupt()
    described["spec"]["stateBackend"] = {"type": "FileSystem"}
    described["spec"]["restart"] = {"strategy": "None"}
    with Run(tmp_path, described, HEARTBEATS, name="heap") as run:
        assert run.finish() != 0
    assert "is in files of RocksDB" in run.stderr
    assert "set stateBackend.type: RocksDB, or go on from a canonical savepoint" in run.stderr
