"""A walk through a hostile world as data: what happens to one StreamJob, its pods, its bucket and its operator, step by step.

The simulated engine judges every start (nothing lost, nothing repeated, nothing empty), the simulated API server every pod
(never two runs at once). At the end of a walk all that was broken is mended, and the job must be as its spec asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.simulated_cluster import Cluster, Pod
from tests.support.simulated_engine import Behaviour
from tests.support.simulated_operator import Faults, Operator

IMAGES = {
    "example/flights:1": Behaviour(),
    "example/flights:2": Behaviour(),
    "example/flights:3": Behaviour(),
    "example/missing:1": Behaviour(pulls=False),
    "example/crashing:1": Behaviour(runs=False),
    "example/failing:1": Behaviour(fails=True),
    "example/stuck:1": Behaviour(checkpoints=False),
    "example/unfit:1": Behaviour(fits=False),
    "example/short:1": Behaviour(finishes_at=25),
}

Step = tuple[Any, ...]

#: Edits that are always valid.
EDITS: tuple[dict[str, Any], ...] = (
    *({"image": image} for image in IMAGES),
    *({"image": "example/flights:2"}, {"image": "example/flights:3"}) * 3,
    *({"job": {"state": state}} for state in ("Running", "Suspended", "Running")),
    *({"job": {"parallelism": n}} for n in (1, 2, 3, 5)),
    *({"taskManager": {"slots": n}} for n in (1, 2)),
    *({"upgrade": {"mode": mode}} for mode in ("Savepoint", "LastState", "Stateless", "Savepoint")),
    *({"upgrade": {"handover": how}} for how in ("Recreate", "Standby")),
    *({"upgrade": {"restartNonce": n}} for n in (1, 2, 3)),
    *({"upgrade": {"rollbackTo": n}} for n in (0, 1, 2, 3)),
    *({"upgrade": {"rollback": on}} for on in (True, False)),
    *({"upgrade": {"maxCheckpointAge": age}} for age in ("30s", None)),
    *({"upgrade": {"savepointTimeout": time}} for time in ("5s", "10m")),
    *({"upgrade": {"savepointNonce": n}} for n in (1, 2)),
    *({"checkpoints": {"interval": interval}} for interval in ("10s", None)),
    *({"storage": {"savepoints": to}} for to in ("s3://weir/savepoints", "s3://weir/elsewhere")),
    *({"paused": on} for on in (True, False)),
    *({"snapshots": {"keep": keep}} for keep in ({"count": 1}, {"count": 3}, {"age": "2m"}, None)),
    *({"snapshots": {"schedule": when}} for when in ("* * * * *", None)),
)


class Walk:
    """Carries out steps; what is broken stays broken until a step or the end mends it."""

    def __init__(self) -> None:
        self.cluster = Cluster(behaviours={image: Behaviour(**vars(b)) for image, b in IMAGES.items()})
        self.operator = Operator(self.cluster)

    def go(self, steps: Sequence[Step]) -> None:
        for name, *arguments in steps:
            getattr(self, name)(*arguments)
            newest = self.cluster.bucket.newest
            assert newest is None or newest.path in self.cluster.bucket.snapshots, (
                "the newest state was deleted"
            )
            used = self.cluster.used_elsewhere
            assert used <= set(self.cluster.bucket.snapshots), "a snapshot in use was deleted"

    def edit(self, number: int) -> None:
        self.cluster.edit(**EDITS[number % len(EDITS)])

    def passes(self, count: int) -> None:
        self.operator.run(count)

    def disturbed(self, count: int, write: int, how: str, behind: int, job_behind: int, twice: bool) -> None:
        self.cluster.fault = Faults(**{how: frozenset({write})})
        self.operator.behind, self.operator.twice = behind, twice
        for _ in range(count):
            self.operator.reconcile(job_behind=job_behind)
            self.operator.reconcile_snapshots()
            self.cluster.step()
        self.cluster.fault = lambda _what: None
        self.operator.behind, self.operator.twice = 0, False

    def away(self, count: int) -> None:
        """The operator is away."""
        for _ in range(count):
            self.cluster.step()

    def pod_dies(self, number: int) -> None:
        if pod := self._pod(number):
            del self.cluster.pods[pod.name]

    def node_lost(self, number: int) -> None:
        pod = self._pod(number)
        if pod is not None and pod.running:
            pod.node_lost = True
            self.cluster.end_pod(pod)

    def nodes_back(self) -> None:
        for pod in self.cluster.pods.values():
            pod.node_lost = False

    def deaf(self, number: int) -> None:
        """A TaskManager runs and does not register."""
        pod = self._pod(number)
        if pod is not None and pod.component == "taskmanager":
            pod.deaf = True

    def bucket_down(self, down: bool) -> None:
        self.cluster.bucket.down = down

    def reachable(self, reachable: bool) -> None:
        self.cluster.reachable = reachable

    def capacity(self, pods: int) -> None:
        self.cluster.capacity = pods

    def wipe(self) -> None:
        self.cluster.wipe_status()

    def restore(self, number: int) -> None:
        """Back to an older snapshot, by the nonce."""
        paths = sorted(self.cluster.bucket.snapshots)
        if paths:
            nonce = self.cluster.spec.get("restore", {}).get("nonce", 0) + 1
            self.cluster.edit(restore={"from": paths[-1 - number % len(paths)], "nonce": nonce})

    def take_snapshot(self, number: int, dispose: bool) -> None:
        name = f"by-hand-{number}"
        if name not in self.cluster.snapshots:
            self.cluster.apply_snapshot(name, {"job": "flights", "dispose": dispose})

    def delete_snapshot(self, number: int) -> None:
        names = sorted(self.cluster.snapshots)
        if names:
            self.cluster.delete_snapshot(names[number % len(names)])

    def use_snapshot(self, number: int) -> None:
        """Another StreamJob starts from it."""
        paths = [
            found.status.path
            for found in self.cluster.snapshots.values()
            if found.status.path in self.cluster.bucket.snapshots and not found.metadata.deletion_timestamp
        ]
        if paths:
            self.cluster.used_elsewhere.add(paths[number % len(paths)] or "")

    def delete_child(self, number: int) -> None:
        """Somebody deletes a Deployment by hand."""
        names = sorted(self.cluster.deployments)
        if names:
            self.cluster.deployments[names[number % len(names)]].deleting = True

    def finish(self) -> None:
        """Mend everything, and judge the end."""
        cluster = self.cluster
        cluster.bucket.down, cluster.reachable, cluster.capacity = False, True, 100
        self.nodes_back()
        cluster.behaviours["example/stuck:1"].checkpoints = True
        cluster.edit(
            image="example/flights:9",
            paused=False,
            upgrade={"rollbackTo": 0, "rollback": True, "mode": "LastState"},
            checkpoints={"interval": "10s"},
            snapshots={"schedule": None},
        )
        self.operator.settle(1000, or_blocked_by="NothingToRestore")
        if "NothingToRestore" in {condition.reason for condition in cluster.status.conditions}:
            # Without checkpoints its state is lost, and only its user may say that this does not matter.
            cluster.edit(upgrade={"mode": "Stateless"})
            self.operator.settle(1000)
        wanted, parallelism = cluster.job.spec.job.state, cluster.job.spec.job.parallelism
        ended = wanted == "Suspended" and cluster.status.phase == "Finished"
        assert cluster.condition("Ready") == ("True", "Finished" if ended else wanted), (
            cluster.status.conditions
        )
        assert cluster.condition("Progressing")[0] == "False", cluster.status.conditions
        assert cluster.condition("Degraded")[0] == "False", cluster.status.conditions
        assert cluster.running is (wanted == "Running")
        assert set(cluster.errands) == set()
        self._judge_snapshots()
        if not cluster.running:
            assert cluster.pods == {}
            return
        process = cluster.process
        assert process is not None
        assert process.parallelism == parallelism == cluster.status.parallelism
        assert {d.image for d in cluster.deployments.values()} == {"example/flights:9"}
        slots = cluster.job.spec.task_manager.slots
        replicas = {d.component: d.replicas for d in cluster.deployments.values()}
        assert replicas == {"jobmanager": 1, "taskmanager": -(-parallelism // slots)}

    def _judge_snapshots(self) -> None:
        """Whatever is said to be complete is there, and no more is kept than was asked for."""
        cluster, complete = self.cluster, 0
        for name, found in cluster.snapshots.items():
            if found.status.phase == "Completed":
                assert found.status.path in cluster.bucket.snapshots, f"the files of {name} are gone"
                owned = found.metadata.labels.get("app.kubernetes.io/managed-by") == "weir-operator"
                complete += owned and found.status.path not in cluster.used_elsewhere
        keep = cluster.job.spec.snapshots.keep
        # One more may be what the job goes on from.
        assert keep.count is None or complete <= keep.count + 1, sorted(cluster.snapshots)

    def _pod(self, number: int) -> Pod | None:
        names = sorted(self.cluster.pods)
        return self.cluster.pods[names[number % len(names)]] if names else None
