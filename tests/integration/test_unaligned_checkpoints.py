"""Barriers overtake rows on real processes: a worker is killed and the job rescaled while rows are on their way; and REST
says when a checkpoint did not wait. Rows B2 and B3 of the scorecard.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_rest_of_a_cluster import Rest
from tests.support import pressed_job
from tests.support.clusters import FAST, kill_a_worker, wait_for
from tests.support.processes import ROOT
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=3, rest="127.0.0.1:0") as made:
        yield made


class Pressed:
    """The job under way."""

    def __init__(self, cluster: LocalCluster, folder: Path, *args: str, slow: bool, **settings: str) -> None:
        self.cluster, self.folder = cluster, folder
        self.slow(slow)
        spec = JobSpec(
            name=folder.name.replace("_", "-"),
            entrypoint="tests.support.pressed_job:build",
            args=(str(folder), *args),
            python_path=(str(ROOT),),
            parallelism=2,
            overrides={
                "execution.checkpointing.interval": "200ms",
                "execution.checkpointing.unaligned.enabled": "true",
                "restart-strategy.type": "fixed-delay",
                "restart-strategy.fixed-delay.delay": "50ms",
                **settings,
            },
            checkpoint_storage=f"file://{folder}/checkpoints",
        )
        assert cluster.rest_address is not None
        self.rest = Rest(cluster.rest_address)
        self.job: JobId = cluster.submit(spec)
        self.path = f"/jobs/{self.job}/checkpoints"

    def slow(self, slow: bool) -> None:
        if slow:
            (self.folder / "slow").touch()
        else:
            (self.folder / "slow").unlink(missing_ok=True)

    def latest(self, kind: str, least: int = 0) -> dict[str, Any]:
        """The newest completed checkpoint, once it is of this kind and held so many bytes of rows."""

        def is_it(found: dict[str, Any]) -> bool:
            newest = found["latest"]["completed"]
            return (
                newest is not None and newest["checkpoint_type"] == kind and newest["persisted_data"] >= least
            )

        newest: dict[str, Any] = self.rest.until(self.path, is_it)["latest"]["completed"]
        return newest


def test_rows_on_their_way_survive_a_killed_worker_and_a_rescale(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    rows = 40_000
    pressed = Pressed(cluster, tmp_path, str(rows), "0", "2", slow=True)
    pressed.latest("UNALIGNED_CHECKPOINT", least=10_000)
    kill_a_worker(cluster, pressed.job)
    wait_for(cluster, pressed.job, lambda status: status.restarts == 1)
    held = pressed.rest.until(pressed.path, lambda found: found["latest"]["restored"] is not None)
    restored = held["latest"]["restored"]["id"]
    pressed.rest.until(
        pressed.path, lambda found: (found["latest"]["completed"] or {"id": 0})["id"] > restored
    )
    newest = pressed.latest("UNALIGNED_CHECKPOINT", least=10_000)
    details = pressed.rest.get(f"{pressed.path}/details/{newest['id']}")
    (vertex,) = (key for key, of in details["tasks"].items() if of["persisted_data"])
    subtasks = pressed.rest.get(f"{pressed.path}/details/{newest['id']}/subtasks/{vertex}")["subtasks"]
    assert [one["unaligned_checkpoint"] for one in subtasks] == [True, True]
    assert sum(one["alignment"]["persisted"] for one in subtasks) == newest["persisted_data"]

    cluster.rescale(pressed.job, 3)
    wait_for(
        cluster,
        pressed.job,
        lambda status: (
            any(vertex.parallelism == 3 for vertex in status.vertices) and status.state is JobState.RUNNING
        ),
    )
    pressed.slow(False)
    status = cluster.wait(pressed.job, timeout=120)
    assert status.state is JobState.FINISHED, (status.failures, status.notes)
    assert pressed_job.faults(tmp_path, rows) == []


def test_with_a_timeout_the_type_follows_the_pressure(cluster: LocalCluster, tmp_path: Path) -> None:
    timeout = {"execution.checkpointing.aligned-checkpoint-timeout": "1s"}
    pressed = Pressed(cluster, tmp_path, "1000000", "1000", "20", slow=False, **timeout)
    pressed.latest("CHECKPOINT")
    pressed.slow(True)
    pressed.latest("UNALIGNED_CHECKPOINT", least=1)
    pressed.slow(False)
    pressed.latest("CHECKPOINT")
    cluster.cancel(pressed.job)
    assert cluster.wait(pressed.job, timeout=60).state is JobState.CANCELED
