"""The operator is killed around every single write of a scenario, its answers are lost, its requests are repeated, what it
reads is old: the end is that of the undisturbed run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Faults, Operator

Scenario = Callable[[Operator, Cluster], None]


def create(operator: Operator, cluster: Cluster) -> None:
    operator.settle()


def upgrade(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(image="example/flights:2")
    operator.settle()


def suspend_and_resume(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    cluster.edit(job={"state": "Running"})
    operator.settle()


def delete_with_savepoint(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(deletionPolicy="Savepoint")
    cluster.delete()
    operator.settle()


def purge(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(deletionPolicy="Purge")
    cluster.delete()
    operator.settle()


def savepoints_by_nonce_of_which_one_is_kept(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(snapshots={"keep": {"count": 1}})
    for nonce in (1, 2):
        cluster.edit(upgrade={"savepointNonce": nonce})
        operator.settle()


def snapshot_that_is_disposed(operator: Operator, cluster: Cluster) -> None:
    for name in ("first", "second"):
        cluster.apply_snapshot(name, {"job": "flights", "dispose": True})
    operator.settle()
    cluster.delete_snapshot("first")
    operator.settle()


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        create,
        upgrade,
        suspend_and_resume,
        savepoints_by_nonce_of_which_one_is_kept,
        snapshot_that_is_disposed,
        delete_with_savepoint,
        purge,
    )
}


@dataclass(frozen=True)
class End:
    """What must be the same however the operator fared."""

    gone: bool
    running: bool
    image: frozenset[str]
    starts: int
    savepoints: int
    ready: tuple[str, str]
    phase: str | None
    revisions: tuple[int, ...]
    snapshots: tuple[tuple[str | None, str | None], ...]
    errands: frozenset[str]


def play(
    scenario: Scenario, faults: Faults | None = None, *, twice: bool = False, behind: int = 0
) -> tuple[End, int]:
    """The end of a scenario, and how many writes the operator tried in it."""
    cluster = Cluster()
    operator = Operator(cluster)
    if scenario is not create:
        operator.settle()
    counting = faults or Faults()
    cluster.fault = counting
    operator.twice, operator.behind = twice, behind
    scenario(operator, cluster)
    end = End(
        gone=cluster.gone,
        running=cluster.running,
        image=frozenset(d.image for d in cluster.deployments.values()),
        starts=len(cluster.bucket.starts),
        savepoints=len(cluster.savepoints()),
        ready=cluster.condition("Ready"),
        phase=cluster.status.phase,
        revisions=tuple(sorted(cluster.revisions)),
        snapshots=tuple((found.status.trigger, found.status.phase) for found in cluster.snapshots.values()),
        errands=frozenset(cluster.errands),
    )
    return end, counting.count


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_after_any_write_it_comes_to_the_same_end(name: str) -> None:
    clean, writes = play(SCENARIOS[name])
    for number in range(1, writes + 1):
        assert play(SCENARIOS[name], Faults(kill_after=frozenset({number})))[0] == clean, number


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_before_any_write_it_comes_to_the_same_end(name: str) -> None:
    clean, writes = play(SCENARIOS[name])
    for number in range(1, writes + 1):
        assert play(SCENARIOS[name], Faults(kill_before=frozenset({number})))[0] == clean, number


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_is_done_twice_has_the_same_end(name: str) -> None:
    assert play(SCENARIOS[name], twice=True)[0] == play(SCENARIOS[name])[0]


@pytest.mark.parametrize("behind", [1, 2, 5])
@pytest.mark.parametrize("name", SCENARIOS)
def test_reads_that_are_behind_have_the_same_end(name: str, behind: int) -> None:
    assert play(SCENARIOS[name], behind=behind)[0] == play(SCENARIOS[name])[0]
