"""StreamJobSnapshots and a real operator process: each is seen to, also those that the operator itself has made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.support.fake_kubernetes import Body, FakeKubernetes
from tests.support.operator_process import JOBS, Replicas, replicas, stream_job, until

SNAPSHOTS = "weir.dev/v1alpha1/streamjobsnapshots"


def snapshot(name: str, **spec: Any) -> Body:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def status(fake: FakeKubernetes, resource: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (fake.get(resource, "default", name) or {}).get("status") or {}
    return found


def run(scenario: Callable[[Replicas], Awaitable[None]], folder: Path) -> None:
    async def whole() -> None:
        async with replicas(folder) as at:
            await scenario(at)

    asyncio.run(whole())


def test_one_that_was_taken_elsewhere_is_ready_and_one_of_a_job_that_is_not_up_waits(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(SNAPSHOTS, snapshot("elsewhere", external="s3://weir/savepoint-x"))
        at.fake.put(SNAPSHOTS, snapshot("waits", job="flights", dispose=True))
        operator = await at.start()
        await until(
            lambda: status(at.fake, SNAPSHOTS, "elsewhere").get("phase") == "Completed", lambda: operator.log
        )
        await until(
            lambda: status(at.fake, SNAPSHOTS, "waits").get("phase") == "Pending", lambda: operator.log
        )
        told = status(at.fake, SNAPSHOTS, "waits")
        assert "there is no StreamJob flights" in told["message"]

        def finalizers() -> list[str]:
            held = at.fake.get(SNAPSHOTS, "default", "waits") or {"metadata": {}}
            return held["metadata"].get("finalizers") or []

        await until(lambda: finalizers() == ["weir.dev/snapshot"], lambda: operator.log)
        at.fake.edit(
            SNAPSHOTS,
            "default",
            "waits",
            lambda body: body["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"),
        )
        await until(lambda: at.fake.get(SNAPSHOTS, "default", "waits") is None, lambda: operator.log)
        assert "broke" not in operator.log

    run(scenario, tmp_path)


def test_a_nonce_makes_one_snapshot_which_is_seen_to_at_once(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("flights"))
        operator = await at.start()
        await until(lambda: status(at.fake, JOBS, "flights").get("nonces"), lambda: operator.log)
        at.fake.edit(
            JOBS, "default", "flights", lambda body: body["spec"].update(upgrade={"savepointNonce": 1})
        )
        await until(
            lambda: [body.get("status", {}).get("phase") for body in at.fake.all(SNAPSHOTS)] == ["Pending"],
            lambda: f"{list(at.fake.all(SNAPSHOTS))}\n{operator.log}",
        )
        (made,) = at.fake.all(SNAPSHOTS)
        assert made["status"]["trigger"] == "Nonce"
        assert made["spec"] == {"job": "flights", "dispose": True}
        await until(
            lambda: "pendingSnapshot" not in status(at.fake, JOBS, "flights"),
            lambda: f"the job knows that it is there: {status(at.fake, JOBS, 'flights')}",
        )
        assert len(list(at.fake.all(SNAPSHOTS))) == 1

    run(scenario, tmp_path)


def test_a_job_whose_snapshot_is_not_complete_starts_as_soon_as_it_is(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("fork", restore={"snapshot": "base"}))
        operator = await at.start()

        def reasons() -> list[str]:
            return [c["reason"] for c in status(at.fake, JOBS, "fork").get("conditions", ())]

        await until(lambda: "SnapshotNotFound" in reasons(), lambda: operator.log)
        assert list(at.fake.all("apps/v1/deployments")) == []
        at.fake.put(SNAPSHOTS, snapshot("base", external="s3://weir/savepoint-x"))
        start = await until(lambda: at.fake.get("v1/configmaps", "default", "fork-1"), lambda: operator.log)
        assert "s3://weir/savepoint-x" in start["data"]["start.json"]

    run(scenario, tmp_path)


def test_a_bucket_that_is_not_allowed_is_refused_for_jobs_and_snapshots_alike(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("flights"))
        at.fake.put(SNAPSHOTS, snapshot("theirs", external="s3://weir/savepoint-x"))
        at.fake.put(SNAPSHOTS, snapshot("ours", external="s3://default-state/savepoint-x"))
        operator = await at.start(buckets="{namespace}-*")
        for resource, name in ((JOBS, "flights"), (SNAPSHOTS, "theirs")):

            def refused(resource: str = resource, name: str = name) -> bool:
                told = status(at.fake, resource, name).get("conditions", ())
                return any("may use default-*" in condition["message"] for condition in told)

            await until(refused, lambda: operator.log)
        await until(
            lambda: status(at.fake, SNAPSHOTS, "ours").get("phase") == "Completed", lambda: operator.log
        )
        assert list(at.fake.all("apps/v1/deployments")) == []

    run(scenario, tmp_path)
