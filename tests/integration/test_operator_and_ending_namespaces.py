"""Namespaces that are deleted: their jobs are let go in time, by an operator that lives and by one that goes with its own namespace."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.fake_kubernetes import Call, FakeKubernetes, Fault
from tests.support.operator_process import JOBS, replicas, stream_job, until

DEPLOYMENTS = "apps/v1/deployments"
FINALIZER = "weir.dev/job"


def held(fake: FakeKubernetes, namespace: str = "default") -> list[str]:
    found = fake.get(JOBS, namespace, "flights")
    return list((found or {}).get("metadata", {}).get("finalizers") or ())


def test_a_job_is_let_go_when_pods_of_it_go_since_its_namespace_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replicas(tmp_path) as at:
            at.fake.put(JOBS, stream_job("flights"))
            operator = await at.start()
            await until(lambda: at.fake.get(DEPLOYMENTS, "default", "flights-1-tm"), lambda: operator.log)
            assert held(at.fake) == [FINALIZER]
            uid = at.fake.get(JOBS, "default", "flights")["metadata"]["uid"]
            at.fake.ending.add("default")
            labels = {"weir.dev/job": "flights", "weir.dev/run": "1", "weir.dev/component": "taskmanager"}
            metadata = {
                "name": "flights-1-tm-x",
                "namespace": "default",
                "labels": labels | {"weir.dev/uid": uid},
                "deletionTimestamp": "2026-01-01T00:00:00Z",
            }
            at.fake.put("v1/pods", {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}})
            await until(lambda: held(at.fake) == [], lambda: operator.log)

    asyncio.run(scenario())


def test_a_suspended_job_is_let_go_when_an_object_of_it_goes_since_its_namespace_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replicas(tmp_path) as at:
            suspended = {"entrypoint": "flights.job:build", "state": "Suspended"}
            at.fake.put(JOBS, stream_job("flights", job=suspended))
            operator = await at.start()
            revisions = "apps/v1/controllerrevisions"
            await until(lambda: list(at.fake.all(revisions)), lambda: operator.log)
            await until(
                lambda: "conditions" in (at.fake.get(JOBS, "default", "flights").get("status") or {}),
                "it is told of",
            )
            assert held(at.fake) == [FINALIZER]
            at.fake.ending.add("default")
            [name] = [body["metadata"]["name"] for body in at.fake.all(revisions)]
            at.fake.remove(revisions, "default", name)
            await until(lambda: held(at.fake) == [], lambda: operator.log)

    asyncio.run(scenario())


def test_an_operator_whose_own_namespace_ends_lets_all_jobs_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replicas(tmp_path) as at:
            at.fake.put(JOBS, stream_job("flights"))
            operator = await at.start()
            await until(lambda: held(at.fake) == [FINALIZER], lambda: operator.log)
            at.fake.ending.add("weir-system")
            await operator.end()
            assert held(at.fake) == []

    asyncio.run(scenario())


def test_an_operator_that_is_only_restarted_holds_its_jobs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with replicas(tmp_path) as at:
            at.fake.put(JOBS, stream_job("flights"))
            operator = await at.start()
            await until(lambda: held(at.fake) == [FINALIZER], lambda: operator.log)
            await operator.end()
            assert held(at.fake) == [FINALIZER]

    asyncio.run(scenario())


def test_a_namespace_that_may_not_be_read_any_more_does_not_keep_others_from_being_served(
    tmp_path: Path,
) -> None:
    def intercept(call: Call) -> Fault | None:
        return Fault.DENY if "/namespaces/gone/" in call.path else None

    async def scenario() -> None:
        async with replicas(tmp_path) as at:
            at.fake.intercept = intercept
            at.fake.put(JOBS, stream_job("flights"))
            operator = await at.start(namespaces="default,gone")
            await until(lambda: at.fake.get(DEPLOYMENTS, "default", "flights-1-tm"), lambda: operator.log)
            assert "a namespace cannot be served" in operator.log

    asyncio.run(scenario())
