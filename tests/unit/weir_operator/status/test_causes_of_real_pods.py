"""Pods as kubelets and schedulers leave them, read as the operator reads them: which cause is named, where, and with what tail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from weir_operator.clients import kinds
from weir_operator.models import RootCause
from weir_operator.observed import DeploymentFacts, RunFacts
from weir_operator.observer.children import child_of
from weir_operator.observer.pods import pod_facts
from weir_operator.observer.reports import job_manager_report
from weir_operator.status.causes import Cause, root_cause

CREATED = "2026-01-02T03:04:05Z"
SOON, LATER = datetime(2026, 1, 2, 3, 4, 45, tzinfo=UTC), datetime(2026, 1, 2, 3, 9, tzinfo=UTC)


def pod(status: dict[str, Any], node: str | None = "node-1") -> dict[str, Any]:
    return {
        "metadata": {
            "name": "flights-7-tm-5d9c-x2x4v",
            "namespace": "ns",
            "uid": "u-1",
            "creationTimestamp": CREATED,
            "labels": {
                "weir.dev/job": "flights",
                "weir.dev/run": "7",
                "weir.dev/component": "taskmanager",
            },
        },
        "spec": {"nodeName": node} if node else {},
        "status": status,
    }


def container(state: dict[str, Any], last: dict[str, Any] | None = None, restarts: int = 0) -> dict[str, Any]:
    return {
        "name": "taskmanager",
        "image": "example/flights:2",
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }


def terminated(**more: Any) -> dict[str, Any]:
    times = {"startedAt": "2026-01-02T03:04:10Z", "finishedAt": "2026-01-02T03:04:20Z"}
    return {"terminated": {"containerID": "containerd://abc", **times, **more}}


PULL = 'Back-off pulling image "example/flights:2": ErrImagePull: rpc error: code = NotFound desc = not found'
NODES = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found."
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}}

PODS: dict[str, tuple[dict[str, Any], Cause, str]] = {
    "image": (
        pod(
            {
                "phase": "Pending",
                "containerStatuses": [
                    container({"waiting": {"reason": "ImagePullBackOff", "message": PULL}})
                ],
            }
        ),
        Cause.IMAGE,
        PULL,
    ),
    "no such Secret": (
        pod(
            {
                "phase": "Pending",
                "containerStatuses": [
                    container(
                        {
                            "waiting": {
                                "reason": "CreateContainerConfigError",
                                "message": 'secret "keys" not found',
                            }
                        }
                    )
                ],
            }
        ),
        Cause.CONFIG,
        'secret "keys" not found',
    ),
    "no node": (
        pod(
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NODES}
                ],
            },
            node=None,
        ),
        Cause.UNSCHEDULABLE,
        "3 Insufficient cpu",
    ),
    "out of memory, in a crash loop": (
        pod(
            {
                "phase": "Running",
                "containerStatuses": [
                    container(BACK_OFF, terminated(exitCode=137, reason="OOMKilled"), restarts=2)
                ],
            }
        ),
        Cause.OUT_OF_MEMORY,
        "OOMKilled",
    ),
    "init container": (
        pod(
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    {
                        **container(
                            BACK_OFF, terminated(exitCode=1, reason="Error", message="sha256 differs")
                        ),
                        "name": "fetch-code",
                    }
                ],
                "containerStatuses": [container({"waiting": {"reason": "PodInitializing"}})],
            }
        ),
        Cause.INIT_CONTAINER,
        "fetch-code",
    ),
    "evicted": (
        pod(
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "The node was low on resource: ephemeral-storage.",
            }
        ),
        Cause.EVICTED,
        "ephemeral-storage",
    ),
    "crash": (
        pod(
            {
                "phase": "Running",
                "containerStatuses": [
                    container(BACK_OFF, terminated(exitCode=1, reason="Error", message="no such option"))
                ],
            }
        ),
        Cause.CRASH,
        "ended with 1",
    ),
}


def cause(
    now: datetime = SOON, *bodies: dict[str, Any], report: dict[str, Any] | None = None
) -> RootCause | None:
    facts = RunFacts(
        run=7,
        pods=tuple(map(pod_facts, bodies)),
        report=job_manager_report({"run": 7, **report}) if report else None,
    )
    return root_cause(facts, None, now)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_that_is_not_well_has_its_class_and_is_named(name: str) -> None:
    body, kind, said = PODS[name]
    found = cause(SOON, body)
    assert found is not None
    assert (found.kind, found.pod) == (kind, "flights-7-tm-5d9c-x2x4v")
    assert said in found.message


def test_the_log_tail_is_the_end_of_what_the_container_said() -> None:
    found = cause(SOON, PODS["crash"][0])
    assert found is not None
    assert found.log_tail == "no such option"


def test_a_volume_that_cannot_be_mounted_is_guessed_when_kubelet_says_nothing_for_long() -> None:
    body = pod(
        {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [container({"waiting": {"reason": "ContainerCreating"}})],
        }
    )
    assert cause(SOON, body) is None
    found = cause(LATER, body)
    assert found is not None
    assert found.kind == Cause.VOLUME
    assert "kubectl describe pod flights-7-tm-5d9c-x2x4v" in found.message


def test_a_quota_is_read_from_the_deployment_that_cannot_make_pods() -> None:
    message = 'pods "flights-7-tm-5d9c-" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4'
    body = {
        "metadata": {
            "name": "flights-7-tm",
            "namespace": "ns",
            "uid": "d",
            "labels": {"weir.dev/job": "flights", "weir.dev/run": "7", "weir.dev/component": "taskmanager"},
        },
        "spec": {"replicas": 1},
        "status": {
            "conditions": [
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
            ]
        },
    }
    child = child_of(kinds.DEPLOYMENT, body)
    assert child is not None
    assert isinstance(child.facts, DeploymentFacts)
    found = root_cause(RunFacts(run=7, taskmanager=child.facts), None, SOON)
    assert found is not None
    assert found.kind == Cause.QUOTA
    assert "exceeded quota: small" in found.message


def failing(kind: str, message: str, traceback: str | None = None) -> dict[str, Any]:
    failure = {
        "class": kind,
        "fingerprint": "0a1b2c3d",
        "message": message,
        "atMs": 1,
        "traceback": traceback,
    }
    return {"state": "RESTARTING", "failures": [failure]}


def test_an_exception_of_the_job_has_its_file_and_line_in_the_tail() -> None:
    trace = 'Traceback (most recent call last):\n  File "flights/job.py", line 12, in count\n    1 / 0\nZeroDivisionError: division by zero'
    found = cause(report=failing("User", "Count (job.py:7): ZeroDivisionError: division by zero", trace))
    assert found is not None
    assert (found.kind, found.log_tail) == (Cause.USER, trace)


def test_a_bucket_that_refuses_is_told_from_one_that_is_away() -> None:
    denied = cause(report=failing("Storage", "s3://weir/checkpoints: 403 AccessDenied"))
    away = cause(report=failing("Storage", "s3://weir/checkpoints: no answer within 30 s"))
    assert (denied and denied.kind, away and away.kind) == (Cause.STORAGE_DENIED, Cause.STORAGE)
