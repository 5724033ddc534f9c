"""Kubelet, controllers and engines beside the fake API server, for operators that are real processes.

Deployments get pods that run at once, errands end well, and the REST of each JobManager is served at its pod's address, of
the loopback network. What is looked at is the level: whatever has happened, the next look brings the cluster to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from benchmarks.emulated_pods import REST, Engine
from tests.support.fake_kubernetes import Body, FakeKubernetes

DEPLOYMENTS, PODS = "apps/v1/deployments", "v1/pods"
_ERRAND = '{"fits": true, "message": "", "slotsRequired": 1, "deleted": 0, "tail": 0}'
_BEGAN = "2026-01-01T00:00:00Z"


class EmulatedCluster:
    """Of one fake API server."""

    def __init__(self, fake: FakeKubernetes) -> None:
        self._fake = fake
        #: Addresses of the loopback network that no other test of this machine has.
        self._network = f"127.{random.randrange(2, 250)}.{random.randrange(1, 250)}"
        self._addresses = 0
        self._serving: dict[str, web.AppRunner] = {}
        #: By run; an engine's log outlives its pod.
        self.engines: dict[int, Engine] = {}
        #: Runs of which pods stood at the same time.
        self.together: set[frozenset[int]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                changed = self._fake.changed
                await self._look()
                await changed.wait()
        finally:
            for runner in self._serving.values():
                await runner.cleanup()

    async def _look(self) -> None:
        wanted: dict[str, Body] = {}
        for deployment in self._fake.all(DEPLOYMENTS):
            replicas = deployment["spec"]["replicas"]
            wanted |= {f"{deployment['metadata']['name']}-{number}": deployment for number in range(replicas)}
            names = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
            status = {
                **dict.fromkeys(names, replicas),
                "observedGeneration": deployment["metadata"]["generation"],
            }
            self._fake.put(DEPLOYMENTS, {**deployment, "status": status})
        for pod in self._fake.all(PODS):
            name = pod["metadata"]["name"]
            if "replica" in pod["spec"] and name not in wanted:
                await self._end(pod)
            elif "replica" not in pod["spec"] and "status" not in pod:
                ended = {"name": "x", "state": {"terminated": {"exitCode": 0, "message": _ERRAND}}}
                self._fake.put(PODS, {**pod, "status": {"phase": "Succeeded", "containerStatuses": [ended]}})
        for name, deployment in wanted.items():
            if self._fake.get(PODS, deployment["metadata"]["namespace"], name) is None:
                await self._begin(name, deployment)
        runs = frozenset(int(pod["metadata"]["labels"]["weir.dev/run"]) for pod in self._replicas())
        self.together |= {runs} if len(runs) > 1 else set()

    def _replicas(self) -> list[Body]:
        return [pod for pod in self._fake.all(PODS) if "replica" in pod["spec"]]

    async def _begin(self, name: str, deployment: Body) -> None:
        template = deployment["spec"]["template"]
        labels, container = template["metadata"]["labels"], template["spec"]["containers"][0]["name"]
        self._addresses += 1
        address = f"{self._network}.{self._addresses}"
        if labels["weir.dev/component"] == "jobmanager":
            await self._serve(address, labels, deployment["metadata"]["ownerReferences"][0]["uid"])
        running = {
            "name": container,
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": _BEGAN}},
        }
        status = {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [running],
        }
        metadata = {"name": name, "namespace": deployment["metadata"]["namespace"], "labels": labels}
        self._fake.put(PODS, {"metadata": metadata, "spec": {"replica": True}, "status": status})

    async def _end(self, pod: Body) -> None:
        runner = self._serving.pop(pod["status"]["podIP"], None)
        if runner is not None:
            await runner.cleanup()
        self._fake.remove(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])

    async def _serve(self, address: str, labels: dict[str, str], owner: str) -> None:
        run = int(labels["weir.dev/run"])
        engine = self.engines.setdefault(run, Engine(owner.replace("-", ""), run))

        async def answer(request: web.Request) -> web.Response:
            body: Any = await request.json() if request.can_read_body else {}
            if request.path == "/jobs/weir":
                return web.json_response(engine.report())
            if request.path.endswith(("/stop", "/savepoints")):
                engine.save(body["triggerId"], stops=request.path.endswith("/stop"))
                return web.json_response({"request-id": body["triggerId"]}, status=202)
            return web.json_response({})

        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", answer)])
        runner = self._serving[address] = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, REST).start()


@contextlib.asynccontextmanager
async def emulated(fake: FakeKubernetes) -> AsyncIterator[EmulatedCluster]:
    """The cluster of a fake API server, for as long as the test lasts."""
    cluster = EmulatedCluster(fake)
    playing = asyncio.create_task(cluster.run())
    try:
        yield cluster
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
