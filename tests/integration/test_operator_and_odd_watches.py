"""Watches that break, lag, lie or fall silent: what is there in the end is what should be, and the process stays up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.fake_kubernetes import Body, FakeKubernetes
from tests.support.operator_process import JOBS, OperatorProcess, Replicas, replicas, stream_job
from tests.support.waiting import until

DEPLOYMENTS = "apps/v1/deployments"


def jobmanager(fake: FakeKubernetes, job: str = "flights") -> Body | None:
    return fake.get(DEPLOYMENTS, "default", f"{job}-1-jm")


async def settled(at: Replicas, **settings: str) -> OperatorProcess:
    """One job whose objects are all there, and nothing more is written."""
    at.fake.put(JOBS, stream_job("flights"))
    operator = await at.start(**settings)
    await until(lambda: at.fake.get(DEPLOYMENTS, "default", "flights-1-tm"), lambda: operator.log)
    return operator


def test_what_is_deleted_or_edited_by_hand_is_made_again(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at)
        at.fake.remove(DEPLOYMENTS, "default", "flights-1-jm")
        await until(lambda: jobmanager(at.fake), lambda: operator.log)
        at.fake.remove("policy/v1/poddisruptionbudgets", "default", "flights-tm")
        await until(
            lambda: at.fake.get("policy/v1/poddisruptionbudgets", "default", "flights-tm"),
            lambda: operator.log,
        )

        def meddle(body: Body) -> None:
            body["data"]["start.json"] = "{}"

        at.fake.edit("v1/configmaps", "default", "flights-1", meddle)
        await until(
            lambda: at.fake.get("v1/configmaps", "default", "flights-1")["data"]["start.json"] != "{}",
            lambda: operator.log,
        )

    run(scenario, tmp_path)


def test_an_edit_that_does_not_touch_what_is_ours_is_left_alone(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at)

        def annotate(body: Body) -> None:
            body["spec"]["paused"] = False

        at.fake.edit(DEPLOYMENTS, "default", "flights-1-tm", annotate)
        applied = lambda: [
            c for c in at.fake.writes() if c.verb == "apply" and c.path.endswith("flights-1-tm")
        ]
        await until(lambda: len(applied()) == 2, lambda: f"it is looked after once: {operator.log}")
        at.fake.edit(JOBS, "default", "flights", lambda body: body["spec"].update(paused=True))
        await until(
            lambda: at.fake.get(JOBS, "default", "flights")["status"]["observedGeneration"] == 2, "it is seen"
        )
        assert len(applied()) == 2, "an edit that stays is not fought"

    run(scenario, tmp_path)


def test_what_went_while_a_watch_had_lost_its_place_is_made_again(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at)
        at.fake.remove(DEPLOYMENTS, "default", "flights-1-jm", told=False)
        at.fake.compact()
        await until(lambda: jobmanager(at.fake), lambda: operator.log)
        assert operator.alive

    run(scenario, tmp_path)


def test_a_ghost_vanishes_with_a_list_even_if_the_list_is_empty(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at, resync="2s")
        for name in ("flights-1-jm", "flights-1-tm"):
            at.fake.remove(DEPLOYMENTS, "default", name, told=False)
        await until(lambda: jobmanager(at.fake), lambda: operator.log)

    run(scenario, tmp_path)


def test_an_error_in_the_stream_does_not_end_the_process(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at)
        at.fake.fail_watches(500, "etcdserver: leader changed")
        at.fake.put(JOBS, stream_job("second"))
        await until(lambda: jobmanager(at.fake, "second"), lambda: operator.log)
        assert operator.alive

    run(scenario, tmp_path)


def test_a_watch_that_goes_back_in_time_changes_nothing(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at)
        past = [entry for entry in at.fake.history if entry[2] in {DEPLOYMENTS, JOBS}]
        writes = len(at.fake.writes())
        for _, _, resource, body in past:
            at.fake.version += 1
            at.fake.history.append((at.fake.version, "MODIFIED", resource, body))
        at.fake.put(JOBS, stream_job("second"))
        await until(lambda: jobmanager(at.fake, "second"), lambda: operator.log)
        touched = {call.path for call in at.fake.writes()[writes:] if "/flights" in call.path}
        assert touched == set()

    run(scenario, tmp_path)


def test_a_deletion_that_is_told_late_does_not_touch_the_resource_that_has_the_name_now(
    tmp_path: Path,
) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at)
        earlier = {**at.fake.get(JOBS, "default", "flights")}
        earlier["metadata"] = {**earlier["metadata"], "uid": "an-earlier-one"}
        at.fake.version += 1
        at.fake.history.append((at.fake.version, "DELETED", JOBS, earlier))
        at.fake.put(JOBS, stream_job("second"))
        await until(lambda: jobmanager(at.fake, "second"), lambda: operator.log)
        at.fake.remove(DEPLOYMENTS, "default", "flights-1-jm")
        await until(lambda: jobmanager(at.fake), "flights is still looked after")

    run(scenario, tmp_path)


def test_silence_of_the_watches_is_told_by_the_liveness_probe(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at, silence="2s")
        canary = lambda: at.fake.get("v1/configmaps", "weir-system", "weir-operator-canary")
        await until(canary, lambda: operator.log)
        assert (await operator.probe("/healthz"))[0] == 200
        at.fake.silent = True
        at.fake.put("v1/configmaps", {**canary(), "data": {"touched": "long ago"}})
        status, complaint = await operator.complaint()
        assert status == 503
        assert "the canary was touched" in complaint

    run(scenario, tmp_path)


def test_only_objects_with_the_label_of_a_job_are_asked_for(tmp_path: Path) -> None:
    async def scenario(at: Replicas) -> None:
        operator = await settled(at)
        asked = [
            call
            for call in at.fake.calls
            if (call.method == "GET" and "limit" in call.query) or call.verb == "watch"
        ]
        of_jobs = [call for call in asked if "weir.dev" not in call.path]
        assert of_jobs, operator.log
        assert {call.query.get("labelSelector") for call in of_jobs} <= {
            "weir.dev/job",
            "weir.dev/job=flights",
        }
        assert [call.path for call in at.fake.calls if call.method == "GET" and "/secrets" in call.path] == []

    run(scenario, tmp_path)


def run(scenario, folder: Path) -> None:
    async def main() -> None:
        async with replicas(folder) as at:
            await scenario(at)

    asyncio.run(main())
