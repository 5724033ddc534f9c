"""The judge of a scenario's writes finds what was planted, and nothing in what is good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.write_log import faults

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR = "system:serviceaccount:e2e:weir-operator"
Body = dict[str, Any]


def entry(second: int, verb: str, resource: str, name: str, *, user: str = "admin", **more: Any) -> Body:
    at = (BEGIN + timedelta(seconds=second)).isoformat()
    return {
        "verb": verb,
        "requestURI": f"/namespaces/e2e/{resource}/{name}",
        "user": {"username": user},
        "objectRef": {"resource": resource, "name": name, "namespace": "e2e"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": at,
        "stageTimestamp": at,
        **more,
    }


def made(second: int, run: int) -> Body:
    labels = {"weir.dev/run": str(run), "weir.dev/uid": "u"}
    return entry(
        second,
        "create",
        "pods",
        f"counts-{run}-jm",
        responseObject={"metadata": {"name": f"counts-{run}-jm", "uid": f"pod-{run}", "labels": labels}},
    )


def gone(second: int, run: int, **options: Any) -> Body:
    sent = {"gracePeriodSeconds": 0, "preconditions": {"uid": f"pod-{run}"}, **options}
    return entry(second, "delete", "pods", f"counts-{run}-jm", requestObject=sent)


def job(
    second: int, *, run: int = 1, epoch: int = 1, user: str = OPERATOR, version: int = 0, **spec: Any
) -> Body:
    return patched(second, {"run": run, "epoch": epoch}, user, version, **spec)


def patched(second: int, status: Body, user: str, version: int = 0, **spec: Any) -> Body:
    """``version``: as which it was stored; by default in the order of time."""
    metadata = {"name": "counts", "uid": "u", "resourceVersion": str(version or 1000 + second)}
    body = {"kind": "StreamJob", "metadata": metadata, "spec": spec, "status": status}
    return entry(second, "patch", "streamjobs", "counts", user=user, responseObject=body)


def snapshot(second: int, name: str, path: str) -> Body:
    status = {"path": path, "completedAt": (BEGIN + timedelta(seconds=second)).isoformat()}
    body = {
        "kind": "StreamJobSnapshot",
        "metadata": {"name": name},
        "spec": {"job": "counts"},
        "status": status,
    }
    return entry(second, "patch", "streamjobsnapshots", name, responseObject=body)


def deleted(second: int, name: str, **sent: Any) -> Body:
    sent = sent or {"preconditions": {"uid": "s"}}
    return entry(second, "delete", "streamjobsnapshots", name, user=OPERATOR, requestObject=sent)


def applied(second: int, term: int) -> Body:
    sent = {"metadata": {"annotations": {"weir.dev/term": str(term)}}}
    return entry(second, "patch", "deployments", "counts-1-jm", user=OPERATOR, requestObject=sent)


GOOD: dict[str, list[Body]] = {
    "one run after the other": [made(0, 1), gone(5, 1), made(6, 2)],
    "beside a standby, as asked": [job(0, upgrade={"handover": "Standby"}), made(0, 1), made(1, 2)],
    "beside a pod that never had a node": [
        made(0, 1),
        {
            **gone(1, 1, gracePeriodSeconds=None),
            "responseObject": {"metadata": {"uid": "pod-1", "deletionGracePeriodSeconds": 0}},
        },
        made(2, 2),
    ],
    "beside a pod that failed": [
        made(0, 1),
        entry(
            1,
            "patch",
            "pods",
            "counts-1-jm",
            responseObject={"metadata": {"uid": "pod-1"}, "status": {"phase": "Failed"}},
        ),
        made(2, 2),
    ],
    "the older of two snapshots": [
        job(0),
        snapshot(1, "one", "s3://1"),
        snapshot(2, "two", "s3://2"),
        deleted(3, "one"),
    ],
    "terms that grow": [applied(0, 1), applied(1, 1), applied(2, 2)],
    "a run after somebody wiped the status": [
        job(0, run=2, epoch=3),
        patched(1, {}, "admin"),
        job(2, run=0, epoch=0),
    ],
    "a run that only seems to fall, since the answers were done in another order": [
        job(1, run=2, version=100),
        job(2, run=1, version=99),
    ],
    "what was refused": [made(0, 1), {**made(1, 2), "responseStatus": {"code": 409}}],
}
BAD: dict[str, tuple[list[Body], str]] = {
    "two runs": ([made(0, 1), made(1, 2)], "counts-2-jm is made while counts-1-jm may run"),
    "two runs, one of them asked to go": (
        [made(0, 1), gone(1, 1, gracePeriodSeconds=30), made(2, 2)],
        "counts-1-jm may run",
    ),
    "the newest snapshot": (
        [job(0), snapshot(1, "one", "s3://1"), snapshot(2, "two", "s3://2"), deleted(3, "two")],
        "two is deleted although it is the newest of counts",
    ),
    "a snapshot in use": (
        [
            job(0, restore={"from": "s3://1"}),
            snapshot(1, "one", "s3://1"),
            snapshot(2, "two", "s3://2"),
            deleted(3, "one"),
        ],
        "one is deleted although counts may start from it",
    ),
    "a deletion by name alone": ([deleted(0, "one", preconditions={})], "names no uid"),
    "an old term": ([applied(0, 2), applied(1, 1)], "is of term 1, after one of term 2"),
    "a run that falls": ([job(0, run=2), job(1, run=1)], "run falls from 2 to 1"),
    "a run that falls after the operator left it out": (
        [job(0, run=2), patched(1, {}, OPERATOR), job(2, run=1)],
        "run falls from 2 to 1",
    ),
    "a run that falls after somebody else's write": (
        [job(0, run=2), job(1, run=2, user="admin"), job(2, run=1)],
        "run falls from 2 to 1",
    ),
    "a run that falls, though the answers were done in another order": (
        [job(1, run=1, version=100), job(2, run=2, version=99)],
        "run falls from 2 to 1",
    ),
    "an epoch that falls": ([job(0, epoch=2), job(1, epoch=1)], "epoch falls from 2 to 1"),
}


@pytest.mark.parametrize("case", GOOD)
def test_nothing_is_found_in(case: str) -> None:
    assert faults(GOOD[case]) == []


@pytest.mark.parametrize("case", BAD)
def test_it_is_found(case: str) -> None:
    entries, said = BAD[case]
    (found,) = faults(entries)
    assert said in found


def test_the_order_is_that_of_time() -> None:
    assert faults([made(6, 2), gone(5, 1), made(0, 1)]) == []
