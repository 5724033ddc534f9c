"""Windows of rows on real processes: none fires when a job is stopped, all fire when it is drained, and they survive both.

Scorecard row B7.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import windowed_job as job
from tests.support.clusters import FAST, ROOT, wait_for
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState


def spec(folder: Path, parallelism: int, backend: str) -> JobSpec:
    return JobSpec(
        name="windows",
        entrypoint="tests.support.windowed_job:build",
        args=("3000", str(folder / "out")),
        python_path=(str(ROOT),),
        parallelism=parallelism,
        overrides={"execution.checkpointing.interval": "200ms", "state.backend.type": backend},
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


@pytest.mark.parametrize("backend", ["FileSystem", "RocksDB"])
def test_without_drain_no_open_window_fires_with_drain_all_of_them_do(tmp_path: Path, backend: str) -> None:
    out = tmp_path / "out"
    with LocalCluster(environment=FAST) as cluster:
        first = cluster.submit(spec(tmp_path, 1, backend))
        wait_for(cluster, first, lambda status: status.checkpoints.completed >= 3)
        cluster.stop(first, str(tmp_path / "savepoints"))
        before = sorted(job.written(out, "numbers"))
        assert before == list(range(len(before)))
        # The watermark is the last number less one: what that closes has fired, all else waits.
        fired = {(key, start): count for key, start, count in job.written(out, "short")}
        assert fired == job.short_windows(len(before), watermark=len(before) - 2)
        assert job.written(out, "long") == []

        again = cluster.submit(spec(tmp_path, 2, backend))
        done = wait_for(
            cluster, again, lambda status: status.checkpoints.restored is not None
        ).checkpoints.completed
        wait_for(cluster, again, lambda status: status.checkpoints.completed >= done + 3)
        cluster.stop(again, str(tmp_path / "savepoints"), drain=True)
        assert cluster.status(again).state is JobState.FINISHED

    numbers = sorted(job.written(out, "numbers"))
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > len(before)
    short = job.written(out, "short")
    assert {(key, start): count for key, start, count in short} == job.short_windows(len(numbers))
    assert len(short) == len(job.short_windows(len(numbers))), "each window fired once"
    listed = dict(job.written(out, "long"))
    assert listed == {key: list(range(key, len(numbers), job.KEYS)) for key in range(job.KEYS)}
