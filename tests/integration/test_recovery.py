"""Kills at random instants: the committed output is exact, the job is the same, and nothing is read twice that is committed.

Scorecard rows A1, A2, A3 and A4. A failing seed is printed; ``WEIR_TEST_SEED`` repeats it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import fence_check, metadata_check, oracle
from tests.support.metadata_check import Snapshot
from tests.support.processes import Run, completed_in, resource
from tests.support.reference_rows import Reference

SEED = int(os.environ.get("WEIR_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
HEARTBEATS = {"WEIR_HEARTBEAT_INTERVAL": "300ms", "WEIR_HEARTBEAT_TIMEOUT": "5s"}


def reference(tmp_path: Path, **settings: Any) -> Reference:
    return Reference(out=str(tmp_path / "out"), gate=str(tmp_path / "gate"), **settings)


def exact(run: Run, job: Reference, seen: oracle.Visible) -> None:
    """The run ended well and its output is what a recomputation gives."""
    assert run.process.returncode == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == [], run.story()
    assert seen.faults == [], run.story()
    assert seen.states > 1, "nothing became visible before the end"
    assert fence_check.faults(run.job_folder()) == []


def kill_at_random(run: Run, kinds: tuple[str, ...], kills: int, rng: random.Random) -> None:
    """SIGKILL processes of these kinds at random instants, which may fall into a recovery."""
    for _ in range(kills):
        instant = time.monotonic() + rng.uniform(0.05, 1.5)
        run.wait(lambda instant=instant: time.monotonic() >= instant, "the next random instant comes")
        kind = rng.choice(kinds)
        victims = run.wait(lambda kind=kind: run.processes(kind), f"a {kind} process runs")
        rng.choice(victims).signal(signal.SIGKILL)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("number", "kinds", "kills"),
    [(1, ("worker",), 10), (2, ("supervisor",), 20)],
    ids=["workers", "whole-taskmanagers"],
)
def test_output_is_exact_when_task_managers_are_killed_at_random_instants(
    tmp_path: Path, number: int, kinds: tuple[str, ...], kills: int
) -> None:
    print(f"WEIR_TEST_SEED={SEED}")
    rng = random.Random(SEED + number)
    job = reference(tmp_path, partitions=4, rows=12_000, rate=1500, keys=100)
    described = resource(job, tmp_path, parallelism=4, slots=2, interval="250ms")
    with Run(tmp_path, described, HEARTBEATS) as run, oracle.Visible(job.out) as seen:
        run.wait_completed(1)
        kill_at_random(run, kinds, kills, rng)
        run.wait_completed(len(run.completed()) + 2)
        Path(job.gate).touch()
        run.finish()
    exact(run, job, seen)


def test_a_killed_jobmanager_goes_on_with_the_same_job_from_its_last_checkpoint(tmp_path: Path) -> None:
    print(f"WEIR_TEST_SEED={SEED}")
    job = reference(tmp_path, rows=8000, rate=1000)
    with Run(tmp_path, resource(job, tmp_path), HEARTBEATS) as run, oracle.Visible(job.out) as seen:
        run.wait_completed(1)
        for _ in range(3):
            before = run.completed()
            run.one("jobmanager").signal(signal.SIGKILL)
            run.wait_completed(len(before) + 2)
        Path(job.gate).touch()
        run.finish()
    exact(run, job, seen)
    fence = run.fence()  # fails if there is more than one job
    starts = [i for i, entry in enumerate(fence) if entry["record"]["type"] == "start"]
    assert len(starts) == 4
    for at in starts[1:]:
        assert fence[at]["record"]["base"]["checkpoint_id"] == completed_in(fence[:at])[-1]
    assert [entry["epoch"] for entry in fence] == sorted(entry["epoch"] for entry in fence)


@pytest.mark.parametrize("variant", ["mutating", "two-inputs", "union", "broadcast"])
def test_every_kind_of_job_is_exact_over_kills(tmp_path: Path, variant: str) -> None:
    print(f"WEIR_TEST_SEED={SEED}")
    job = reference(tmp_path, rows=6000, rate=1000, variant=variant)
    described = resource(job, tmp_path, interval="150ms")
    with Run(tmp_path, described, HEARTBEATS) as run, oracle.Visible(job.out) as seen:
        run.wait_completed(1)
        kill_at_random(run, ("worker", "supervisor", "jobmanager"), 2, random.Random(SEED))
        run.wait_completed(len(run.completed()) + 2)
        Path(job.gate).touch()
        run.finish()
    exact(run, job, seen)


def asked(journal: Path) -> list[dict[str, int]]:
    """What readers were asked for, in the order of time."""
    lines = [json.loads(line) for path in journal.iterdir() for line in path.read_text().splitlines()]
    return sorted(lines, key=lambda line: line["at"])


def test_every_checkpoint_is_of_one_moment_and_a_restart_asks_for_exactly_its_offsets(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    job = reference(tmp_path, rows=12_000, rate=1500, journal=str(journal))
    described = resource(job, tmp_path, interval="150ms", checkpoints={"retained": 1000})
    with Run(tmp_path, described, HEARTBEATS) as run:
        for victim in ("worker", "worker", "jobmanager", "supervisor"):
            run.wait_completed(len(run.completed()) + 3)
            run.one(victim).signal(signal.SIGKILL)
        run.wait_completed(len(run.completed()) + 3)
        assert run.interrupt() == 130, run.story()  # suspends: checkpoints stay
    completed = run.completed()
    folder = run.job_folder()
    assert fence_check.faults(folder) == []
    assert len(completed) >= 15
    offsets = {}
    for number in completed:
        checkpoint = folder / f"chk-{number}"
        assert metadata_check.faults(checkpoint, job) == []
        offsets[number] = Snapshot(checkpoint).next_offsets(job)
    times = {
        entry["record"]["point"]["checkpoint_id"]: entry["written_ms"]
        for entry in run.fence()
        if entry["record"]["type"] == "checkpoint"
    }
    requests = asked(journal)
    restored = [line for line in requests if line["position"] > 0]
    assert len(requests) >= 5 * job.partitions
    assert len(restored) >= 4 * job.partitions
    for line in requests:
        earlier = [number for number in completed if times[number] * 1_000_000 < line["at"]]
        wanted = offsets[earlier[-1]][line["partition"]] if earlier else 0
        assert line["position"] == wanted, f"asked for {line}, checkpoint {earlier[-1:]} is at {wanted}"
