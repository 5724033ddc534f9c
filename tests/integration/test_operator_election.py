"""Two replicas, one Lease: when the leader dies or freezes another takes over, and the old one does nothing any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.operator_process import JOBS, OperatorProcess, Replicas, replicas, stream_job
from tests.support.waiting import until

QUICK = {"lease_duration": "3s", "lease_renew_deadline": "2s", "lease_retry": "300ms"}
TERM = "weir.dev/term"


def lease(fake: FakeKubernetes) -> dict:
    found = fake.get("coordination.k8s.io/v1/leases", "weir-system", "weir-operator")
    return found["spec"] if found else {}


def holder(fake: FakeKubernetes) -> str:
    return lease(fake).get("holderIdentity", "").partition("_")[0]


def term(fake: FakeKubernetes) -> int:
    """The newest: on a busy machine even the first leader may have lost the Lease and won it back."""
    return int(lease(fake)["leaseTransitions"])


def has_objects(fake: FakeKubernetes, job: str) -> bool:
    return fake.get("apps/v1/deployments", "default", f"{job}-1-tm") is not None


async def two(at: Replicas) -> tuple[OperatorProcess, OperatorProcess]:
    """The one that leads, and the one that stands by."""
    at.fake.put(JOBS, stream_job("before"))
    first = await at.start("first", **QUICK)
    await until(lambda: has_objects(at.fake, "before"), lambda: first.log)
    second = await at.start("second", **QUICK)
    await until(lambda: "held by first" in second.log or holder(at.fake) == "first", "the second stands by")
    await until(lambda: holder(at.fake) in {"first", "second"}, "one of them leads")
    return (first, second) if holder(at.fake) == "first" else (second, first)


def test_a_leader_that_is_killed_is_followed_by_the_other_within_the_lease(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        first, second = await two(at)
        before = term(at.fake)
        await first.kill()
        at.fake.put(JOBS, stream_job("after"))
        await until(lambda: has_objects(at.fake, "after"), lambda: second.log)
        assert holder(at.fake) == second.name
        made = at.fake.get("apps/v1/deployments", "default", "after-1-tm")
        assert made["metadata"]["annotations"][TERM] == str(before + 1)

    run(scenario, tmp_path)


def test_a_leader_that_was_frozen_does_nothing_when_it_wakes_up(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        first, second = await two(at)
        first.freeze()
        await until(lambda: holder(at.fake) == second.name, lambda: second.log)
        at.fake.put(JOBS, stream_job("after"))
        await until(lambda: has_objects(at.fake, "after"), lambda: second.log)
        first.thaw()
        await until(lambda: '"leads no more"' in first.log, lambda: first.log)
        at.fake.put(JOBS, stream_job("later"))
        await until(lambda: has_objects(at.fake, "later"), lambda: second.log)
        terms = [
            int(call.body["metadata"]["annotations"][TERM])
            for call in at.fake.writes()
            if call.verb == "apply"
        ]
        assert terms == sorted(terms), "nothing of the first term came after the second had begun"
        assert first.alive, "it stands for election again"

    run(scenario, tmp_path)


def test_a_leader_that_is_told_to_end_does_not_let_the_other_wait(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        first, second = await two(at)
        before = term(at.fake)
        assert await first.end() == 0
        assert lease(at.fake)["leaseDurationSeconds"] in {1, 3}
        await until(lambda: holder(at.fake) == second.name, lambda: second.log)
        assert term(at.fake) == before + 1

    run(scenario, tmp_path)


def test_a_lease_that_somebody_else_took_ends_the_term_at_once(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        at.fake.put(JOBS, stream_job("before"))
        first = await at.start("first", **QUICK)
        await until(lambda: has_objects(at.fake, "before"), lambda: first.log)

        def take(body: dict) -> None:
            body["spec"] |= {
                "holderIdentity": "stranger_1",
                "leaseTransitions": 9,
                "leaseDurationSeconds": 3600,
            }

        at.fake.edit("coordination.k8s.io/v1/leases", "weir-system", "weir-operator", take)
        await until(lambda: '"leads no more"' in first.log, lambda: first.log)
        writes = len(at.fake.writes())
        at.fake.put(JOBS, stream_job("after"))
        await until(
            lambda: sum("leases" in call.path for call in at.fake.calls[-5:]) == 5,
            "it only looks at the Lease",
        )
        assert at.fake.writes()[writes:] == []
        assert first.alive

    run(scenario, tmp_path)


def run(scenario, folder: Path) -> None:
    async def main() -> None:
        async with replicas(folder) as at:
            await scenario(at)

    asyncio.run(main())
