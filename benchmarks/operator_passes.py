"""What a pass of the operator costs: milliseconds of a core, without network, API server or engines.

``python -m benchmarks.operator_passes [--jobs N]`` keeps N jobs in memory, brings them all to rest, and prints the mean cost
of a pass over a job at rest, of the pass that answers a change, and of a whole upgrade. The API server is the one of the
tests, called as a function; its own time is left out. ``--profile`` prints where the time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import logging
import pstats
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import structlog

from benchmarks.emulated_pods import Engine
from benchmarks.many_jobs import stream_job
from tests.support.direct_kubernetes import DirectKubernetes
from tests.support.fake_kubernetes import Call, FakeKubernetes
from weir_operator.clients.jobmanager import Endpoint, JobManagers
from weir_operator.clients.kinds import KINDS, STREAM_JOB
from weir_operator.config import Settings
from weir_operator.errors import TemporaryError
from weir_operator.handlers.leading import Leader
from weir_operator.handlers.vitals import Vitals
from weir_operator.metrics import Metrics
from weir_operator.observer.children import JobKey
from weir_operator.reconciler.streamjob import StreamJobs
from weir_operator.resources.settings import rendering

NAMESPACE = "jobs"
#: Passes after which a job must have come to rest.
_MOST_PASSES = 60


class Server(FakeKubernetes):
    """Keeps the time that it takes itself, and plays kubelet and controllers."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.engines: dict[str, Engine] = {}

    def answer(self, call: Call) -> tuple[int, dict[str, Any]]:
        began = time.process_time()
        try:
            return super().answer(call)
        finally:
            self.seconds += time.process_time() - began

    def _tell(self, change: str, resource: str, body: dict[str, Any], *, told: bool = True) -> None:
        super()._tell(change, resource, body, told=told)
        self.history.clear()
        self.told.append((change, resource, body))

    def control(self, deployment: dict[str, Any]) -> None:
        """Pods of a Deployment, or none of one that goes."""
        metadata, template = deployment["metadata"], deployment["spec"]["template"]["metadata"]
        name, namespace, component = (
            metadata["name"],
            metadata["namespace"],
            template["labels"]["weir.dev/component"],
        )
        pod = f"{name}-0"
        if self.get("apps/v1/deployments", namespace, name) is None:
            if self.get("v1/pods", namespace, pod) is not None:
                self.remove("v1/pods", namespace, pod)
            return
        if self.get("v1/pods", namespace, pod) is not None:
            return
        address = f"10.{len(self.engines) >> 16}.{len(self.engines) >> 8 & 255}.{len(self.engines) & 255}"
        owner = metadata["ownerReferences"][0]["uid"]
        self.engines[address] = Engine(owner.replace("-", ""), int(template["labels"]["weir.dev/run"]))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        running = {
            "name": component,
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        status = {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [running],
        }
        labels = {"name": pod, "namespace": namespace, "labels": template["labels"]}
        self.put("v1/pods", {"metadata": labels, "spec": {}, "status": status})

    def errand(self, pod: dict[str, Any]) -> None:
        """It ends well at once."""
        message = '{"fits": true, "message": "", "slotsRequired": 1, "deleted": 0, "tail": 0}'
        ended = {
            "name": "x",
            "state": {"terminated": {"exitCode": 0, "reason": "Completed", "message": message}},
        }
        self.put("v1/pods", {**pod, "status": {"phase": "Succeeded", "containerStatuses": [ended]}})


class Engines(JobManagers):
    """Asks engines without a network."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    async def _call(
        self, endpoint: Endpoint, method: str, path: str, body: Any = None, *, seconds: float = 5.0
    ) -> Mapping[str, Any]:
        engine = self._server.engines[endpoint.host]
        if path == "/jobs/weir":
            return engine.report()
        if path.endswith(("/stop", "/savepoints")):
            engine.save(body["triggerId"], stops=path.endswith("/stop"))
        return {}


class Bench:
    """The jobs and their operator."""

    def __init__(self, jobs: int) -> None:
        self.server, self.jobs = Server(), jobs
        self.metrics = Metrics()
        settings = Settings()
        vitals = Vitals(time.monotonic, 60, 10)
        client = DirectKubernetes(self.server, listener=self.metrics.requested)
        engines = Engines(self.server)
        self._leader = Leader(settings, rendering(settings), b"k" * 40, client, vitals, self.metrics, engines)
        self.reconciler = cast("StreamJobs", self._leader._workers[STREAM_JOB]._reconciler)  # noqa: SLF001
        self.passes, self.seconds = 0, 0.0
        self._calls: dict[str, float] = {}
        self.profiler: cProfile.Profile | None = None

    def tell(self) -> set[JobKey]:
        """Hand on what the watches would; whom it concerns."""
        concerned: set[JobKey] = set()
        kinds = {f"{kind.api_version}/{kind.plural}": kind for kind in KINDS.values()}
        while self.server.told:
            told, self.server.told = self.server.told, []
            for change, resource, body in told:
                kind = kinds[resource]
                if kind.name == "Deployment":
                    self.server.control(body)
                elif kind.name == "Pod" and "status" not in body and change != "DELETED":
                    self.server.errand(body)
                world = self._leader._world  # noqa: SLF001
                if kind.name in {"Secret", "Lease", "Event"}:
                    continue
                found = world.forget(kind, body) if change == "DELETED" else world.note(kind, body)
                concerned |= {key for of, key in found if of is STREAM_JOB}
        return concerned

    async def once(self, key: JobKey) -> None:
        """One pass, measured."""
        within, began = self.server.seconds, time.process_time()
        if self.profiler is not None:
            self.profiler.enable()
        try:
            await self.reconciler.reconcile(key)
        except TemporaryError:
            await self.reconciler.refresh(key)
        finally:
            if self.profiler is not None:
                self.profiler.disable()
        self.seconds += time.process_time() - began - (self.server.seconds - within)
        self.passes += 1

    async def rest(self, keys: set[JobKey]) -> None:
        """Passes over all that is concerned, until nothing is."""
        for _ in range(_MOST_PASSES):
            for key in sorted(keys):
                await self.once(key)
            keys = self.tell() | {key for key in keys if not self.rests(key)}
            if not keys:
                return
        raise SystemExit(f"not at rest after {_MOST_PASSES} passes: {sorted(keys)[:3]}")

    def rests(self, key: JobKey) -> bool:
        """Whether nothing is under way."""
        status = (self.server.get("weir.dev/v1alpha1/streamjobs", *key) or {}).get("status", {})
        return "lastUpgrade" in status and "upgrade" not in status

    def taken(self, what: str) -> None:
        """Say what the passes since the last time cost."""
        calls: dict[str, float] = {}
        for metric in self.metrics.requests.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    key = f"{sample.labels['verb']} {sample.labels['kind']}"
                    calls[key] = calls.get(key, 0) + sample.value
        new = {
            key: count - self._calls.get(key, 0)
            for key, count in calls.items()
            if count > self._calls.get(key, 0)
        }
        self._calls = calls
        told = ", ".join(f"{key} {count:g}" for key, count in sorted(new.items()))
        passes, seconds, self.passes, self.seconds = self.passes, self.seconds, 0, 0.0
        print(
            f"{what}: {passes} passes, {seconds / max(1, passes) * 1000:.2f} ms each, {seconds:.2f} s; calls: {told or 'none'}"
        )


async def measure(jobs: int, changes: int, profile: bool) -> None:
    bench = Bench(jobs)
    for number in range(jobs):
        body = stream_job(number)
        body["metadata"]["namespace"] = NAMESPACE
        body["spec"]["upgrade"] = {"stabilityWindow": "0s"}
        bench.server.put("weir.dev/v1alpha1/streamjobs", body)
    await bench.rest(bench.tell())
    bench.taken(f"{jobs} jobs created and at rest")
    keys = [(NAMESPACE, f"job-{number}") for number in range(jobs)]
    if profile:
        bench.profiler = cProfile.Profile()
    for key in keys[: max(200, changes)]:
        await bench.once(key)
    bench.taken("passes over jobs at rest")
    show(bench)
    changed = keys[:changes]
    for _, name in changed:
        bench.server.edit(
            "weir.dev/v1alpha1/streamjobs",
            NAMESPACE,
            name,
            lambda body: body["spec"].update(image="example/job:2"),
        )
    concerned = bench.tell()
    for key in sorted(concerned):
        await bench.once(key)
    bench.taken(f"first answer to {changes} changes")
    show(bench)
    await bench.rest(bench.tell() | set(changed))
    bench.taken("the rest of their upgrades")
    show(bench)


def show(bench: Bench) -> None:
    if bench.profiler is not None:
        pstats.Stats(bench.profiler).sort_stats("tottime").print_stats(45)
        bench.profiler = cProfile.Profile()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(measure(options.jobs, options.changes, options.profile))


if __name__ == "__main__":
    main()
