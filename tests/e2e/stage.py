"""Where a scenario plays: a namespace with an operator of its own, MinIO's keys and a prefix in the bucket, and what a person does there.

Everything goes through kubectl, as a user would do it. The two watches see every state of the jobs and of the pods, so a step waits for a
state without asking for it again and again, and fails with the last one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

from tests.cluster import minio_server
from tests.cluster.object_store import ObjectStore
from tests.cluster.providing import Cluster
from tests.cluster.watching import Resource, Watch
from tests.e2e import exactness, stream_jobs
from tests.e2e.images import Images
from tests.support.waiting import wait_for

T = TypeVar("T")
#: Seconds for one step of a job's life on a machine that does much else.
STEP_S = 240.0


class Stage:
    """One namespace, used within ``with``."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        store: ObjectStore,
        images: Images,
        *,
        operator: str | None = None,
    ) -> None:
        """``operator``: the namespace of the operator that serves it, where that is another one."""
        self.cluster = cluster
        self.namespace = namespace
        self.operator = operator or namespace
        self.store = store
        self.images = images
        self.jobs = Watch(cluster, "streamjobs.weir.dev", namespace)
        self.pods = Watch(cluster, "pods", namespace)

    def __enter__(self) -> Self:
        self.jobs.__enter__()
        self.pods.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.pods.__exit__(*exc)
        self.jobs.__exit__(*exc)

    # What a person does.

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, text=text)

    def apply(self, *resources: Resource) -> None:
        """``kubectl apply``, client-side, as most people do it."""
        content = {"apiVersion": "v1", "kind": "List", "items": list(resources)}
        answer = json.loads(self.kubectl("apply", "-f", "-", "-o", "json", text=json.dumps(content)))
        for applied in answer.get("items", [answer]):
            self._wait_seen(applied)

    def edit(self, job: str, spec: Resource) -> None:
        """Changes fields of the job's spec and leaves the others."""
        patch = ("--type=merge", "-p", json.dumps({"spec": spec}), "-o", "json")
        self._wait_seen(json.loads(self.kubectl("patch", "streamjobs.weir.dev", job, *patch)))

    def _wait_seen(self, written: Resource) -> None:
        """Until the watch has come so far: what is waited for next must be of this spec, not of the one before."""
        if written["kind"] != "StreamJob":
            return
        name, generation = written["metadata"]["name"], written["metadata"]["generation"]
        self.wait_job(name, lambda job: job["metadata"]["generation"] >= generation, "the edit is seen")

    def counting(self, name: str, *, version: int = 1, **fields: Any) -> Resource:
        """A StreamJob of the counting job in this namespace; its output lies below ``NAMESPACE/NAME`` in the bucket."""
        return stream_jobs.counting(name, self.images.of(version), f"{self.namespace}/{name}", **fields)

    def kill(self, pod: str) -> None:
        """Takes a pod away at once, without telling it."""
        self.kubectl("delete", "pod", pod, "--force", "--grace-period=0", "--wait=false")

    def signal(self, pod: str, name: str = "KILL", container: str | None = None) -> None:
        """Sends a signal to the first process of a pod's container, behind everybody's back."""
        found = self.pods.now[pod]
        states = [
            state for state in found["status"]["containerStatuses"] if container in {None, state["name"]}
        ]
        number = states[0]["containerID"].removeprefix("containerd://")
        self.cluster.provider.signal(found["spec"]["nodeName"], number, name)

    def lose(self, job: str, component: str, how: Callable[[str], None]) -> int:
        """One of the job's pods is taken away by ``kill`` or ``signal``; the number of a checkpoint with another one in its place."""
        before = self.pods_of(job, component)
        how(before[0]["metadata"]["name"])
        return self.wait_recovered(job, before, before[:1])

    # What there is to see.

    def job(self, name: str) -> Resource:
        return self.jobs.now[name]

    def status(self, name: str) -> Resource:
        found: Resource = self.job(name).get("status", {})
        return found

    def pods_of(self, job: str, component: str | None = None, run: int | None = None) -> list[Resource]:
        """The job's pods that are not on their way out."""
        wanted = {"weir.dev/job": job, "weir.dev/component": component, "weir.dev/run": run and str(run)}
        wanted = {label: value for label, value in wanted.items() if value is not None}
        return [
            pod
            for pod in self.pods.now.values()
            if wanted.items() <= pod["metadata"].get("labels", {}).items()
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def pod_of(self, job: str, component: str) -> str:
        """The name of one pod of the job."""
        return str(self.pods_of(job, component)[0]["metadata"]["name"])

    def get(self, kind: str, name: str) -> Resource:
        found: Resource = self.cluster.get(kind, name, self.namespace)
        return found

    def read_metadata(self, path: str) -> Resource:
        """The ``_metadata`` of a snapshot, as it lies in the bucket."""
        key = path.removeprefix(f"s3://{minio_server.BUCKET}/").rstrip("/")
        found: Resource = json.loads(self.store.read(f"{key}/_metadata"))
        return found

    def events(self, about: str | None = None) -> list[Resource]:
        items: list[Resource] = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
        return [event for event in items if about in {None, event["involvedObject"]["name"]}]

    def output(self, job: str) -> list[exactness.Line]:
        """The rows that the job has committed."""
        return exactness.lines(self.store.read_all(f"{self.namespace}/{job}/out/"))

    def objects(self, prefix: str = "") -> list[str]:
        """Keys in the bucket, below this namespace's prefix."""
        root = f"{self.namespace}/"
        return [key.removeprefix(root) for key in self.store.list(root + prefix)]

    def runs(self, job: str) -> list[int]:
        """The runs that had pods, in order."""
        return sorted({run for _, _, pod in self.pods.history if (run := run_of(pod, job))})

    def runs_alive_together(self, job: str) -> set[tuple[int, ...]]:
        """The sets of runs that had pods at one moment; without hand-over there are none."""
        alive: dict[str, int] = {}
        together = set()
        for _, what, pod in list(self.pods.history):
            if not (run := run_of(pod, job)):
                continue
            if what == "DELETED" or _is_over(pod):
                alive.pop(pod["metadata"]["uid"], None)
            else:
                alive[pod["metadata"]["uid"]] = run
            if len(runs := set(alive.values())) > 1:
                together.add(tuple(sorted(runs)))
        return together

    # What is waited for.

    def wait_job(self, name: str, good: Callable[[Resource], T], what: str, seconds: float = STEP_S) -> T:
        """What ``good`` answers of a state of the job when it is true; fails with the last state otherwise."""
        answer = self.jobs.wait(lambda jobs: good(jobs[name]) if name in jobs else None, seconds)
        if not answer:
            raise AssertionError(f"{name}: waited {seconds:g} s in vain until {what}; {self.told(name)}")
        return answer

    def wait_condition(
        self, name: str, kind: str, status: str = "True", reason: str | None = None, seconds: float = STEP_S
    ) -> Resource:
        """The condition, of the spec as it is now, when it has this status (and reason)."""

        def good(job: Resource) -> Resource | None:
            found = condition(job, kind)
            current = found is not None and found.get("observedGeneration") == job["metadata"]["generation"]
            fits = found is not None and found["status"] == status and reason in {None, found["reason"]}
            return found if current and fits else None

        return self.wait_job(name, good, f"{kind} is {status} {reason or ''}".strip(), seconds)

    def wait_reconciled(self, name: str) -> None:
        """Until the operator has looked at the job once more: it answers a change of the spec that concerns nothing."""
        paused = not self.job(name)["spec"].get("paused", False)
        self.edit(name, {"paused": paused})
        self.edit(name, {"paused": not paused})
        self.wait_job(
            name,
            lambda job: job["status"].get("observedGeneration") == job["metadata"]["generation"],
            "the operator has seen it",
        )

    def wait_checkpoint(self, name: str, after: int = 0, seconds: float = STEP_S) -> int:
        """The number of a completed checkpoint that is greater than ``after``."""

        def good(job: Resource) -> int | None:
            number = job.get("status", {}).get("lastCheckpoint", {}).get("id", 0)
            return number if number > after else None

        return self.wait_job(name, good, f"a checkpoint after {after} is complete", seconds)

    def wait_recovered(
        self,
        job: str,
        before: Sequence[Resource],
        lost: Sequence[Resource] | None = None,
        seconds: float = STEP_S,
    ) -> int:
        """The number of a checkpoint with as many pods as ``before``, but none that was ``lost`` (None: all of them).

        A pod whose container was started anew is another one. What is there already when this is called counts for nothing: neither the
        old pod, which the API server still shows, nor a checkpoint that the old one took part in.
        """
        gone = {_life_of(pod) for pod in (before if lost is None else lost)}
        wanted = Counter(_component_of(pod) for pod in before if run_of(pod, job))

        def good(_pods: Mapping[str, Resource]) -> bool:
            now = [
                pod
                for pod in self.pods_of(job)
                if run_of(pod, job) and _component_of(pod) in wanted and not _is_over(pod)
            ]
            complete = wanted <= Counter(map(_component_of, now)) and all(map(_is_ready, now))
            return complete and gone.isdisjoint(map(_life_of, now))

        self.wait_pods(good, f"others are Ready in place of {sorted(gone)}", seconds)
        told = self.status(job).get("lastCheckpoint", {}).get("id", 0)
        # The first one after what is told now may be of before: the operator learns of a checkpoint when it asks next.
        return self.wait_checkpoint(job, after=self.wait_checkpoint(job, after=told))

    def wait_pods(self, good: Callable[[Mapping[str, Resource]], T], what: str, seconds: float = STEP_S) -> T:
        answer = self.pods.wait(good, seconds)
        if not answer:
            known = {name: pod["status"].get("phase") for name, pod in self.pods.now.items()}
            raise AssertionError(f"waited {seconds:g} s in vain until {what}; pods: {known}")
        return answer

    def wait_exists(self, kind: str, name: str) -> None:
        self.kubectl("wait", "--for=create", f"{kind}/{name}", f"--timeout={STEP_S:.0f}s")

    def wait_resource(self, kind: str, name: str, good: Callable[[Resource], bool]) -> None:
        wait_for(
            lambda: good(self.get(kind, name)),
            lambda: f"{kind}/{name} is as it should be: {self.get(kind, name)}",
            poll=0.5,
        )

    def wait_no_pods(self, job: str, seconds: float = STEP_S) -> None:
        """Until no pod of the job is left, not even on its way out."""

        def good(pods: Mapping[str, Resource]) -> bool:
            return not any(
                pod["metadata"].get("labels", {}).get("weir.dev/job") == job for pod in pods.values()
            )

        self.wait_pods(good, f"no pod of {job} is left", seconds)

    def told(self, name: str) -> str:
        """The job's state in one line."""
        if name not in self.jobs.now:
            return f"there is no StreamJob {name}"
        job = self.job(name)
        status = job.get("status", {})
        said = [
            f"{found['type']}={found['status']} ({found['reason']}: {found['message']})"
            for found in status.get("conditions", [])
        ]
        return f"generation {job['metadata']['generation']}, phase {status.get('phase')}, {'; '.join(said)}"


def _component_of(pod: Resource) -> str:
    return str(pod["metadata"].get("labels", {}).get("weir.dev/component"))


def _life_of(pod: Resource) -> tuple[str, int]:
    """Tells a pod from the one in its place, and from itself with a container that was started anew."""
    containers = pod["status"].get("containerStatuses", [])
    return pod["metadata"]["uid"], sum(container["restartCount"] for container in containers)


def _is_over(pod: Resource) -> bool:
    return pod["status"].get("phase") in {"Succeeded", "Failed"}


def _is_ready(pod: Resource) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def condition(job: Resource, kind: str) -> Resource | None:
    """The condition of this type, if the job has it."""
    conditions = job.get("status", {}).get("conditions", [])
    return next((found for found in conditions if found["type"] == kind), None)


def run_of(pod: Resource, job: str) -> int:
    """The run that the pod is of; 0 for pods of other jobs, and for errands."""
    labels = pod["metadata"].get("labels", {})
    return int(labels.get("weir.dev/run", 0)) if labels.get("weir.dev/job") == job else 0


def namespace(name: str) -> list[Resource]:
    """A namespace that enforces the ``restricted`` profile, with MinIO's keys."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": labels}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, minio_server.secret(name)]
