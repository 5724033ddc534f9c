"""Workers and JobManagers are killed while a file is on its way to a real S3, which has it after its writer's death. Scorecard row R17.

What retained checkpoints are made of is whole at any time, and when the job has gone on nothing else is left. ``WEIR_TEST_KILLS=100`` asks for more kills.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.test_incremental_checkpoints import incremental
from tests.integration.test_recovery import HEARTBEATS, reference
from tests.support import oracle
from tests.support.processes import Run
from tests.support.s3_proxy import Fault, Proxy, proxied
from tests.support.s3_servers import S3Server, new_bucket
from weir.checkpoint import paths, store
from weir.errors import WeirError
from weir.storage import Storage, open_storage

KILLS = int(os.environ.get("WEIR_TEST_KILLS", "4"))
#: Each of several waits in a row may take long on a busy machine.
pytestmark = pytest.mark.timeout(600 + 30 * KILLS)
#: Whose file is held, and who is killed meanwhile.
ROUNDS = (
    ("/shared/", "worker"),
    ("/chk-", "worker"),
    ("/_metadata", "jobmanager"),
    ("/shared/", "jobmanager"),
)


@pytest.fixture
def s3(minio_server: str, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    server = new_bucket(minio_server)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    with proxied(s3.endpoint, Fault.NONE) as made:
        yield made
        made.let_go()


class Bucket:
    """The job's checkpoints."""

    def __init__(self, root: Storage) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Of all objects of the job, within its folder, but its log."""
        found = [
            info.name.partition("/")[2] for info in self._root.list() if len(info.name.split("/")[0]) == 32
        ]
        return [name for name in found if not name.startswith(paths.FENCE)]

    def folder(self) -> str:
        return next(
            info.name.split("/")[0] for info in self._root.list() if len(info.name.split("/")[0]) == 32
        )

    def numbers(self) -> list[int]:
        """Of checkpoints that are there."""
        found = [name.split("/")[0] for name in self.names() if name.endswith(f"/{paths.METADATA}")]
        return sorted(int(name.removeprefix("chk-")) for name in found)

    def newest(self) -> int:
        return max(self.numbers(), default=0)

    def made_of(self, number: int) -> set[str]:
        """The objects of a checkpoint. Raises ``SnapshotCorrupt`` if one is missing."""
        snapshot = store.load(f"{self._root.uri}/{self.folder()}/chk-{number}")
        store.check_files(snapshot)
        files = (
            handle.path or ""
            for operator in snapshot.metadata.operators
            for subtask in operator.subtasks
            for handle in subtask.files
        )
        return {*filter(None, files), f"chk-{number}/{paths.METADATA}"}

    def is_whole(self) -> bool:
        """Whether the newest checkpoint is; it may be deleted, for a newer one, while it is looked at."""
        number = self.newest()
        with suppress(WeirError):
            return bool(self.made_of(number))
        assert self.newest() > number, f"checkpoint {number} is retained, and not whole"
        return False


def kill_during_an_upload(run: Run, proxy: Proxy, part: str, kind: str) -> None:
    proxy.hold(part)
    run.wait(lambda: proxy.held is not None, f"a file {part} is on its way")
    victims = run.processes(kind)
    for victim in victims:
        victim.signal(signal.SIGKILL)
    run.wait(lambda: not any(victim.lives for victim in victims), "they are dead")
    proxy.let_go()


def test_nothing_that_is_referred_to_is_lost_and_nothing_else_stays(
    s3: S3Server, proxy: Proxy, tmp_path: Path
) -> None:
    job = reference(tmp_path, rows=100_000 + 15_000 * KILLS, rate=400, keys=200, ballast=2000)
    described = incremental(job, tmp_path, interval="200ms")
    root = open_storage(f"{s3.uri}/checkpoints", s3.options)
    described["spec"]["storage"] = {"checkpoints": root.uri, "s3": {"endpoint": proxy.endpoint}}
    environment = {**HEARTBEATS, **s3.environment, "AWS_ENDPOINT_URL": proxy.endpoint}
    bucket = Bucket(root)

    def goes_on(run: Run) -> Callable[[], bool]:
        before = bucket.newest()
        return lambda: bucket.newest() > before + 1 and bucket.is_whole()

    with oracle.Visible(job.out) as seen:
        with Run(tmp_path, described, environment, name="first") as run:
            run.wait(goes_on(run), "checkpoints complete")
            for number in range(KILLS):
                kill_during_an_upload(run, proxy, *ROUNDS[number % len(ROUNDS)])
                run.wait(goes_on(run), f"checkpoints go on after kill {number + 1}")
            run.interrupt()
        with Run(tmp_path, described, environment, name="second") as run:
            run.wait(goes_on(run), "checkpoints go on")
            run.interrupt()
    assert seen.faults == []
    assert list(root.uploads()) == []
    retained = bucket.numbers()
    referred = set().union(*map(bucket.made_of, retained))
    left = set(bucket.names()) - referred
    # What was on its way when the run was interrupted belongs to a number that never completed.
    assert all(
        int(name.removeprefix("shared/").removeprefix("chk-").split("/")[0]) > retained[-1] for name in left
    )
