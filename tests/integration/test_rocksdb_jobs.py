"""Jobs whose state is in RocksDB: kills, rescales, memory and disks, on real processes."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from tests.integration.test_recovery import HEARTBEATS, exact, kill_at_random, reference
from tests.support import oracle
from tests.support.processes import Run, resource

SEED = int(os.environ.get("WEIR_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


def on_rocksdb(job: Any, tmp_path: Path, **settings: Any) -> dict[str, Any]:
    config = {"state.backend.rocksdb.localdir": str(tmp_path / "local")} | settings.pop("config", {})
    return resource(job, tmp_path, config=config, stateBackend={"type": "RocksDB"}, **settings)


def test_output_is_exact_over_kills(tmp_path: Path) -> None:
    print(f"WEIR_TEST_SEED={SEED}")
    job = reference(tmp_path, rows=4000, rate=1000, variant="mutating")
    described = on_rocksdb(job, tmp_path, interval="150ms")
    with Run(tmp_path, described, HEARTBEATS) as run, oracle.Visible(job.out) as seen:
        run.wait_completed(1)
        kill_at_random(run, ("worker", "supervisor", "jobmanager"), 2, random.Random(SEED))
        run.wait_completed(len(run.completed()) + 2)
        Path(job.gate).touch()
        run.finish()
    exact(run, job, seen)
    assert list((tmp_path / "local").iterdir()) == [], (
        "databases are gone with their workers, killed ones too"
    )
