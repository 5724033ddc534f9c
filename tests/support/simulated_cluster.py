"""A cluster as the operator meets it: Deployments that keep pods, pods that run JobManagers, one StreamJob with a version.

Nothing happens by itself but in ``step``: controllers move on, containers start, engines live a few seconds. Every write
of the operator goes through ``write``, which is where it may be killed or where an answer may be lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.support.planned_jobs import NOW, SPEC, UID, merged
from tests.support.simulated_engine import Behaviour, Bucket, Process, Snapshot
from weir_operator.models import (
    ObjectMeta,
    StartMode,
    StreamJob,
    StreamJobSnapshot,
    StreamJobSnapshotStatus,
    StreamJobSpec,
    StreamJobStatus,
)
from weir_operator.observed import (
    CertificateSlot,
    Component,
    ContainerFacts,
    DeploymentFacts,
    ErrandFacts,
    Observed,
    PodFacts,
    PreflightFacts,
    RevisionFacts,
    RunFacts,
    SnapshotResource,
    StartDirective,
    Unreachable,
)
from weir_operator.observer.snapshots import _facts
from weir_operator.reconciler import actions as act
from weir_operator.reconciler.situations.rotating import NO_CERTIFICATE

STEP = timedelta(seconds=5)
GRACE = timedelta(seconds=30)


class Refuted(Exception):
    """A precondition does not hold: the pass ends."""


@dataclass
class Deployment:
    name: str
    uid: str
    run: int
    component: Component
    replicas: int
    revision: int
    image: str
    deleting: bool = False


@dataclass
class Pod:
    name: str
    uid: str
    run: int
    component: Component
    image: str
    created: datetime
    owner: str
    running: bool = False
    deleting_since: datetime | None = None
    node_lost: bool = False
    deaf: bool = False  #: runs but never registers
    unschedulable: bool = False
    process: Process | None = None
    restarts: int = 0
    last_exit: int | None = None
    said: str | None = None  #: when it ended
    #: What the kubelet has brought of the run's certificates, by slot, and how many steps it is late.
    folder: dict[str, CertificateSlot] = field(default_factory=dict)
    lag: int = 0
    spare: bool = False  #: marked to be the first to go
    cut_off: bool = False  #: its kubelet brings nothing any more


@dataclass
class Config:
    start: StartDirective
    interval: bool
    parallelism: int
    standby: bool
    slots: int


@dataclass
class Errand:
    purpose: str
    kind: act.ErrandKind | None
    args: tuple[str, ...] = ()
    image: str = ""
    giving_up: bool = False  #: state that nobody claims may be lost
    age: int = 0
    facts: ErrandFacts | None = None


def no_fault(_what: str) -> None:
    """Nothing goes wrong."""


@dataclass
class Cluster:
    """Everything outside the operator."""

    now: datetime = NOW
    spec: dict[str, Any] = field(default_factory=lambda: dict(SPEC))
    status: StreamJobStatus = field(default_factory=StreamJobStatus)
    #: The spec as it stands when it has faults that the API server let pass; ``spec`` is then the one before it.
    faulty: dict[str, Any] | None = None
    finalizers: tuple[str, ...] = ()
    deleted: datetime | None = None
    generation: int = 1
    version: int = 1
    gone: bool = False
    bucket: Bucket = field(default_factory=Bucket)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    configs: dict[int, Config] = field(default_factory=dict)
    revisions: dict[int, RevisionFacts] = field(default_factory=dict)
    errands: dict[str, Errand] = field(default_factory=dict)
    snapshots: dict[str, StreamJobSnapshot] = field(default_factory=dict)
    #: Paths that another StreamJob starts from.
    used_elsewhere: set[str] = field(default_factory=set)
    service_run: int | None = None
    capacity: int = 100  #: TaskManager pods that find a node
    quota: int = 100  #: TaskManager pods that may exist
    terminating: bool = False
    drifted: tuple[str, ...] = ()
    reachable: bool = True
    silent_since: dict[int, datetime] = field(default_factory=dict)
    fault: Callable[[str], None] = no_fault
    #: What the API server served, newest last; for reads that are behind.
    history: list[tuple[StreamJob, Observed]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    parsed: tuple[int, StreamJobSpec] | None = None
    read_back: tuple[StreamJobStatus, StreamJobStatus] | None = None
    counter: Any = field(default_factory=lambda: itertools.count(1))
    #: How long certificates last; None: gRPC is open.
    tls: timedelta | None = None
    #: Secrets with certificates, by run and slot, as they were after each step; newest last.
    secrets: dict[tuple[int, str], CertificateSlot] = field(default_factory=dict)
    earlier_secrets: list[dict[tuple[int, str], CertificateSlot]] = field(default_factory=list)

    # --- the user

    def edit(self, **change: Any) -> None:
        """Change the spec, if that changes anything."""
        spec = merged(self.faulty or self.spec, change)
        if spec != self.spec or self.faulty is not None:
            self.spec, self.faulty = spec, None
            self.generation += 1
            self.version += 1
        self.note_wishes()

    def spoil(self, **change: Any) -> None:
        """Change the spec to one that nobody can obey."""
        self.faulty = merged(self.faulty or self.spec, change)
        self.generation += 1
        self.version += 1

    def note_wishes(self) -> None:
        parsed = StreamJobSpec.model_validate(self.spec)
        if parsed.restore.from_ is not None:
            self.bucket.asked_for.add(parsed.restore.from_)
        deployed, upgrade = self.status.deployed, self.status.upgrade
        starts = [
            kept.start.mode for kept in (deployed, upgrade) if kept is not None and kept.start is not None
        ]
        # An empty start that was decided on while it was asked for may still happen.
        self.bucket.empty_asked_for = parsed.upgrade.mode == "Stateless" or StartMode.EMPTY in starts

    def wipe_status(self) -> None:
        if self.status.job_id is not None:
            self.status = StreamJobStatus()
            self.version += 1

    def delete(self) -> None:
        if self.deleted is None:
            self.deleted = self.now
            self.version += 1
            self.gone = not self.finalizers

    def apply_snapshot(self, name: str, spec: dict[str, Any], **metadata: Any) -> None:
        """Create a StreamJobSnapshot, as a user or the operator does."""
        meta = {
            "name": name,
            "namespace": "ns",
            "uid": self.uid(),
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": self.now.isoformat(),
            **metadata,
        }
        self.snapshots[name] = StreamJobSnapshot.of({"metadata": meta, "spec": spec})

    def change_snapshot(
        self, name: str, *, status: StreamJobSnapshotStatus | None = None, **meta: Any
    ) -> None:
        """Write its status or its metadata; without finalizers, one that is being deleted goes."""
        found = self.snapshots[name]
        version = str(int(found.metadata.resource_version) + 1)
        metadata = found.metadata.model_copy(update={"resource_version": version, **meta})
        read = found.status if status is None else StreamJobSnapshotStatus.model_validate(status.written())
        self.snapshots[name] = found.model_copy(update={"metadata": metadata, "status": read})
        if metadata.deletion_timestamp is not None and not metadata.finalizers:
            del self.snapshots[name]

    def delete_snapshot(self, name: str) -> None:
        if name in self.snapshots and self.snapshots[name].metadata.deletion_timestamp is None:
            self.change_snapshot(name, deletion_timestamp=self.now.isoformat())

    # --- reading

    @property
    def job(self) -> StreamJob:
        metadata: dict[str, Any] = {
            "name": "flights",
            "namespace": "ns",
            "uid": UID,
            "generation": self.generation,
            "resourceVersion": str(self.version),
            "finalizers": self.finalizers,
            "deletionTimestamp": self.deleted.isoformat() if self.deleted else None,
        }
        if self.parsed is None or self.parsed[0] != self.generation:
            self.parsed = self.generation, StreamJobSpec.model_validate(self.spec)
        if self.read_back is None or self.read_back[0] is not self.status:
            # Written and read, as through the API server.
            self.read_back = self.status, StreamJobStatus.model_validate(self.status.written())
        return StreamJob.model_construct(
            metadata=ObjectMeta.model_validate(metadata), spec=self.parsed[1], status=self.read_back[1]
        )

    def behaviour(self, image: str) -> Behaviour:
        return self.behaviours.setdefault(image, Behaviour())

    def remember(self) -> None:
        self.history.append((self.job, self.children()))
        del self.history[:-12]

    def observe(self, behind: int = 0) -> Observed:
        """Children as of ``behind`` steps ago, JobManagers as they answer now."""
        children = (
            self.history[-1 - min(behind, len(self.history) - 1)][1] if self.history else self.children()
        )
        runs = {number: replace(run, report=self._report(run)) for number, run in children.runs.items()}
        return replace(children, runs=runs)

    def read_job(self, behind: int = 0) -> StreamJob:
        return (
            self.history[-1 - min(behind, len(self.history) - 1)][0] if behind and self.history else self.job
        )

    def children(self) -> Observed:
        numbers = (
            {d.run for d in self.deployments.values()}
            | {p.run for p in self.pods.values()}
            | set(self.configs)
        )
        return Observed(
            runs={number: self._run_facts(number) for number in sorted(numbers)},
            revisions=dict(self.revisions),
            errands={name: errand.facts or self._under_way(errand) for name, errand in self.errands.items()},
            snapshots=tuple(self._snapshot_facts()),
            restore_snapshot=self._restore_snapshot(),
            snapshots_in_use=frozenset(self.used_elsewhere),
            rest_service_run=self.service_run,
            namespace_terminating=self.terminating,
            drifted=self.drifted,
        )

    def _snapshot_facts(self) -> list[SnapshotResource]:
        bodies = [found.model_dump(mode="json", by_alias=True) for found in self.snapshots.values()]
        return [_facts(body, UID) for body in bodies]

    def _restore_snapshot(self) -> str | None:
        found = self.snapshots.get(self.job.spec.restore.snapshot or "")
        return found.status.path if found is not None else None

    def _under_way(self, errand: Errand) -> ErrandFacts:
        pulls = not errand.image or self.behaviour(errand.image).pulls
        trouble = None if pulls else f"ImagePullBackOff: {errand.image}"
        return ErrandFacts(purpose=errand.purpose, pod=f"flights-snap-{errand.purpose}", trouble=trouble)

    def _run_facts(self, number: int) -> RunFacts:
        def deployment(component: Component) -> DeploymentFacts | None:
            for found in self.deployments.values():
                if found.run == number and found.component is component:
                    ready = sum(p.running for p in self.pods.values() if p.owner == found.uid)
                    return DeploymentFacts(
                        name=found.name,
                        uid=found.uid,
                        replicas=found.replicas,
                        ready_replicas=ready,
                        revision=found.revision,
                        deleting=found.deleting,
                        failure=self._refused_by_quota(found),
                    )
            return None

        config = self.configs.get(number)
        return RunFacts(
            run=number,
            jobmanager=deployment(Component.JOBMANAGER),
            taskmanager=deployment(Component.TASKMANAGER),
            service=config is not None,
            start=config.start if config else None,
            pods=tuple(self._pod_facts(pod) for pod in self.pods.values() if pod.run == number),
        )

    def _refused_by_quota(self, deployment: Deployment) -> str | None:
        """What its ReplicaSet is told when it makes one pod more."""
        made = sum(pod.owner == deployment.uid for pod in self.pods.values())
        if (
            deployment.deleting
            or deployment.component is not Component.TASKMANAGER
            or made >= deployment.replicas
        ):
            return None
        return f'pods "{deployment.name}-x" is forbidden: exceeded quota: team, limited: pods={self.quota}'

    def _pod_facts(self, pod: Pod) -> PodFacts:
        pulls = self.behaviour(pod.image).pulls
        container = ContainerFacts(
            name=str(pod.component),
            ready=pod.running,
            restarts=pod.restarts,
            running_since=pod.created + STEP if pod.running else None,
            waiting_reason=None if pod.running or pulls else "ImagePullBackOff",
            exit_code=pod.last_exit,
            exit_message=pod.said,
        )
        return PodFacts(
            name=pod.name,
            uid=pod.uid,
            component=pod.component,
            run=pod.run,
            phase="Running" if pod.running else "Pending",
            created=pod.created,
            ready=pod.running,
            ip="10.0.0.1" if pod.running else None,
            deleting_since=pod.deleting_since,
            deleted_by=pod.deleting_since + GRACE if pod.deleting_since else None,
            unschedulable="0/1 nodes are available" if pod.unschedulable else None,
            spare=pod.spare,
            containers=(container,),
        )

    def _report(self, run: RunFacts) -> Any:
        """Asked by the address that the facts tell of: a pod that is gone does not answer."""
        known = [
            pod
            for pod in run.pods
            if pod.component is Component.JOBMANAGER and pod.ip and not pod.deleting_since
        ]
        if not known:
            return None
        pod = self.pods.get(known[-1].name)
        silent = pod is None or pod.process is None or pod.process.exit_code is not None or pod.node_lost
        if silent or not self.reachable:
            since = self.silent_since.setdefault(run.run, self.now)
            return Unreachable(since=since, reason="connection refused")
        self.silent_since.pop(run.run, None)
        return replace(pod.process.report(self.now), certificates=self._certificates(pod))

    # --- writing

    def write(self, what: str, effect: Callable[[], None]) -> None:
        self.fault(f"before {what}")
        effect()
        self.writes.append(what)
        self.fault(f"after {what}")

    def write_status(self, status: StreamJobStatus, version: str) -> None:
        if self.gone or version != str(self.version):
            raise Refuted("409: the resource was changed")

        def effect() -> None:
            self.status = status
            self.version += 1

        self.write("status", effect)

    def check_version(self, version: str) -> None:
        if self.gone or version != str(self.version):
            raise Refuted("the resource was changed")

    def uid(self) -> str:
        return f"uid-{next(self.counter)}"

    # --- time

    def step(self) -> None:
        """Five seconds pass."""
        self.now += STEP
        self.earlier_secrets.append(dict(self.secrets))
        del self.earlier_secrets[:-50]
        for deployment in list(self.deployments.values()):
            self._control(deployment)
        for pod in list(self.pods.values()):
            self._live(pod)
        for errand in self.errands.values():
            errand.age += 1
            pulls = not errand.image or self.behaviour(errand.image).pulls
            if errand.age >= 2 and errand.facts is None and pulls:
                errand.facts = self._answer(errand)
        self.remember()

    def _control(self, deployment: Deployment) -> None:
        owned = [pod for pod in self.pods.values() if pod.owner == deployment.uid]
        live = [pod for pod in owned if pod.deleting_since is None]
        wanted = 0 if deployment.deleting else deployment.replicas
        # As a ReplicaSet does; of pods that are worth the same it takes any, here the oldest, in which the subtasks are.
        for pod in sorted(live, key=lambda pod: (pod.running, not pod.spare))[: max(0, len(live) - wanted)]:
            self.end_pod(pod)
        room = wanted if deployment.component is Component.JOBMANAGER else min(wanted, self.quota)
        for _ in range(room - len(live)):
            name = f"{deployment.name}-{next(self.counter)}"
            self.pods[name] = Pod(
                name,
                self.uid(),
                deployment.run,
                deployment.component,
                deployment.image,
                self.now,
                deployment.uid,
            )
        if deployment.deleting and not owned:
            del self.deployments[deployment.name]

    def end_pod(self, pod: Pod) -> None:
        if pod.deleting_since is None:
            pod.deleting_since = self.now

    def _live(self, pod: Pod) -> None:
        if pod.deleting_since is not None and self.now > pod.deleting_since and not pod.node_lost:
            del self.pods[pod.name]
            return
        if pod.node_lost:
            if pod.process is not None:  # cut off from Kubernetes, not from the bucket
                pod.process.step((), self.now)
            return
        if pod.running and not pod.cut_off:
            self._bring(pod, pod.lag)
        if not pod.running:
            pod.unschedulable = pod.component is Component.TASKMANAGER and self._placed() >= self.capacity
            pod.running = self.behaviour(pod.image).pulls and not pod.unschedulable and self.now > pod.created
            if pod.running and self.tls is not None:
                self._begin_with_certificates(pod)
        if pod.running and pod.component is Component.JOBMANAGER:
            self._live_jobmanager(pod)

    def _begin_with_certificates(self, pod: Pod) -> None:
        """As the engine does: where none is valid, the container ends and says so."""
        self._bring(pod, 0)
        if not any(slot.not_before <= self.now for slot in pod.folder.values()):
            pod.running = False
            pod.restarts, pod.last_exit, pod.said = pod.restarts + 1, 1, f"--tls-dir {NO_CERTIFICATE}"

    def _bring(self, pod: Pod, lag: int) -> None:
        """The kubelet's work: the pod sees what was there so many steps ago."""
        seen = self.earlier_secrets[-1 - min(lag, len(self.earlier_secrets) - 1)]
        pod.folder = {slot: made for (run, slot), made in seen.items() if run == pod.run}

    def _certificates(self, pod: Pod) -> tuple[CertificateSlot, ...]:
        """As the JobManager in the pod tells."""
        others = [
            tm
            for tm in self.pods.values()
            if tm.run == pod.run and tm.component is Component.TASKMANAGER and tm.running
        ]
        return tuple(
            replace(made, everywhere=all(tm.folder.get(slot) == made for tm in others))
            for slot, made in sorted(pod.folder.items())
        )

    def _placed(self) -> int:
        return sum(pod.running and pod.component is Component.TASKMANAGER for pod in self.pods.values())

    def _live_jobmanager(self, pod: Pod) -> None:
        if pod.process is None or pod.process.exit_code is not None:
            if pod.process is not None:
                pod.restarts += 1
                pod.last_exit = pod.process.exit_code
            config = self.configs.get(pod.run)
            if config is None:
                return
            pod.process = Process(
                self.bucket,
                self.behaviour(pod.image),
                pod.run,
                config.start,
                config.interval,
                config.parallelism,
                config.standby,
                config.slots,
            )
        registered = tuple(
            tm.name
            for tm in self.pods.values()
            if tm.run == pod.run
            and tm.component is Component.TASKMANAGER
            and tm.running
            and tm.deleting_since is None
            and not tm.deaf
            and not tm.node_lost
        )
        pod.process.step(registered, self.now)

    def _answer(self, errand: Errand) -> ErrandFacts:
        pod = f"flights-snap-{errand.purpose}"
        if errand.kind is None:
            behaviour = self.behaviour(errand.image)
            if behaviour.silent_checks > 0:
                behaviour.silent_checks -= 1
                return ErrandFacts(purpose=errand.purpose, pod=pod, ended=True, failure="pod was evicted")
            missing = [path for path in errand.args if path not in self.bucket.snapshots]
            fits = behaviour.fits and not missing and (errand.giving_up or not behaviour.forgets)
            verdict = PreflightFacts(fits=fits, message="fits" if fits else "operator count has no state")
            return ErrandFacts(purpose=errand.purpose, pod=pod, ended=True, preflight=verdict)
        if self.bucket.down:
            return ErrandFacts(purpose=errand.purpose, pod=pod, ended=True, failure="503 Slow Down")
        if errand.kind is act.ErrandKind.INSPECT:
            return ErrandFacts(purpose=errand.purpose, pod=pod, ended=True, bucket=self.bucket.facts())
        if errand.kind is act.ErrandKind.PURGE:
            self.bucket.purged = True
            self.bucket.snapshots.clear()
        answer: dict[str, Any] = {"deleted": 0, "left": []}
        for path in errand.args if errand.kind is act.ErrandKind.DELETE else ():
            if self.bucket.newest is not None and self.bucket.newest.path == path:
                answer["left"].append({"path": path, "why": "it is what the job goes on from"})
            else:
                self.bucket.snapshots.pop(path, None)
                answer["deleted"] += 1
        return ErrandFacts(purpose=errand.purpose, pod=pod, ended=True, answer=answer)

    # --- for tests

    @property
    def process(self) -> Process | None:
        """The JobManager that owns the log."""
        for pod in self.pods.values():
            if (
                pod.process is not None
                and pod.process.epoch == self.bucket.epoch
                and pod.process.exit_code is None
            ):
                return pod.process
        return None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.state == "RUNNING"

    @property
    def snapshots_settled(self) -> bool:
        """None is asked for, under way or going."""
        known = [(found.status.phase, found.metadata.deletion_timestamp) for found in self.snapshots.values()]
        over = all(phase in {"Completed", "Failed"} and gone is None for phase, gone in known)
        return over and self.status.pending_snapshot is None

    def condition(self, kind: str) -> tuple[str, str]:
        for condition in self.status.conditions:
            if condition.type == kind:
                return condition.status, condition.reason
        return "", ""

    def savepoints(self) -> list[Snapshot]:
        return [taken for taken in self.bucket.snapshots.values() if "savepoint" in taken.path]
