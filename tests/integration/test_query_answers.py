"""The queries of the column benchmark beside loops in Python, with a worker killed in the middle of each (row C10)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from tests.support import bids_oracle
from tests.support.clusters import FAST, ROOT, kill_a_worker, wait_for
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

ROWS, AUCTIONS = 250_000, 500


@pytest.fixture(scope="module")
def bids() -> list[bids_oracle.Bid]:
    return list(bids_oracle.bids(ROWS, AUCTIONS))


def spec(folder: Path, query: str) -> JobSpec:
    return JobSpec(
        name=query,
        entrypoint="tests.support.gated_queries:build",
        args=(str(ROWS), str(AUCTIONS), query, str(folder / "out"), str(folder / "gate")),
        python_path=(str(ROOT),),
        parallelism=2,
        overrides={
            "execution.checkpointing.interval": "200ms",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50ms",
        },
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


@pytest.mark.parametrize("query", sorted(bids_oracle.ANSWERS))
def test_the_answer_is_that_of_a_loop_through_a_killed_worker(
    query: str, bids: list[bids_oracle.Bid], tmp_path: Path
) -> None:
    with LocalCluster(environment=FAST) as cluster:
        running = cluster.submit(spec(tmp_path, query))
        wait_for(cluster, running, lambda s: s.checkpoints.completed >= 2 and s.records_in > 30_000)
        kill_a_worker(cluster, running)
        (tmp_path / "gate").touch()
        ended = cluster.wait(running, timeout=120)
    assert ended.state is JobState.FINISHED, ended.failures
    assert ended.restarts > 0
    lines = [line for part in (tmp_path / "out").glob("part-*") for line in part.read_text().splitlines()]
    assert Counter(tuple(json.loads(line)) for line in lines) == Counter(
        map(tuple, bids_oracle.ANSWERS[query](bids))
    )
