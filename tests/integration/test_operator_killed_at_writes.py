"""A real operator process is killed with SIGKILL at its writes, through a job's whole life, and each step ends as it should.

Every few writes the process ends: right before the API server carries one out, and the next time right after. Another
process goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.emulated_cluster import EmulatedCluster, emulated
from tests.support.fake_kubernetes import Body, Call, FakeKubernetes, Fault
from tests.support.operator_process import JOBS, OperatorProcess, Replicas, replicas, stream_job
from tests.support.waiting import until

LEASES = "coordination.k8s.io/v1/leases"
#: A write of so many is that at which the process is killed.
STRIDE = 7
#: Seconds for each step: some processes must start in it.
_PATIENCE = 300.0
#: What every job has, and what each of its runs has.
OF_JOB = {
    "networking.k8s.io/v1/networkpolicies/flights-jm",
    "networking.k8s.io/v1/networkpolicies/flights-pods",
    "networking.k8s.io/v1/networkpolicies/flights-tm",
    "policy/v1/poddisruptionbudgets/flights-jm",
    "policy/v1/poddisruptionbudgets/flights-tm",
    "v1/services/flights-rest",
}
OF_RUN = ("v1/configmaps/flights-{}", "v1/secrets/flights-{}", "v1/services/flights-{}-jm")
OF_RUN += ("apps/v1/deployments/flights-{}-jm", "apps/v1/deployments/flights-{}-tm")
OF_RUN += ("v1/pods/flights-{}-jm-0", "v1/pods/flights-{}-tm-0")


class Killed:
    """The operators of a fake API server: each is killed, and followed by another one."""

    def __init__(self, at: Replicas) -> None:
        self._at = at
        self._writes = self.kills = 0
        self._operator: OperatorProcess | None = None
        at.fake.intercept = self._intercept

    async def run(self) -> None:
        """Until cancelled: one process after the other."""
        while True:
            self._operator = await self._at.start(f"operator-{self.kills}", poll="500ms", retry="100ms")
            await self._operator.process.wait()
            assert self._operator.process.returncode == -signal.SIGKILL, self._operator.log
            lease = self._at.fake.get(LEASES, "weir-system", "weir-operator")
            if lease is not None:  # the next one need not wait until it runs out
                self._at.fake.put(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": ""}})

    @property
    def log(self) -> str:
        return "" if self._operator is None else self._operator.log

    def _intercept(self, call: Call) -> Fault | None:
        if call.method == "GET" or any(part in call.path for part in ("/leases", "/events", "weir-system")):
            return None
        self._writes += 1
        if self._writes % STRIDE or self._operator is None or not self._operator.alive:
            return None
        os.kill(self._operator.process.pid, signal.SIGKILL)
        self.kills += 1
        return Fault.BREAK if self.kills % 2 else None


def job(fake: FakeKubernetes) -> Body:
    return fake.get(JOBS, "default", "flights") or {}


def at_rest(fake: FakeKubernetes, generation: int) -> bool:
    status: dict[str, Any] = job(fake).get("status") or {}
    answered = status.get("observedGeneration") == generation
    return answered and "lastUpgrade" in status and "upgrade" not in status


def objects(fake: FakeKubernetes) -> set[str]:
    """What there is of the job, but for pods that see to something and go."""
    return {
        f"{resource}/{name}"
        for resource, namespace, name in fake.objects
        if namespace == "default"
        and resource not in {"events.k8s.io/v1/events", JOBS}
        and "-snap-" not in name
    }


def expected(revisions: int, run: int | None) -> set[str]:
    made = OF_JOB | {f"apps/v1/controllerrevisions/flights-{number + 1}" for number in range(revisions)}
    return made if run is None else made | {name.format(run) for name in OF_RUN}


async def rests(
    fake: FakeKubernetes, change: dict[str, Any], there: set[str], log: Callable[[], str]
) -> None:
    """The change is made, and there is this of the job."""
    fake.edit(JOBS, "default", "flights", lambda body: body["spec"].update(change))
    generation = job(fake)["metadata"]["generation"]

    def what() -> str:
        status, differs = job(fake).get("status"), objects(fake) ^ there
        return f"at rest after {change}; differs: {differs}, status: {status}\n{log()[-5000:]}"

    await until(lambda: at_rest(fake, generation) and objects(fake) == there, what, seconds=_PATIENCE)


async def lives(fake: FakeKubernetes, log: Callable[[], str]) -> None:
    """Created, upgraded, suspended, resumed and deleted."""
    fake.put(JOBS, stream_job("flights", image="example/flights:1", upgrade={"stabilityWindow": "0s"}))
    entrypoint = {"entrypoint": "flights.job:build"}
    await rests(fake, {}, expected(1, 1), log)
    await rests(fake, {"image": "example/flights:2"}, expected(2, 2), log)
    await rests(fake, {"job": {**entrypoint, "state": "Suspended"}}, expected(2, None), log)
    await rests(fake, {"job": {**entrypoint, "state": "Running"}}, expected(2, 3), log)
    fake.edit(
        JOBS,
        "default",
        "flights",
        lambda body: body["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"),
    )
    await until(lambda: not job(fake), lambda: f"it is gone: {job(fake)}\n{log()[-5000:]}", seconds=_PATIENCE)


async def killed_through_a_life(at: Replicas, cluster: EmulatedCluster) -> int:
    """How often."""
    killed = Killed(at)
    operators = asyncio.create_task(killed.run())
    try:
        await lives(at.fake, lambda: killed.log)
    finally:
        operators.cancel()
        await asyncio.gather(operators, return_exceptions=True)
    return killed.kills


def test_the_life_of_a_job_is_as_it_should_be_when_its_operators_are_killed_at_their_writes(
    tmp_path: Path,
) -> None:
    async def whole() -> None:
        async with replicas(tmp_path) as at, emulated(at.fake) as cluster:
            kills = await killed_through_a_life(at, cluster)
            assert kills >= 5, "otherwise this test kills nothing"
            assert cluster.together == set(), "pods of two runs never stand at the same time"
            assert sorted(cluster.engines) == [1, 2, 3], "no run was begun for nothing"
            savepoints = {run: len(engine.requests) for run, engine in cluster.engines.items()}
            assert savepoints == {1: 1, 2: 1, 3: 0}, "what was asked for before is not asked for anew"

    asyncio.run(whole())
