"""Answers that are lost, late or wrong: whatever was carried out, in the end each object is there once, and is ours."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_kubernetes import Call, FakeKubernetes, Fault
from tests.support.operator_process import JOBS, Replicas, replicas, stream_job
from tests.support.waiting import until

#: What a first start makes, by resource.
MADE = {
    "apps/v1/controllerrevisions": ["flights-1"],
    "apps/v1/deployments": ["flights-1-jm", "flights-1-tm"],
    "networking.k8s.io/v1/networkpolicies": ["flights-jm", "flights-pods", "flights-tm"],
    "policy/v1/poddisruptionbudgets": ["flights-jm", "flights-tm"],
    "v1/configmaps": ["flights-1"],
    "v1/secrets": ["flights-1"],
    "v1/services": ["flights-1-jm"],
}


def made(fake: FakeKubernetes) -> dict[str, list[str]]:
    return {
        resource: names
        for resource in MADE
        if (
            names := [
                body["metadata"]["name"]
                for body in fake.all(resource)
                if body["metadata"]["namespace"] == "default"
            ]
        )
    }


def once_each(fault: Fault, fake: FakeKubernetes) -> None:
    """Every write of the operator meets the fault, the first time."""
    met: set[tuple[str, str]] = set()

    def intercept(call: Call) -> Fault | None:
        key = call.method, call.path
        if call.method == "GET" or "/leases" in call.path or "/events" in call.path or key in met:
            return None
        met.add(key)
        return fault

    fake.intercept = intercept


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.FAIL, Fault.FAIL_AFTER], ids=lambda f: f.name)
def test_every_write_may_go_wrong_once_and_the_end_is_the_same(fault: Fault, tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        job = at.fake.put(JOBS, stream_job("flights"))
        once_each(fault, at.fake)
        operator = await at.start()
        await until(lambda: made(at.fake) == MADE, lambda: f"all is made: {made(at.fake)}\n{operator.log}")
        for resource in MADE:
            for body in at.fake.all(resource):
                if body["metadata"]["namespace"] == "default":
                    owners = [owner["uid"] for owner in body["metadata"]["ownerReferences"]]
                    assert owners == [job["metadata"]["uid"]], body["metadata"]["name"]
        assert operator.alive

    run(scenario, tmp_path)


def test_what_is_already_there_and_ours_is_adopted(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("flights"))
        first = await at.start("first")
        await until(lambda: made(at.fake) == MADE, lambda: f"all is made: {made(at.fake)}")
        await first.end()
        writes = len(at.fake.writes())
        second = await at.start("second")
        await until(lambda: '"leads"' in second.log, "the second leads")
        await until(lambda: at.fake.get("v1/configmaps", "weir-system", "weir-operator-canary"), "it works")
        await until(
            lambda: sum(call.path.endswith("/secrets") for call in at.fake.writes()) == 2, "its first pass"
        )
        later = [call for call in at.fake.writes()[writes:] if "/namespaces/default/" in call.path]
        assert {call.path.rsplit("/", 1)[-1] for call in later} == {"secrets"}, (
            "a Secret is never read, so it is tried"
        )
        assert made(at.fake) == MADE
        assert "broke" not in second.log

    run(scenario, tmp_path)


def test_a_secret_that_somebody_deleted_is_made_again_when_a_pod_waits_for_it(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("flights"))
        operator = await at.start()
        await until(lambda: made(at.fake) == MADE, lambda: f"all is made: {made(at.fake)}")
        token = at.fake.get("v1/secrets", "default", "flights-1")["data"]
        at.fake.remove("v1/secrets", "default", "flights-1")
        waiting = {"name": "jobmanager", "state": {"waiting": {"reason": "ContainerCreating"}}}
        put_pod(at.fake, waiting, phase="Pending")
        await until(lambda: made(at.fake) == MADE, lambda: f"it is made again; {operator.log}")
        assert at.fake.get("v1/secrets", "default", "flights-1")["data"] == token

    run(scenario, tmp_path)


def test_certificates_that_somebody_deleted_are_made_again_when_a_pod_ends_for_want_of_them(
    tmp_path: Path,
) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("flights"))
        operator = await at.start(jobs_tls="true")
        full = {**MADE, "v1/secrets": ["flights-1", "flights-1-tls-a"]}
        await until(lambda: made(at.fake) == full, lambda: f"all is made: {made(at.fake)}")
        before = at.fake.get("v1/secrets", "default", "flights-1-tls-a")["data"]
        at.fake.remove("v1/secrets", "default", "flights-1-tls-a")
        ended = {
            "exitCode": 1,
            "reason": "Error",
            "message": "weir: --tls-dir /etc/weir/tls holds no certificate that is valid now; see its not-before",
        }
        again = {"waiting": {"reason": "CrashLoopBackOff"}}
        status = {"name": "jobmanager", "ready": False, "restartCount": 1, "state": again}
        put_pod(at.fake, {**status, "lastState": {"terminated": ended}}, phase="Running")
        await until(lambda: made(at.fake) == full, lambda: f"they are made again; {operator.log}")
        assert at.fake.get("v1/secrets", "default", "flights-1-tls-a")["data"] != before

    run(scenario, tmp_path)


def put_pod(fake: FakeKubernetes, container: dict[str, Any], *, phase: str) -> None:
    """A pod of the first JobManager, an old one."""
    [deployment] = [
        body for body in fake.all("apps/v1/deployments") if body["metadata"]["name"] == "flights-1-jm"
    ]
    metadata = {
        "name": "flights-1-jm-x",
        "namespace": "default",
        "labels": deployment["spec"]["template"]["metadata"]["labels"],
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    status = {"phase": phase, "containerStatuses": [container]}
    fake.put("v1/pods", {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status})


def test_the_next_operator_does_not_make_certificates_that_were_rotated_away(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("flights"))
        first = await at.start("first", jobs_tls="true")
        slots = ["flights-1", "flights-1-tls-a"]
        await until(lambda: made(at.fake) == {**MADE, "v1/secrets": slots}, lambda: first.log)
        await first.end()
        old = at.fake.get("v1/secrets", "default", "flights-1-tls-a")
        at.fake.remove("v1/secrets", "default", "flights-1-tls-a")
        metadata = {**old["metadata"], "name": "flights-1-tls-b"}
        at.fake.put("v1/secrets", {"metadata": metadata, "data": old["data"]})
        writes = len(at.fake.writes())
        second = await at.start("second", jobs_tls="true")
        await until(
            lambda: any(call.path.endswith("/secrets") for call in at.fake.writes()[writes:]),
            lambda: f"its first pass; {second.log}",
        )
        await second.end()
        assert made(at.fake)["v1/secrets"] == ["flights-1", "flights-1-tls-b"]

    run(scenario, tmp_path)


def test_an_object_of_somebody_else_is_never_taken_over(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        theirs = {"metadata": {"name": "flights-1", "namespace": "default"}, "data": {"mine": "yes"}}
        at.fake.put("v1/configmaps", theirs)
        at.fake.put(JOBS, stream_job("flights"))
        operator = await at.start()

        def told() -> bool:
            status = at.fake.get(JOBS, "default", "flights")["status"]
            return any("ConfigMap flights-1 exists and is not" in c["message"] for c in status["conditions"])

        await until(
            lambda: "status" in at.fake.get(JOBS, "default", "flights") and told(), lambda: operator.log
        )
        kept = at.fake.get("v1/configmaps", "default", "flights-1")
        assert kept["data"] == {"mine": "yes"}
        assert "ownerReferences" not in kept["metadata"]
        assert list(at.fake.all("apps/v1/deployments")) == []
        at.fake.remove("v1/configmaps", "default", "flights-1")
        await until(lambda: made(at.fake) == MADE, lambda: f"it goes on: {made(at.fake)}\n{operator.log}")

    run(scenario, tmp_path)


def test_a_new_resource_waits_for_what_an_earlier_one_of_its_name_left(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        old = {
            "apiVersion": "weir.dev/v1alpha1",
            "kind": "StreamJob",
            "name": "flights",
            "uid": "old",
            "controller": True,
        }
        labels = {"weir.dev/job": "flights", "weir.dev/run": "1", "weir.dev/uid": "old"}
        metadata = {
            "name": "flights-1-jm",
            "namespace": "default",
            "labels": labels,
            "ownerReferences": [old],
        }
        at.fake.put("apps/v1/deployments", {"metadata": metadata, "spec": {"replicas": 1}})
        at.fake.put(
            "v1/secrets", {"metadata": {**metadata, "name": "flights-1"}, "data": {"rest-token": "b2xk"}}
        )
        job = at.fake.put(JOBS, stream_job("flights"))
        operator = await at.start()
        await until(lambda: at.fake.get("v1/services", "default", "flights-1-jm"), lambda: operator.log)
        left = at.fake.get("apps/v1/deployments", "default", "flights-1-jm")
        assert left["metadata"]["ownerReferences"] == [old], "what is the old one's stays the old one's"
        at.fake.remove("apps/v1/deployments", "default", "flights-1-jm")
        await until(lambda: made(at.fake) == MADE, lambda: f"it goes on: {made(at.fake)}\n{operator.log}")
        secret = at.fake.get("v1/secrets", "default", "flights-1")
        assert secret["data"]["rest-token"] != "b2xk", "the token is this resource's"
        assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]

    run(scenario, tmp_path)


def test_a_resource_that_is_deleted_is_let_go_when_its_run_is_gone(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("flights"))
        operator = await at.start()
        await until(lambda: made(at.fake) == MADE, lambda: operator.log)
        at.fake.edit(
            JOBS,
            "default",
            "flights",
            lambda body: body["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"),
        )
        await until(lambda: at.fake.get(JOBS, "default", "flights") is None, lambda: operator.log)
        assert list(at.fake.all("apps/v1/deployments")) == []
        assert operator.alive

    run(scenario, tmp_path)


def run(scenario, folder: Path) -> None:
    async def main() -> None:
        async with replicas(folder) as at:
            await scenario(at)

    asyncio.run(main())
