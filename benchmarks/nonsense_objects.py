"""Ten thousand objects that are nonsense, and a real operator process: each resource is told of, and good ones are seen to.

``python -m benchmarks.nonsense_objects [--resources N] [--children N] [--seed S]``: StreamJobs with one or two fields that
became something else, and objects of all kinds under the labels of jobs, in the fake API server of the tests, which lets pass
what a real one would refuse. Two good jobs are among them, the second one created at last. Exit code 1 if one of the bad ones
has no condition, or a good one no objects.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import processor_seconds, rss_mb
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.nonsense import child, scribble
from tests.support.operator_process import JOBS, OperatorProcess, Replicas, replicas, stream_job
from tests.support.waiting import until

_SECONDS = 600.0


def has_conditions(fake: FakeKubernetes, name: str) -> bool:
    status: Any = (fake.get(JOBS, "default", name) or {}).get("status")
    return isinstance(status, dict) and bool(status.get("conditions"))


def has_objects(fake: FakeKubernetes, name: str) -> bool:
    return fake.get("apps/v1/deployments", "default", f"{name}-1-tm") is not None


async def measure(at: Replicas, resources: int, children: int, seed: int) -> bool:
    rng, fake = random.Random(seed), at.fake
    bad = [f"bad-{number}" for number in range(resources)]
    for name in bad:
        fake.put(JOBS, scribble(rng, {**stream_job(name), "status": {"run": 0, "conditions": []}}))
    for number in range(children):
        fake.put(*child(rng, number))
    fake.put(JOBS, stream_job("fine"))
    fake.compact()  # it is all in the first lists
    began = time.monotonic()
    operator = await at.start(qps="500", burst="1000")

    async def reached(good: Any, what: str) -> None:
        await until(good, lambda: f"{what}\n{operator.log[-3000:]}", _SECONDS, poll=0.2)
        print(f"{what}: {time.monotonic() - began:.1f} s after the operator was started", flush=True)

    await reached(lambda: has_objects(fake, "fine"), "a good job has its objects")
    await reached(
        lambda: all(has_conditions(fake, name) for name in bad),
        f"each of {resources} bad ones has a condition",
    )
    fake.put(JOBS, stream_job("late"))
    await reached(lambda: has_objects(fake, "late"), "a good job that came at last has its objects")
    return tell(operator, resources, children)


def tell(operator: OperatorProcess, resources: int, children: int) -> bool:
    broke = operator.log.count("a pass broke")
    pid = operator.process.pid
    print(
        f"{resources} resources and {children} objects that are nonsense: {broke} passes broke, {rss_mb(pid):.0f} MB "
        f"resident, {processor_seconds(pid):.1f} s on a core; the process is {'alive' if operator.alive else 'DEAD'}"
    )
    return operator.alive


async def whole(resources: int, children: int, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        async with replicas(Path(folder)) as at:
            return await measure(at, resources, children, seed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--resources", type=int, default=1000)
    parser.add_argument("--children", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=20260131)
    options = parser.parse_args()
    sys.exit(0 if asyncio.run(whole(options.resources, options.children, options.seed)) else 1)


if __name__ == "__main__":
    main()
