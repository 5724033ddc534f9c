"""A thousand StreamJobs for one operator: memory, how fast it answers, and what it asks of the API server while nothing happens.

``python -m benchmarks.many_jobs [--jobs N] [--changes N]`` starts a real API server, an operator, and engines that are
emulated (see ``emulated_pods``); it prints the figures and ends with exit code 1 above a budget. It needs the programs of
the test cluster, and enters a network namespace of its own, so nothing is seen outside.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from benchmarks import api_server
from benchmarks.api_server import Api
from benchmarks.peers import ROOT
from benchmarks.processes import processor_seconds, rss_mb

#: MB resident, seconds of the 99th percentile, and seconds from the start to the first watch.
MOST_RSS, MOST_REACTION, MOST_START = 300.0, 2.0, 3.0
IDLE_SECONDS = 60.0
NAMESPACES = 10
_JOBS = "/apis/weir.dev/v1alpha1"
_METRICS = "127.0.0.1:9090"
_SETTLED_SECONDS = 1800.0
#: Of the operator that fills the cluster, and that is not measured.
_HASTE = {"WEIR_OPERATOR_QPS": "1000", "WEIR_OPERATOR_BURST": "1000"}


def stream_job(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": f"job-{number}"},
        "spec": {
            "image": "example/job:1",
            "job": {"entrypoint": "job:build", "parallelism": 1},
            "checkpoints": {"interval": "10s"},
            "storage": {"checkpoints": "s3://weir/c", "savepoints": "s3://weir/s"},
        },
    }


def collection(number: int) -> str:
    """Where a job is."""
    return f"{_JOBS}/namespaces/jobs-{number % NAMESPACES}/streamjobs"


@dataclass
class Seen:
    """What the watch tells of the jobs."""

    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    #: Names of those whose first run proved stable; by name the generation for which it is Ready; and when each
    #: generation was first told of, and first answered.
    stable: set[str] = field(default_factory=set)
    ready: dict[str, int] = field(default_factory=dict)
    told: dict[tuple[str, int], float] = field(default_factory=dict)
    answered: dict[tuple[str, int], float] = field(default_factory=dict)

    async def follow(self, api: Api) -> None:
        async for job in api.follow(f"{_JOBS}/streamjobs"):
            name, status = job["metadata"]["name"], job.get("status", {})
            generation = status.get("observedGeneration", 0)
            if "lastUpgrade" in status and "upgrade" not in status:
                self.stable.add(name)
            now = time.monotonic()
            self.told.setdefault((name, job["metadata"]["generation"]), now)
            self.answered.setdefault((name, generation), now)
            for condition in status.get("conditions", ()):
                if condition["type"] == "Ready" and condition["status"] == "True":
                    self.ready[name] = condition.get("observedGeneration", generation)
            async with self.changed:
                self.changed.notify_all()

    async def wait(self, good: Any, what: str) -> None:
        try:
            async with asyncio.timeout(_SETTLED_SECONDS), self.changed:
                await self.changed.wait_for(good)
        except TimeoutError:
            raise SystemExit(f"waited {_SETTLED_SECONDS:g} s in vain until {what}") from None


class Operator:
    """The process that is measured."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "operator.log"
        (folder / "key").write_text("k" * 40)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("WEIR_OPERATOR_")},
            "KUBECONFIG": str(api_server.kubeconfig(folder)),
            "WEIR_OPERATOR_KEY_FILE": str(folder / "key"),
            "WEIR_OPERATOR_IMAGE": "example/weir:1",
        }
        self._environment.pop("KUBERNETES_SERVICE_HOST", None)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, **settings: str) -> float:
        """Seconds until it watches and works; ``settings`` as environment variables."""
        self._log.write_bytes(b"")
        began = time.monotonic()
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "weir_operator"]
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                command, env=self._environment | settings, stdout=log, stderr=log
            )
        while '"leads"' not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() > began + 120:
                raise SystemExit(f"the operator does not start: {self._log.read_text()[-3000:]}")
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    @property
    def rss(self) -> float:
        assert self._process is not None
        return rss_mb(self._process.pid)

    def processor_seconds(self) -> float:
        assert self._process is not None
        return processor_seconds(self._process.pid)

    @staticmethod
    async def requests() -> dict[tuple[str, str], float]:
        """Of the API server so far, by verb and kind."""
        found: dict[tuple[str, str], float] = {}
        async with aiohttp.ClientSession() as session, session.get(f"http://{_METRICS}/metrics") as answer:
            for line in (await answer.text()).splitlines():
                if line.startswith("weir_operator_api_requests_total{"):
                    labels = dict(
                        part.split("=") for part in line[line.index("{") + 1 : line.index("}")].split(",")
                    )
                    key = labels["verb"].strip('"'), labels["kind"].strip('"')
                    found[key] = found.get(key, 0.0) + float(line.rpartition(" ")[2])
        return found


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def prepare(api: Api) -> None:
    """CRDs and namespaces."""
    await api.wait_ready()
    for path in sorted((ROOT / "crds").glob("*weir.dev.yaml")):
        crd = yaml.safe_load(path.read_text())
        await api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    for name in ["weir-system", *(f"jobs-{number}" for number in range(NAMESPACES))]:
        await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    deadline = time.monotonic() + 60
    while (await api.call("GET", f"{_JOBS}/streamjobs", allowed={404})).get("kind") != "StreamJobList":
        if time.monotonic() > deadline:
            raise SystemExit("the API server does not serve StreamJobs")
        await asyncio.sleep(0.2)


@dataclass
class Reactions:
    """Seconds until the status of a job answered its edit: from its request, and from when it was in the API server."""

    from_request: list[float]
    from_edit: list[float]


async def change(api: Api, seen: Seen, names: list[int], image: str) -> Reactions:
    """Edit all of them at once.

    An edit is in the API server when its request is answered, or when a watch tells of it. What the API server needs for a
    hundred of them at once is no time of the operator's, and is told apart.
    """

    async def one(number: int) -> tuple[tuple[str, int], float]:
        path = f"{collection(number)}/job-{number}"
        began = time.monotonic()
        answer = await api.call("PATCH", path, {"spec": {"image": image}})
        edit = f"job-{number}", answer["metadata"]["generation"]
        now = time.monotonic()
        seen.told[edit] = min(now, seen.told.get(edit, now))
        return edit, began

    begun = await asyncio.gather(*map(one, names))
    await seen.wait(lambda: all(edit in seen.answered for edit, _ in begun), "all changes are answered")
    return Reactions(
        [seen.answered[edit] - began for edit, began in begun],
        [seen.answered[edit] - seen.told[edit] for edit, _ in begun],
    )


async def fill(api: Api, seen: Seen, jobs: int) -> None:
    """Create the jobs, and wait until nothing is under way any more."""
    began = time.monotonic()
    slots = asyncio.Semaphore(16)

    async def create(number: int) -> None:
        async with slots:
            await api.call("POST", collection(number), stream_job(number))

    await asyncio.gather(*map(create, range(jobs)))
    await seen.wait(lambda: len(seen.ready) == jobs, "all jobs are Ready")
    say(f"{jobs} jobs Ready {time.monotonic() - began:.0f} s after the first was created")
    await seen.wait(lambda: len(seen.stable) == jobs, "all jobs are stable")


async def idle(operator: Operator) -> None:
    """What it does while nothing happens."""
    before, busy = await operator.requests(), operator.processor_seconds()
    await asyncio.sleep(IDLE_SECONDS)
    after = await operator.requests()
    rates = {key: (count - before.get(key, 0)) / IDLE_SECONDS for key, count in after.items()}
    share = (operator.processor_seconds() - busy) / IDLE_SECONDS
    told = ", ".join(f"{verb} {kind} {rate:.2f}" for (verb, kind), rate in sorted(rates.items()) if rate)
    calls = sum(rates.values())
    say(f"idle: {calls:.2f} API calls a second ({told}), {share:.0%} of a core, {operator.rss:.0f} MB")


async def observe(api: Api, seen: Seen, operator: Operator, jobs: int, changes: int) -> bool:
    """Start, idleness and changes of an operator that has all the jobs; whether the budgets hold."""
    start = await operator.start()
    used = operator.processor_seconds()
    say(f"operator, {jobs} jobs: watches {start:.1f} s after its start, {used:.1f} s of them on a core")
    await asyncio.sleep(IDLE_SECONDS / 2)  # its first pass over each of them
    await idle(operator)

    asked = list(range(0, jobs, max(1, jobs // changes)))[:changes]
    began = time.monotonic()
    reactions = await change(api, seen, asked, "example/job:2")
    reaction = percentile(reactions.from_edit, 0.99)
    for since, seconds in (
        ("they were in the API server", reactions.from_edit),
        ("they were sent", reactions.from_request),
    ):
        say(
            f"{len(asked)} changed at once: answered {statistics.median(seconds):.2f} s (median), "
            f"{percentile(seconds, 0.99):.2f} s (99 %), {max(seconds):.2f} s (last) after {since}"
        )
    names = {f"job-{number}" for number in asked}
    await seen.wait(lambda: all(seen.ready.get(name, 0) >= 2 for name in names), "they are Ready again")
    say(f"all of them upgraded with a savepoint and Ready again after {time.monotonic() - began:.0f} s")
    rss = operator.rss
    verdicts = {
        f"{rss:.0f} MB resident at the end <= {MOST_RSS:.0f} MB": rss <= MOST_RSS,
        f"reaction {reaction:.2f} s <= {MOST_REACTION:g} s": reaction <= MOST_REACTION,
        f"start {start:.1f} s < {MOST_START:g} s": start < MOST_START,
    }
    for text, holds in verdicts.items():
        say(f"{'holds' if holds else 'MISSED'}: {text}")
    return all(verdicts.values())


async def measure(folder: Path, jobs: int, changes: int) -> bool:
    """Whether all budgets hold."""
    seen, operator = Seen(), Operator(folder)
    async with Api.of(folder) as api, asyncio.TaskGroup() as tasks:
        await prepare(api)
        with (folder / "emulation.log").open("wb") as log:
            command = [sys.executable, "-m", "benchmarks.emulated_pods", str(folder)]
            emulation = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - it returns at once
        following = tasks.create_task(seen.follow(api))
        try:
            start = await operator.start(**_HASTE)
            say(f"operator, no job: watches {start:.1f} s after its start, {operator.rss:.0f} MB")
            await fill(api, seen, jobs)
            operator.end()
            return await observe(api, seen, operator, jobs, changes)
        finally:
            following.cancel()
            operator.end()
            emulation.terminate()
            emulation.wait()


def say(text: str) -> None:
    """A line, at once."""
    print(text, flush=True)


def inside(jobs: int, changes: int) -> int:
    """In the namespace."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = api_server.start(folder)
        try:
            return 0 if asyncio.run(measure(folder, jobs, changes)) else 1
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=100, help="how many change at once")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        sys.exit(inside(options.jobs, options.changes))
    if reason := api_server.missing():
        raise SystemExit(reason)
    module = ["-m", "benchmarks.many_jobs", "--inside"]
    numbers = ["--jobs", str(options.jobs), "--changes", str(options.changes)]
    command = ["unshare", "--net", "--map-root-user", sys.executable, *module, *numbers]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
