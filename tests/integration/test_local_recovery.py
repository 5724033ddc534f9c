"""Local recovery on real processes and a real S3: what a restart reads from the store, counted by a proxy before it. Row B23."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs

from tests.support import waiting
from tests.support.clusters import FAST, faults, kill_a_worker, open_gate, reference, spec, started, wait_for
from tests.support.s3_proxy import Fault, Proxy, proxied
from tests.support.s3_servers import S3Server
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.requests import JobState

BACKENDS = {
    "FileSystem": {"state__backend__type": "FileSystem"},
    "RocksDB": {
        "state__backend__type": "RocksDB",
        "execution__checkpointing__incremental": "true",
        "state__backend__rocksdb__memory__fixed_per_slot": "16Mi",
    },
}


@dataclass
class Running:
    cluster: LocalCluster
    job: JobId
    proxy: Proxy

    def restart(self) -> int:
        """Kill a worker; the bytes of state files that were read from the store until all ran again."""
        before, attempt = dict(self.proxy.read), self.cluster.status(self.job).attempt
        kill_a_worker(self.cluster, self.job)
        wait_for(
            self.cluster,
            self.job,
            lambda status: status.attempt > attempt and status.state is JobState.RUNNING,
        )
        wanted = self.cluster.status(self.job).checkpoints.completed + 1
        wait_for(self.cluster, self.job, lambda status: status.checkpoints.completed >= wanted)
        return sum(
            size - before.get(path, 0)
            for path, size in self.proxy.read.items()
            if "/shared/" in path or ("/chk-" in path and not path.endswith("/_metadata"))
        )


def put_a_file_in_place_of(folder: Path, away: Path) -> None:
    """No copy is found any more, and none can be made."""
    tries = itertools.count()

    def is_in_the_way() -> bool:
        with contextlib.suppress(FileNotFoundError):
            folder.rename(f"{away}{next(tries)}")
        try:
            folder.touch(exist_ok=False)
        except FileExistsError:
            return False  # a worker made it anew in between
        return True

    waiting.wait_for(is_in_the_way, f"{folder} is a file")


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    with proxied(s3.endpoint, Fault.NONE) as made:
        yield made


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_restart_reads_its_state_from_the_own_disk_and_without_copies_from_the_store(
    tmp_path: Path, s3: S3Server, proxy: Proxy, backend: str
) -> None:
    copies = tmp_path / "copies"
    work = reference(tmp_path, rows=6000, keys=200, ballast=2000)
    wanted = spec(
        work,
        tmp_path,
        **BACKENDS[backend],
        execution__checkpointing__local_backup__enabled="true",
        execution__checkpointing__local_backup__dirs=str(copies),
        execution__state_recovery__from_local="true",
    )
    wanted = structs.replace(wanted, checkpoint_storage=f"{s3.uri}/checkpoints")
    environment = replace(s3, endpoint=proxy.endpoint).environment
    with LocalCluster(environment={**FAST, **environment}) as cluster:
        job = started(cluster, wanted, checkpoints=3)
        running = Running(cluster, job, proxy)
        assert running.restart() == 0
        folder = copies / f"weir-copies-{job}"
        waiting.wait_for(
            lambda: len(list(folder.iterdir())) <= 3,
            lambda: f"older copies are gone: {list(folder.iterdir())}",
        )
        put_a_file_in_place_of(folder, tmp_path / "away")
        assert running.restart() > 5_000
        open_gate(work)
        status = cluster.wait(job, timeout=120)
        assert status.state is JobState.FINISHED, status.failures
    assert faults(work) == []
    assert not list(copies.glob("*/*")), "an orderly end takes the copies along"
