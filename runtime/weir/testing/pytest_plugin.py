"""Fixtures for pytest, which finds them where ``weir-stream[testing]`` is installed (entry point ``pytest11``).

``weir_clock``: a manual clock for harnesses. ``weir_run_job``: runs a job on real processes that all tests of a session share.
``weir_snapshot``: keeps the state of an old version of a function beside its test. Nothing else of Weir is loaded before a
fixture is asked for, so that a test suite pays only for what it uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from weir.local.cluster import LocalCluster
    from weir.rpc.requests import JobStatus
    from weir.testing.cluster import Build
    from weir.testing.drive import Harness
    from weir.testing.manual_clock import ManualClock
    from weir.testing.snapshots import Snapshot

_WRITE: Final = "--weir-write-snapshots"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the fixtures."""
    parser.getgroup("weir").addoption(
        _WRITE, action="store_true", help="write the files of weir_snapshot() that do not exist yet"
    )


@pytest.fixture
def weir_clock() -> ManualClock:
    """Time for harnesses that share it: ``keyed_harness(..., clock=weir_clock)``. It begins at 0."""
    from weir.testing.manual_clock import ManualClock

    return ManualClock()


@pytest.fixture(scope="session")
def _weir_cluster() -> Iterator[LocalCluster]:
    """One cluster for a session: a job needs a worker process of its own, not a cluster of its own."""
    from weir.testing.cluster import cluster_for_tests

    with cluster_for_tests() as cluster:
        yield cluster


@pytest.fixture
def weir_run_job(_weir_cluster: LocalCluster, tmp_path: Path) -> RunJob:
    """``weir_run_job(build, args=[...])`` as ``weir.testing.run_job``, on the cluster of the session.

    Checkpoints lie in ``tmp_path``. What a test sets in its environment does not reach the cluster, which may be older.
    """
    return RunJob(_weir_cluster, tmp_path)


@pytest.fixture
def weir_snapshot(request: pytest.FixtureRequest) -> KeptSnapshots:
    """``weir_snapshot("sessions-1", harness)``: state as it was written once, kept in ``snapshots/`` beside the test.

    The file is written from the harness when pytest runs with ``--weir-write-snapshots`` and there is none; commit it
    with the version that wrote it. Later versions restore it: ``harness.restored(weir_snapshot(...))``.
    """
    return KeptSnapshots(request.path.parent / "snapshots", write=request.config.getoption(_WRITE))


class RunJob:
    """What ``weir_run_job`` is."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder

    def __call__(self, build: Build, args: Any = (), **options: Any) -> JobStatus:
        """Run a job to its end; options as of ``weir.testing.run_job``, but for ``folder`` and ``cluster``."""
        from weir.testing.cluster import run_job

        return run_job(build, args, folder=self._folder, cluster=self._cluster, **options)


class KeptSnapshots:
    """What ``weir_snapshot`` is."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        #: Where the files lie.
        self.folder = folder
        self._write = write

    def __call__(self, name: str, harness: Harness[Any, Any]) -> Snapshot:
        """The snapshot ``name``. Raises ``FileNotFoundError`` when there is none and none may be written."""
        from weir.testing.snapshots import Snapshot

        path = self.folder / f"{name}.snapshot"
        if not path.exists():
            if not self._write:
                raise FileNotFoundError(
                    f"there is no {path}; pytest {_WRITE} writes it from the harness as it is now"
                )
            self.folder.mkdir(parents=True, exist_ok=True)
            harness.snapshot().save(path)
        return Snapshot.load(path)
