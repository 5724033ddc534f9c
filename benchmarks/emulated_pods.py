"""What a cluster does for StreamJobs, without nodes: Deployments get pods that are Running, and engines that answer for each of them.

One process watches the API server and serves the REST of all JobManagers. A pod's address is a local one of this network
namespace, so the address that a request came to says whose engine is meant. The engines have a job's life and no job.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from aiohttp import web

from benchmarks.api_server import Api

#: Addresses of pods; 198.18.0.0/15 is set aside for tests.
FIRST_ADDRESS = IPv4Address("198.18.64.1")
REST = 8081
#: Seconds between two checkpoints of an emulated job.
CHECKPOINT = 10.0
WORKERS = 16
_LABEL = "weir.dev/"


@dataclass
class Engine:
    """One JobManager."""

    job_id: str
    run: int
    began: float = field(default_factory=time.time)
    parallelism: int = 1
    stopped: tuple[str, float] | None = None  #: trigger, and when
    requests: list[dict[str, Any]] = field(default_factory=list)

    def snapshot(self) -> dict[str, Any]:
        number = self.run * 1000 + int((time.time() - self.began) / CHECKPOINT)
        at = self.began + (number - self.run * 1000) * CHECKPOINT
        return {"id": number, "path": f"s3://weir/c/{self.job_id}/chk-{number}", "completedAtMs": millis(at)}

    def report(self) -> dict[str, Any]:
        """As ``GET /jobs/weir``; it runs from its first second, and has a checkpoint as soon."""
        last = self.snapshot()
        return {
            "run": self.run,
            "state": "FINISHED" if self.stopped else "RUNNING",
            "epoch": self.run,
            "tail": last["id"],
            "ending": "Stopped" if self.stopped else None,
            "parallelism": self.parallelism,
            "maxParallelism": 128,
            "slotsRequired": self.parallelism,
            "taskManagers": ["tm"] * self.parallelism,
            "runningSinceMs": None if self.stopped else millis(self.began),
            "lastCheckpoint": last,
            "retained": [last],
            "requests": self.requests,
        }

    def save(self, trigger: str, *, stops: bool) -> None:
        if any(asked["trigger"] == trigger for asked in self.requests):
            return
        path = f"s3://weir/s/{self.job_id}/savepoint-{self.run}-{len(self.requests)}"
        snapshot = {"path": path, "completedAtMs": millis(time.time()), "bytes": 1}
        begun = {"trigger": trigger, "kind": "savepoint", "startedAtMs": millis(time.time())}
        self.requests.append({**begun, "state": "Completed", "snapshot": snapshot})
        if stops:
            self.stopped = trigger, time.time()


def millis(seconds: float) -> int:
    return round(seconds * 1000)


class Emulation:
    """See the module."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._engines: dict[str, Engine] = {}
        self._addresses = 0
        self._queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._pods: dict[tuple[str, str], int] = {}

    async def run(self) -> None:
        """For ever."""
        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", self._serve)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", REST).start()  # noqa: S104 - of a namespace of its own
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch("/apis/apps/v1/deployments", "deployment"))
            errands = f"/api/v1/pods?labelSelector={_LABEL}component%20in%20(preflight,snapshots)"
            tasks.create_task(self._watch(errands, "errand"))
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    async def _watch(self, path: str, what: str) -> None:
        async for body in self._api.follow(path):
            self._queue.put_nowait((what, body))

    async def _work(self) -> None:
        while True:
            what, body = await self._queue.get()
            if what == "errand":
                await self._answer_errand(body)
            else:
                await self._control(body)

    async def _control(self, deployment: dict[str, Any]) -> None:
        """As a Deployment's controllers, the scheduler and a kubelet do, at once."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        namespace, name = metadata["namespace"], metadata["name"]
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        deleted = metadata.get("deletionTimestamp") is not None
        wanted, known = 0 if deleted else spec["replicas"], self._pods.get((namespace, name), 0)
        self._pods[namespace, name] = wanted
        for number in range(known, wanted):
            await self._start_pod(deployment, f"{name}-{number}")
        for number in range(wanted, known):
            pod = f"/api/v1/namespaces/{namespace}/pods/{name}-{number}"
            await self._api.call("DELETE", pod, {"gracePeriodSeconds": 0}, allowed={404})
        if deleted:
            await self._api.call("PATCH", path, {"metadata": {"finalizers": None}}, allowed={404})
        elif deployment.get("status", {}).get("readyReplicas", 0) != wanted:
            counts = dict.fromkeys(
                ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), wanted
            )
            status = {"status": {**counts, "observedGeneration": metadata["generation"]}}
            await self._api.call("PATCH", f"{path}/status", status, allowed={404, 409})

    async def _start_pod(self, deployment: dict[str, Any], name: str) -> None:
        template, namespace = deployment["spec"]["template"], deployment["metadata"]["namespace"]
        labels = template["metadata"]["labels"]
        container = template["spec"]["containers"][0]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {"containers": [{"name": container["name"], "image": container["image"]}]},
        }
        await self._api.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod, allowed={409})
        address = str(FIRST_ADDRESS + self._addresses)
        self._addresses += 1
        if labels[f"{_LABEL}component"] == "jobmanager":
            owner = labels.get(f"{_LABEL}uid") or deployment["metadata"]["ownerReferences"][0]["uid"]
            self._engines[address] = Engine(owner.replace("-", ""), int(labels[f"{_LABEL}run"]))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        running = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [ready],
            "containerStatuses": [running],
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        await self._api.call("PATCH", path, {"status": status}, allowed={404})

    async def _answer_errand(self, pod: dict[str, Any]) -> None:
        """Whatever it is asked, all is well."""
        metadata = pod["metadata"]
        if pod.get("status", {}).get("phase") == "Succeeded":
            return
        preflight = metadata["labels"][f"{_LABEL}component"] == "preflight"
        answer = {"fits": True, "message": "", "slotsRequired": 1} if preflight else {"deleted": 0, "tail": 0}
        container = pod["spec"]["containers"][0]
        ended = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "reason": "Completed", "message": json.dumps(answer)}},
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        status = {"phase": "Succeeded", "containerStatuses": [ended]}
        await self._api.call("PATCH", path, {"status": status}, allowed={404})

    async def _serve(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        engine = self._engines.get(request.transport.get_extra_info("sockname")[0])
        if engine is None:
            return web.json_response({"errors": ["no engine here"]}, status=404)
        path, body = request.path, await request.json() if request.can_read_body else {}
        if path == "/jobs/weir":
            return web.json_response(engine.report())
        if path.endswith(("/stop", "/savepoints")):
            engine.save(body["triggerId"], stops=path.endswith("/stop"))
            return web.json_response({"request-id": body["triggerId"]}, status=202)
        if path.endswith("/resource-requirements"):
            if request.method == "PUT":
                engine.parallelism = next(iter(body.values()))["parallelism"]["upperBound"]
            bounds = {"parallelism": {"lowerBound": 1, "upperBound": engine.parallelism}}
            return web.json_response({"vertex": bounds})
        return web.json_response({})


async def _main(folder: str) -> None:
    async with Api.of(folder) as api:
        await Emulation(api).run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
