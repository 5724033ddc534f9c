"""Rotation of certificates by the operator's plan, over a simulated cluster with late kubelets, kills, wiped statuses and lost pods.

At every moment every pod of the run takes what every other one presents, and nobody presents what has ended; and a run that
lives for long goes on from slot to slot, with one of them left.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.simulated_cluster import Cluster, Pod
from tests.support.simulated_operator import Faults, Operator
from weir_operator.models import StreamJobStatus
from weir_operator.observed import CertificateSlot, Component

LIFETIME = timedelta(minutes=30)
#: Steps of five seconds: what a kubelet may be late, of the five minutes for which it has time.
LATE = 30
#: Of an absence of the operator: an eighth of the lifetime is left for it.
AWAY = 25
#: The operator looks this often, in steps.
OFTEN = 4
FOR_LONG = 3 * 360


def begun() -> tuple[Cluster, Operator]:
    cluster = Cluster(tls=LIFETIME)
    operator = Operator(cluster)
    operator.settle()
    return cluster, operator


def presented(pod: Pod, cluster: Cluster) -> CertificateSlot:
    valid = [slot for slot in pod.folder.values() if slot.not_before <= cluster.now]
    assert valid, f"{pod.name} has nothing to present: {pod.folder}"
    return max(valid, key=lambda slot: slot.not_before)


def check(cluster: Cluster) -> None:
    """Whoever connects to whom at this moment gets through."""
    pods = [pod for pod in cluster.pods.values() if pod.running]
    for pod in pods:
        shown = presented(pod, cluster)
        assert shown.not_after > cluster.now, f"{pod.name} presents what has ended: {shown}"
        for other in pods:
            assert other.folder.get(shown.slot) == shown, f"{other.name} does not take what {pod.name} shows"


def go(cluster: Cluster, operator: Operator, steps: int, *, away: bool = False) -> None:
    for number in range(steps):
        if not away and number % OFTEN == 0:
            operator.reconcile()
        cluster.step()
        check(cluster)


def disturb(cluster: Cluster, operator: Operator, what: str, number: int) -> None:
    live = [pod for pod in cluster.pods.values() if pod.running]
    match what:
        case "late" if live:
            live[number % len(live)].lag = number % LATE
        case "dies" if live:
            del cluster.pods[live[number % len(live)].name]
        case "wipe":
            cluster.status = StreamJobStatus()
            cluster.version += 1
        case "kill":
            cluster.fault = Faults(kill_before=frozenset({number % 3}), kill_after=frozenset({number % 5}))
        case "lose":
            cluster.fault = Faults(lose_answer=frozenset({number % 3}))
        case "twice":
            operator.twice = not operator.twice


walks = st.lists(
    st.tuples(
        st.sampled_from(["go", "go", "go", "away", "late", "late", "dies", "wipe", "kill", "lose", "twice"]),
        st.integers(1, 250),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(walks)
def test_pods_know_each_other_at_every_moment_whatever_happens_to_the_operator(
    walk: list[tuple[str, int]],
) -> None:
    cluster, operator = begun()
    for what, number in walk:
        if what == "go":
            go(cluster, operator, number)
        elif what == "away":
            go(cluster, operator, number % AWAY, away=True)
            go(cluster, operator, 2 * LATE)
        else:
            disturb(cluster, operator, what, number)
    go(cluster, operator, 2 * LATE)
    assert [run for run, _ in cluster.secrets] in ([1], [1, 1])


def test_a_run_that_lives_for_long_goes_on_from_slot_to_slot_and_nothing_restarts() -> None:
    cluster, operator = begun()
    names = set(cluster.pods)
    seen = set()
    for _ in range(FOR_LONG // 10):
        go(cluster, operator, 10)
        seen.add(tuple(sorted(slot for _, slot in cluster.secrets)))
    assert seen == {("a",), ("a", "b"), ("b",)}
    assert set(cluster.pods) == names
    assert cluster.status.run == 1
    rotations = [event for event in operator.events if event.reason == "CertificatesRotated"]
    assert len(rotations) == 3
    assert not any(event.warning for event in operator.events)
    told = cluster.status.certificates
    assert told is not None
    assert told.not_after - told.not_before == LIFETIME


def test_a_kubelet_that_brings_nothing_is_told_and_the_old_slot_stays() -> None:
    cluster, operator = begun()
    [late] = [pod for pod in cluster.pods.values() if pod.component is Component.TASKMANAGER][:1]
    late.cut_off = True
    for _ in range(350):  # what ``go`` checks does not hold for such a pod
        operator.reconcile()
        cluster.step()
    assert {slot for _, slot in cluster.secrets} == {"a", "b"}
    assert [event.reason for event in operator.events].count("CertificatesLate") == 1


def test_slots_that_somebody_deleted_are_made_anew() -> None:
    cluster, operator = begun()
    go(cluster, operator, 20)
    cluster.secrets.clear()
    for _ in range(120):
        operator.reconcile()
        cluster.step()
    assert list(cluster.secrets) == [(1, "a")]
    go(cluster, operator, FOR_LONG // 3)


@pytest.mark.parametrize("wiped", [False, True], ids=["known", "wiped"])
@pytest.mark.parametrize("slot", ["a", "b"])
def test_pods_that_start_while_all_slots_are_deleted_get_new_certificates(slot: str, wiped: bool) -> None:
    cluster, operator = begun()
    go(cluster, operator, 20 if slot == "a" else FOR_LONG // 3)
    assert list(cluster.secrets) == [(1, slot)]
    cluster.secrets.clear()
    cluster.pods.clear()
    if wiped:
        cluster.status = StreamJobStatus()
        cluster.version += 1
    for _ in range(60):
        operator.reconcile()
        cluster.step()
    assert cluster.running, "the JobManager and TaskManagers are there again"
    assert list(cluster.secrets) == [(1, "a" if wiped else slot)]
    assert cluster.status.run == 1
    go(cluster, operator, FOR_LONG // 3)


def test_one_pod_that_starts_while_all_slots_are_deleted_does_not_wait_for_minutes() -> None:
    cluster, operator = begun()
    go(cluster, operator, 20)
    cluster.secrets.clear()
    [dies] = [name for name, pod in cluster.pods.items() if pod.component is Component.TASKMANAGER][:1]
    del cluster.pods[dies]
    cluster.step()
    steps = 0
    while not (cluster.running and all(pod.running for pod in cluster.pods.values())):
        operator.reconcile()
        cluster.step()
        steps += 1
        assert steps < 12, "a minute is enough"
    assert list(cluster.secrets) == [(1, "a")]
    go(cluster, operator, FOR_LONG // 3)


def test_without_certificates_nothing_is_rotated() -> None:
    cluster = Cluster()
    operator = Operator(cluster)
    operator.settle()
    assert cluster.status.certificates is None
    assert cluster.secrets == {}
