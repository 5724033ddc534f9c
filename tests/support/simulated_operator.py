"""Observe, plan, write the status, act: the operator's loop over a simulated cluster, with everything that may go wrong.

It keeps the contract that ``plan`` rests on: the status is written at the version that was read before anything is done,
or that version is confirmed; preconditions of actions are checked live; the pass ends at the first refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tests.support.simulated_cluster import Cluster, Config, Deployment, Errand, Refuted
from weir_operator.models import StreamJobSpec, UpgradePhase
from weir_operator.observed import CertificateSlot, Component, RevisionFacts
from weir_operator.reconciler import actions as act
from weir_operator.reconciler.plan import FINALIZER, Plan, plan
from weir_operator.reconciler.reading import read
from weir_operator.reconciler.situations.healing import STALLED
from weir_operator.reconciler.snapshots import plan as snapshots
from weir_operator.reconciler.snapshots.moment import SnapshotMoment
from weir_operator.resources.snapshots import of_operator
from weir_operator.resources.subject import Subject

FINALIZER_OF_SNAPSHOTS = snapshots.FINALIZER


class Killed(Exception):
    """The operator's process ended."""


class AnswerLost(Exception):
    """A write was carried out and its answer did not come."""


class Unsafe(AssertionError):
    """The operator did what it must never do."""


@dataclass
class Faults:
    """Which of the operator's writes go wrong, counted from the first."""

    kill_after: frozenset[int] = frozenset()
    kill_before: frozenset[int] = frozenset()
    lose_answer: frozenset[int] = frozenset()
    count: int = 0

    def __call__(self, what: str) -> None:
        if what.startswith("before"):
            self.count += 1
            if self.count in self.kill_before:
                raise Killed(what)
        elif self.count in self.kill_after:
            raise Killed(what)
        elif self.count in self.lose_answer:
            raise AnswerLost(what)


@dataclass
class Operator:
    cluster: Cluster
    events: list[act.Event] = field(default_factory=list)
    last: Plan | None = None
    #: Do every action twice, as a client does that repeats a request of which it has no answer.
    twice: bool = False
    #: Versions that its reads of children are behind.
    behind: int = 0

    def reconcile(self, job_behind: int = 0) -> None:
        """One pass, that may end anywhere."""
        cluster = self.cluster
        if cluster.gone:
            return
        job = cluster.read_job(job_behind)
        faults: tuple[str, ...] = ()
        if cluster.faulty is not None:
            asked = {**job.model_dump(mode="json", by_alias=True), "spec": cluster.faulty}
            reading = read(asked, cluster.revisions)
            assert reading.job is not None
            assert reading.faults
            job, faults = reading.job, reading.faults
        made = plan(job, cluster.observe(self.behind), cluster.now, faults)
        version = job.metadata.resource_version
        try:
            if made.status.written() != job.status.written():
                cluster.write_status(made.status, version)
            else:
                cluster.check_version(version)
            self.events += made.events
            self.last = made
            for action in made.actions:
                for _ in range(2 if self.twice else 1):
                    carry_out(cluster, action)
        except (Refuted, Killed, AnswerLost):
            return

    def reconcile_snapshots(self) -> None:
        """One pass over each StreamJobSnapshot, that may end anywhere."""
        for name in list(self.cluster.snapshots):
            try:
                self._reconcile_snapshot(name)
            except (Refuted, Killed, AnswerLost):
                continue

    def _reconcile_snapshot(self, name: str) -> None:
        cluster = self.cluster
        if (snapshot := cluster.snapshots.get(name)) is None:
            return
        used = ("another",) if snapshot.status.path in cluster.used_elsewhere else ()
        made = snapshots.plan(
            SnapshotMoment(
                snapshot=snapshot,
                job=None if cluster.gone else cluster.job,
                observed=cluster.observe(self.behind),
                used_by=used,
                now=cluster.now,
            )
        )
        if made.status.written() != snapshot.status.written():
            cluster.write(f"status of {name}", lambda: cluster.change_snapshot(name, status=made.status))
        self.events += made.events
        for action in made.actions:
            for _ in range(2 if self.twice else 1):
                if isinstance(action, act.EnsureFinalizer | act.RemoveFinalizer):
                    _snapshot_finalizer(cluster, name, present=isinstance(action, act.EnsureFinalizer))
                elif not cluster.gone:
                    carry_out(cluster, action)

    def run(self, steps: int) -> None:
        """Passes and steps in turn."""
        for _ in range(steps):
            self.reconcile()
            self.reconcile_snapshots()
            self.cluster.step()

    def until(self, phase: UpgradePhase) -> None:
        """Passes until the change of the run has come that far."""
        for _ in range(100):
            self.reconcile()
            upgrade = self.cluster.status.upgrade
            if upgrade is not None and upgrade.phase is phase:
                return
            self.cluster.step()
        raise AssertionError(f"no change of the run comes to {phase}")

    def settle(self, most: int = 200, *, or_blocked_by: str | None = None) -> None:
        """Until nothing is under way: no write in some passes, and none expected."""
        quiet = 0
        for _ in range(most):
            before = len(self.cluster.writes)
            self.reconcile()
            self.reconcile_snapshots()
            self.cluster.step()
            quiet = quiet + 1 if len(self.cluster.writes) == before else 0
            settled = self.cluster.status.upgrade is None and self.cluster.status.job_id is not None
            settled = settled and self.cluster.snapshots_settled
            reasons = {condition.reason for condition in self.cluster.status.conditions}
            if self.cluster.gone or (quiet >= 6 and (settled or or_blocked_by in reasons)):
                return
        raise AssertionError(f"not settled after {most} passes: {self.cluster.status.written()}")


def carry_out(cluster: Cluster, action: act.Action) -> None:
    """As the API server and the JobManager do."""
    match action:
        case act.EnsureFinalizer():
            _finalizer(cluster)
        case act.RemoveFinalizer():
            cluster.write("finalizer removed", lambda: _let_go(cluster))
        case act.SaveRevision(revision=number, spec_hash=hashed, spec=spec):
            if number not in cluster.revisions:
                facts = RevisionFacts(revision=number, spec_hash=hashed, spec=dict(spec))
                cluster.write(f"revision {number}", lambda: cluster.revisions.update({number: facts}))
        case act.DeleteRevision(revision=number):
            if number in cluster.revisions:
                cluster.write(f"revision {number} deleted", lambda: cluster.revisions.pop(number))
        case act.EnsureRun():
            _ensure_run(cluster, action)
        case act.MarkSpare(name=name, uid=uid, spare=spare):
            pod = cluster.pods.get(name)
            if pod is not None and pod.uid == uid and pod.spare != spare:
                cluster.write(f"pod {name} marked {spare}", lambda: setattr(pod, "spare", spare))
        case act.PointService(run=run):
            if cluster.service_run != run:
                cluster.write(f"service to run {run}", lambda: setattr(cluster, "service_run", run))
        case act.DeleteRun(run=run):
            _delete_run(cluster, run)
        case act.IssueCertificates(run=run, slot=slot, not_before=begins):
            _issue(cluster, run, slot, begins)
        case act.RetireCertificates(run=run, slot=slot):
            if (run, slot) in cluster.secrets:
                cluster.write(f"slot {slot} of {run} deleted", lambda: cluster.secrets.pop((run, slot)))
        case act.DeletePod(name=name, uid=uid):
            pod = cluster.pods.get(name)
            if pod is not None and pod.uid == uid:
                cluster.write(f"pod {name} deleted", lambda: cluster.end_pod(pod))
        case act.RunSnapshotsPod(purpose=purpose, kind=kind, args=args):
            if purpose not in cluster.errands:
                cluster.write(
                    f"errand {purpose}",
                    lambda: cluster.errands.update({purpose: Errand(purpose, kind, args)}),
                )
        case act.RunPreflight(purpose=purpose, revision=revision):
            if purpose not in cluster.errands:
                image = StreamJobSpec.model_validate(dict(cluster.revisions[revision].spec)).image or ""
                named = (action.snapshot,) if action.exact and action.snapshot else ()
                giving_up = action.allow_non_restored_state
                made = Errand(purpose, None, args=named, image=image, giving_up=giving_up)
                cluster.write(f"errand {purpose}", lambda: cluster.errands.update({purpose: made}))
        case act.DeleteErrand(purpose=purpose):
            if purpose in cluster.errands:
                cluster.write(f"errand {purpose} deleted", lambda: cluster.errands.pop(purpose))
        case act.EnsureSnapshotResource(name=name, trigger=trigger, taken=taken):
            if name not in cluster.snapshots:
                made = of_operator(Subject.of(cluster.job), name, trigger, taken)
                kept = {key: made["metadata"][key] for key in ("labels", "annotations")}
                cluster.write(f"snapshot {name}", lambda: cluster.apply_snapshot(name, made["spec"], **kept))
        case act.ReleaseSnapshot(name=name):
            _snapshot_finalizer(cluster, name, present=False)
        case act.DeleteObject(kind="StreamJobSnapshot", name=name, uid=uid):
            found = cluster.snapshots.get(name)
            if found is not None and found.metadata.uid == uid:
                cluster.write(f"snapshot {name} deleted", lambda: cluster.delete_snapshot(name))
        case act.EnsureShared():
            pass
        case _:
            _ask_jobmanager(cluster, action)


def _finalizer(cluster: Cluster) -> None:
    if FINALIZER not in cluster.finalizers:

        def effect() -> None:
            cluster.finalizers = (*cluster.finalizers, FINALIZER)
            cluster.version += 1

        cluster.write("finalizer", effect)


def _snapshot_finalizer(cluster: Cluster, name: str, *, present: bool) -> None:
    found = cluster.snapshots.get(name)
    if found is not None and (FINALIZER_OF_SNAPSHOTS in found.metadata.finalizers) != present:
        wanted = (FINALIZER_OF_SNAPSHOTS,) if present else ()
        cluster.write(f"finalizer of {name}", lambda: cluster.change_snapshot(name, finalizers=wanted))


def _let_go(cluster: Cluster) -> None:
    cluster.finalizers = ()
    cluster.version += 1
    cluster.gone = cluster.deleted is not None


def _issue(cluster: Cluster, run: int, slot: str, begins: datetime) -> None:
    if cluster.tls is not None and (run, slot) not in cluster.secrets:
        made = CertificateSlot(slot=slot, not_before=begins, not_after=begins + cluster.tls)
        cluster.write(f"slot {slot} of {run}", lambda: cluster.secrets.update({(run, slot): made}))


def _name(run: int, component: Component) -> str:
    return f"flights-{run}-{'jm' if component is Component.JOBMANAGER else 'tm'}"


def _ensure_run(cluster: Cluster, action: act.EnsureRun) -> None:
    run = action.run
    jobmanager = cluster.deployments.get(_name(run, Component.JOBMANAGER))
    if jobmanager is None:
        others = [
            d.name
            for d in cluster.deployments.values()
            if d.run != run and not _stays_for_lost_pods(cluster, d, action.given_up)
        ]
        others += [p.name for p in cluster.pods.values() if p.run != run and p.uid not in action.given_up]
        if others and action.alone:
            raise Refuted(f"{others} are not gone")
        if others and not action.standby:
            raise Unsafe(f"run {run} is started beside {others}")
    elif jobmanager.deleting:
        raise Refuted(f"run {run} is being deleted")
    spec: StreamJobSpec = action.spec
    config = Config(
        action.start,
        spec.checkpoints.interval is not None and spec.checkpoints.interval.seconds > 0,
        action.parallelism,
        action.standby,
        spec.task_manager.slots,
    )
    if run not in cluster.configs and jobmanager is None:
        _issue(cluster, run, "a", cluster.now)
    if cluster.configs.get(run) != config:
        cluster.write(f"config of run {run}", lambda: cluster.configs.update({run: config}))
    for component, replicas in ((Component.JOBMANAGER, 1), (Component.TASKMANAGER, action.task_managers)):
        name = _name(run, component)
        if name not in cluster.deployments:
            made = Deployment(
                name, cluster.uid(), run, component, replicas, action.revision, spec.image or ""
            )
            cluster.write(
                f"deployment {name}", lambda made=made: cluster.deployments.update({made.name: made})
            )
        elif component is Component.TASKMANAGER:
            _scale(cluster, run, replicas)
        cluster.deployments[name].revision = action.revision


def _stays_for_lost_pods(cluster: Cluster, deployment: Deployment, lost: tuple[str, ...]) -> bool:
    """As of a Deployment that is deleted in the foreground while a node does not answer."""
    owned = [pod for pod in cluster.pods.values() if pod.owner == deployment.uid]
    return deployment.deleting and bool(owned) and all(pod.uid in lost and pod.node_lost for pod in owned)


def _scale(cluster: Cluster, run: int, replicas: int) -> None:
    deployment = cluster.deployments.get(_name(run, Component.TASKMANAGER))
    if deployment is not None and deployment.replicas != replicas:
        cluster.write(
            f"{deployment.name} scaled to {replicas}", lambda: setattr(deployment, "replicas", replicas)
        )


def _must_not_go(cluster: Cluster, run: int) -> bool:
    """Its job runs well, and nobody asked for anything that could do without a savepoint."""
    process = cluster.process
    if process is None or process.run != run or process.ending is not None or process.state != "RUNNING":
        return False
    parsed = cluster.job.spec
    upgrade = cluster.status.upgrade
    named = upgrade is not None and upgrade.start is not None and upgrade.start.mode != "Tail"
    # A run that was not seen running before the target changed makes room at once.
    new = upgrade is not None and upgrade.from_run != run
    decided = upgrade is not None and upgrade.mode is not None and upgrade.mode != "Savepoint"
    return (
        cluster.deleted is None
        and parsed.upgrade.mode == "Savepoint"
        and not named
        and not decided
        and not new
        and cluster.reachable
        and process.steady
        and not _has_stalled(cluster)
    )


def _has_stalled(cluster: Cluster) -> bool:
    """Its checkpoints do not complete for so long that a new start may help: what it did since the last one is done again."""
    newest = cluster.bucket.newest
    return newest is not None and cluster.now - newest.at >= STALLED


def _delete_run(cluster: Cluster, run: int) -> None:
    if _must_not_go(cluster, run):
        raise Unsafe(f"run {run} runs well and is deleted without a savepoint: {cluster.status.upgrade}")
    for deployment in list(cluster.deployments.values()):
        if deployment.run == run and not deployment.deleting:
            cluster.write(f"{deployment.name} deleted", lambda d=deployment: setattr(d, "deleting", True))
    for slot in ("a", "b"):
        if (run, slot) in cluster.secrets:
            cluster.write(f"slot {slot} of {run} deleted", lambda s=slot: cluster.secrets.pop((run, s)))
    if run in cluster.configs:
        cluster.write(f"config of run {run} deleted", lambda: cluster.configs.pop(run))


def _ask_jobmanager(cluster: Cluster, action: act.Action) -> None:
    run = getattr(action, "run")  # noqa: B009
    found = [
        pod
        for pod in cluster.pods.values()
        if pod.run == run and pod.process is not None and pod.process.exit_code is None and not pod.node_lost
    ]
    if not found or not cluster.reachable:
        raise Refuted(f"the JobManager of run {run} does not answer")
    process = found[-1].process
    assert process is not None
    match action:
        case act.StopWithSavepoint(trigger=trigger):
            _ask(cluster, process, trigger, "stop")
        case act.TriggerSavepoint(trigger=trigger):
            _ask(cluster, process, trigger, "savepoint")
        case act.TriggerCheckpoint(trigger=trigger):
            _ask(cluster, process, trigger, "checkpoint")
        case act.Activate(start=start):
            cluster.write(f"activate {run}", lambda: process.activate(start, cluster.now))
        case act.RescaleJob(parallelism=parallelism):
            if process.parallelism != parallelism:
                cluster.write(
                    f"rescale to {parallelism}", lambda: setattr(process, "parallelism", parallelism)
                )
        case _:
            raise AssertionError(f"nobody carries out {action}")


def _ask(cluster: Cluster, process: object, trigger: str, kind: str) -> None:
    if trigger not in process.requests:  # type: ignore[attr-defined]
        cluster.write(kind, lambda: process.ask(trigger, kind))  # type: ignore[attr-defined]
