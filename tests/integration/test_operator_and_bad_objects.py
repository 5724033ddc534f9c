"""Resources and objects that are nonsense, and an API server that is overloaded: each is borne, and nobody else suffers."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from tests.support.fake_kubernetes import Call, FakeKubernetes, Fault
from tests.support.nonsense import child, scribble
from tests.support.operator_process import JOBS, Replicas, replicas, stream_job
from tests.support.waiting import until

SEED = 20260131


def has_objects(fake: FakeKubernetes, job: str) -> bool:
    return fake.get("apps/v1/deployments", "default", f"{job}-1-tm") is not None


def conditions(fake: FakeKubernetes, job: str) -> dict[str, dict[str, Any]]:
    status = (fake.get(JOBS, "default", job) or {}).get("status")
    found = status.get("conditions") if isinstance(status, dict) else None
    return {c.get("type"): c for c in found if isinstance(c, dict)} if isinstance(found, list) else {}


def test_resources_that_are_nonsense_hinder_nobody_and_are_told_so(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        rng = random.Random(SEED)
        bad = [f"bad-{n}" for n in range(60)]
        for name in bad:
            at.fake.put(JOBS, scribble(rng, {**stream_job(name), "status": {"run": 0, "conditions": []}}))
        at.fake.put(JOBS, {**stream_job("worst"), "spec": "none"})
        at.fake.put(JOBS, stream_job("good"))
        operator = await at.start(qps="500", burst="1000")
        await until(lambda: has_objects(at.fake, "good"), lambda: operator.log[-3000:])
        await until(lambda: "Stalled" in conditions(at.fake, "worst"), lambda: operator.log[-3000:])
        await until(
            lambda: all(conditions(at.fake, name) for name in bad),
            lambda: (
                f"all are told of: {[name for name in bad if not conditions(at.fake, name)]}\n{operator.log[-3000:]}"
            ),
        )
        at.fake.put(JOBS, stream_job("better-late"))
        await until(lambda: has_objects(at.fake, "better-late"), lambda: operator.log[-3000:])
        assert operator.alive

    run(scenario, tmp_path)


def test_a_resource_that_is_mended_has_the_condition_no_more(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, {**stream_job("job"), "spec": {"job": 7}})
        operator = await at.start()
        await until(lambda: "Stalled" in conditions(at.fake, "job"), lambda: operator.log)
        at.fake.edit(JOBS, "default", "job", lambda body: body.update(spec=stream_job("job")["spec"]))
        await until(lambda: has_objects(at.fake, "job"), lambda: operator.log)
        await until(lambda: "Stalled" not in conditions(at.fake, "job"), lambda: operator.log)

    run(scenario, tmp_path)


def test_a_resource_whose_spec_was_never_good_can_be_deleted(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        body = {**stream_job("job"), "spec": {"job": 7}}
        body["metadata"] = {**body["metadata"], "finalizers": ["weir.dev/job", "example.com/other"]}
        body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        at.fake.put(JOBS, body)
        operator = await at.start()

        def finalizers() -> Any:
            return (at.fake.get(JOBS, "default", "job") or {}).get("metadata", {}).get("finalizers")

        await until(lambda: finalizers() == ["example.com/other"], lambda: operator.log)

    run(scenario, tmp_path)


def test_children_that_are_nonsense_hinder_nobody(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        rng = random.Random(SEED)
        for n in range(300):
            at.fake.put(*child(rng, n))
        at.fake.put(JOBS, stream_job("fine"))
        operator = await at.start()
        await until(lambda: has_objects(at.fake, "fine"), lambda: operator.log[-3000:])
        assert operator.alive

    run(scenario, tmp_path)


def test_large_objects_of_others_cost_no_memory(tmp_path: Path) -> None:
    def megabytes(pid: int) -> float:
        (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
        return int(line.split()[1]) / 1024

    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("first"))
        operator = await at.start()
        await until(lambda: has_objects(at.fake, "first"), lambda: operator.log[-3000:])
        before = megabytes(operator.process.pid)
        large = "x" * (1 << 20)
        for n in range(1000):
            for resource in ("v1/configmaps", "v1/secrets"):
                body = {"metadata": {"name": f"theirs-{n}", "namespace": "default"}, "data": {"k": large}}
                at.fake.put(resource, body)
        at.fake.compact()  # all is listed anew
        at.fake.put(JOBS, stream_job("second"))
        await until(lambda: has_objects(at.fake, "second"), lambda: operator.log[-3000:])
        grown = megabytes(operator.process.pid) - before
        assert grown < 20, f"{grown:.0f} MB more"

    run(scenario, tmp_path)


def test_an_overloaded_api_server_is_spared_and_all_converge_when_it_has_recovered(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        jobs = [f"job-{n}" for n in range(8)]
        for name in jobs:
            at.fake.put(JOBS, stream_job(name))
        refused: list[float] = []
        loop = asyncio.get_running_loop()

        def overloaded(call: Call) -> Fault | None:
            if "/leases" in call.path or call.method == "GET":
                return None
            refused.append(loop.time())
            return Fault.THROTTLE

        at.fake.intercept = overloaded
        operator = await at.start(qps="20", burst="10")
        await until(lambda: len(refused) >= 4, lambda: operator.log[-3000:])
        span = refused[-1] - refused[0]
        assert len(refused) <= 20 * span + 10, "the server's pauses are kept by all"
        at.fake.intercept = lambda _: None
        await until(lambda: all(has_objects(at.fake, name) for name in jobs), lambda: operator.log[-3000:])
        assert operator.alive

    run(scenario, tmp_path)


def run(scenario, folder: Path) -> None:
    async def main() -> None:
        async with replicas(folder) as at:
            await scenario(at)

    asyncio.run(main())
