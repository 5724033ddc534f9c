from datetime import UTC, datetime

import pytest

from weir_operator.observed import Component
from weir_operator.observer import pods
from weir_operator.observer.pods import pod_facts
from weir_operator.resources import labels


def body(status: dict | None = None, labels: dict | None = None, **metadata: object) -> dict:
    return {
        "metadata": {
            "name": "flights-7-tm-abc",
            "uid": "u-1",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": {"weir.dev/run": "7", "weir.dev/component": "taskmanager"}
            if labels is None
            else labels,
            **metadata,
        },
        "spec": {"nodeName": "node-1"},
        "status": status or {},
    }


def test_a_running_pod() -> None:
    pod = pod_facts(
        body(
            {
                "phase": "Running",
                "podIP": "10.0.0.7",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [
                    {
                        "name": "taskmanager",
                        "ready": True,
                        "restartCount": 1,
                        "state": {"running": {"startedAt": "2026-01-02T03:05:00Z"}},
                        "lastState": {
                            "terminated": {
                                "exitCode": 137,
                                "reason": "OOMKilled",
                                "message": "last words",
                                "finishedAt": "2026-01-02T03:04:59Z",
                            }
                        },
                    }
                ],
            }
        )
    )
    assert (pod.run, pod.component, pod.ready, pod.ip, pod.node) == (
        7,
        Component.TASKMANAGER,
        True,
        "10.0.0.7",
        "node-1",
    )
    container = pod.containers[0]
    assert (container.exit_code, container.exit_reason, container.exit_message) == (
        137,
        "OOMKilled",
        "last words",
    )
    assert container.running_since == datetime(2026, 1, 2, 3, 5, tzinfo=UTC)


def test_a_pod_that_no_node_takes_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert pod_facts(body({"phase": "Pending", "conditions": [condition]})).unschedulable == "0/3 nodes"


def test_a_pod_that_is_being_deleted_says_since_when_and_until_when() -> None:
    pod = pod_facts(body(deletionTimestamp="2026-01-02T04:00:30Z", deletionGracePeriodSeconds=30))
    assert pod.deleting_since == datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)
    assert pod.deleted_by == datetime(2026, 1, 2, 4, 0, 30, tzinfo=UTC)


def test_an_eviction_is_told_by_its_condition_too() -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    assert pod_facts(body({"conditions": [condition]})).reason == "EvictionByEvictionAPI"


def test_init_containers_are_told_from_the_others() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    status = {
        "initContainerStatuses": [{"name": "fetch", "state": {"terminated": {"exitCode": 1}}}],
        "containerStatuses": [{"name": "taskmanager", "state": waiting}],
    }
    fetch, main = pod_facts(body(status)).containers
    assert (fetch.init, fetch.exit_code) == (True, 1)
    assert (main.init, main.waiting_reason, main.waiting_message) == (
        False,
        "ImagePullBackOff",
        "no such image",
    )


def test_a_pod_without_a_run_is_an_errand() -> None:
    assert pod_facts(body(labels={"weir.dev/component": "snapshots"})).run is None


@pytest.mark.parametrize(
    "labels", [{}, {"weir.dev/component": "cook"}, {"weir.dev/component": "taskmanager", "weir.dev/run": "x"}]
)
def test_a_pod_whose_labels_are_none_of_ours_is_refused(labels: dict) -> None:
    with pytest.raises(ValueError, match=r".+"):
        pod_facts(body(labels=labels))


@pytest.mark.parametrize(("cost", "spare"), [("-1", True), ("-2", False), ("100", False), (None, False)])
def test_a_pod_is_spare_when_the_operator_marked_it(cost: str | None, spare: bool) -> None:
    annotations = {} if cost is None else {"controller.kubernetes.io/pod-deletion-cost": cost}
    assert pod_facts(body(annotations=annotations)).spare is spare


def test_the_mark_is_what_the_operator_writes() -> None:
    assert (pods.DELETION_COST, pods.SPARE) == (labels.DELETION_COST, labels.SPARE)
