"""How long a job in a cluster gives no output: when its spec changes, when it is scaled, and when a pod of it is killed.

``python -m benchmarks.downtime`` plays in a namespace of its own of the test cluster (``python -m tests.cluster up``), with the
scenarios' counting job (a row each 10 ms, a checkpoint each second, small state), and looks into the bucket for the first rows
that came after. It prints the parts, and ends with exit code 1 above a budget.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.images import load
from tests.cluster.object_store import ObjectStore
from tests.cluster.providing import Cluster, find_provider
from tests.e2e import exactness, installing
from tests.e2e import stage as stages
from tests.e2e.images import Images
from tests.e2e.stage import Stage
from tests.image.building import build, checkout_tag

#: Seconds without new rows while another image takes over (the old run works on while the new one is prepared) and while the job is scaled,
#: and from when a loss was seen to rows that came after it.
MOST = {"Standby": 5.0, "Recreate": 15.0, "Scale": 10.0, "TaskManager": 10.0}
LIMIT = 240.0
JOB = "counts"


def until(good: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + LIMIT
    while not (found := good()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {LIMIT:g} s in vain until {what}")
        time.sleep(0.1)
    return found


class Output:
    """What of the job's output is visible."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._known: dict[str, list[exactness.Line]] = {}
        #: When the last row was seen for the first time.
        self.grew = time.monotonic()

    @property
    def last(self) -> int:
        """The highest number of a row that was seen."""
        return max(int(row["id"]) for rows in self._known.values() for row in rows)

    def look(self) -> list[exactness.Line]:
        """Rows that were not seen before."""
        prefix = f"{self._stage.namespace}/{JOB}/out/"
        new = []
        for key in self._stage.store.list(prefix):
            if key not in self._known and "/." not in key:
                self._known[key] = exactness.lines({key: self._stage.store.read(key)})
                new += self._known[key]
        if new:
            self.grew = time.monotonic()
        return new

    def follow(self, good: Callable[[exactness.Line], bool], what: str) -> float:
        """Look until there is such a row; seconds for which there was no output before it."""
        before = self.grew

        def there() -> bool:
            nonlocal before
            last = self.grew
            new = self.look()
            if any(map(good, new)):
                before = last
                return True
            return False

        until(there, what)
        return self.grew - before


@contextmanager
def playing() -> Iterator[Stage]:
    provider = find_provider()
    if not provider.nodes_up():
        raise SystemExit("the test cluster is not up: python -m tests.cluster up")
    cluster = Cluster(provider)
    image = build(f"weir:{checkout_tag()}").image
    load(provider, image)
    images, name = Images(image), f"bench-{secrets.token_hex(4)}"
    images.load(cluster)
    cluster.apply(*stages.namespace(name))
    try:
        installing.install(cluster, name, image)
        with ObjectStore(cluster) as store, Stage(cluster, name, store, images) as stage:
            yield stage
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def change(stage: Stage, output: Output, version: int) -> float:
    """Another image; seconds without new rows."""
    before = stage.status(JOB).get("lastUpgrade", {}).get("completedAt")
    began = time.monotonic()
    stage.edit(JOB, {"image": stage.images.of(version)})
    edited = time.monotonic()
    gap = output.follow(lambda row: row["version"] == version, f"rows of version {version} are there")
    seconds = output.grew - began
    stage.wait_job(
        JOB,
        lambda job: (
            job["status"].get("lastUpgrade", {}).get("completedAt") != before
            and "upgrade" not in job["status"]
        ),
        "the upgrade is over",
    )
    told = stage.status(JOB)["lastUpgrade"]
    print(
        f"  {seconds:5.1f} s from the edit (kubectl took {edited - began:.1f}) to rows of the new version; {gap:.1f} s without new rows; "
        f"mode {told['mode']}, parts {told.get('downtime')}",
        flush=True,
    )
    return gap


def scale(stage: Stage, output: Output, parallelism: int) -> float:
    """``kubectl scale``; the longest time without new rows until rows of the new parallelism are there."""
    output.look()
    began = last = time.monotonic()
    longest = 0.0
    stage.kubectl("scale", f"streamjobs.weir.dev/{JOB}", f"--replicas={parallelism}")

    def done() -> bool:
        nonlocal longest, last
        reached = stage.status(JOB).get("parallelism") == parallelism
        if not output.look():
            return False
        longest, last = max(longest, output.grew - last), output.grew
        return reached

    until(done, f"rows of parallelism {parallelism} are there")
    print(
        f"  {last - began:5.1f} s from the command to rows of parallelism {parallelism}; {longest:.1f} s without new rows at the most",
        flush=True,
    )
    return longest


def lose(stage: Stage, output: Output) -> float:
    """A killed TaskManager pod; seconds from when the job was seen not to run to rows that were not there before."""
    output.look()
    most = output.last
    began = time.monotonic()
    stage.kill(stage.pod_of(JOB, "taskmanager"))
    stage.wait_job(JOB, lambda job: job["status"].get("phase") != "Running", "the loss is seen")
    seen = time.monotonic()
    # What was on its way to the bucket when the pod was killed is less than that.
    output.follow(lambda row: row["id"] > most + 300, "rows that came later are there")
    print(
        f"  {output.grew - seen:5.1f} s from when the loss was seen ({seen - began:.1f} s after the kill) to rows that came later",
        flush=True,
    )
    return output.grew - seen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {name: [] for name in MOST}
    with playing() as stage:
        stage.apply(stage.counting(JOB, rows=10_000_000, rate=100, upgrade={"handover": "Standby"}))
        stage.wait_condition(JOB, "Ready")
        output, version = Output(stage), 1
        output.follow(lambda _: True, "there is output")
        for handover in ("Standby", "Recreate"):
            stage.edit(JOB, {"upgrade": {"handover": handover}})
            for _ in range(rounds):
                version = 3 - version
                print(f"another image, {handover}:")
                found[handover].append(change(stage, output, version))
        for _ in range(rounds):
            for parallelism in (4, 2):
                print("it is scaled:")
                found["Scale"].append(scale(stage, output, parallelism))
                stage.wait_condition(JOB, "Ready")
        for _ in range(rounds):
            print("a TaskManager pod is killed:")
            found["TaskManager"].append(lose(stage, output))
            stage.wait_condition(JOB, "Ready")
            output.follow(lambda _: True, "there is output")
    missed = False
    for name, seconds in found.items():
        median = sorted(seconds)[len(seconds) // 2]
        missed |= median > MOST[name]
        print(
            f"{'MISSED' if median > MOST[name] else 'holds'}: {name} {median:.1f} s (median of {len(seconds)}), budget {MOST[name]:g} s"
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
