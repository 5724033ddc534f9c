"""What Kubernetes and the engine do not heal by themselves: pods that run and take no part, runs that get nowhere.

Everything here has a budget, by whose fault it is: restarting a job again and again that fails by its own code, or for
want of a bucket, only makes things worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from weir_operator.models import UpgradePhase, UpgradeReason
from weir_operator.models.stream_job_status import FailureBudget
from weir_operator.observed import Component, FailureClass, JobManagerReport, JobState, PodFacts
from weir_operator.reconciler.actions import DeletePod
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.beginning import begin
from weir_operator.upgrade.liveness import STUCK, down_since
from weir_operator.upgrade.storms import storm

#: A TaskManager pod that runs for this long and is not registered is replaced.
UNREGISTERED = timedelta(seconds=60)
#: A running job whose checkpoints do not complete is started anew after this long at the earliest; that a bucket is away
#: for half an hour is no reason to.
STALLED = timedelta(hours=1)
#: New starts that the operator makes in this time, by class of failure.
PERIOD = timedelta(hours=1)
BUDGETS: Mapping[FailureClass, int] = {
    FailureClass.USER: 1,
    FailureClass.CONFIG: 0,
    FailureClass.STORAGE: 1,
    FailureClass.INFRASTRUCTURE: 3,
}
#: How a JobManager ends that finds a higher run in the log; it takes a few such ends to be sure.
FENCED, SURE = 75, 2


def heal(moment: Moment, draft: Draft) -> None:
    """Replace pods that take no part, and start a run anew that gets nowhere, within the budget."""
    deployed = draft.deployed
    assert deployed is not None
    report = moment.report(deployed.run)
    if report is None:
        if overtaken(moment, deployed.run):
            _begin_recovery(moment, draft, "a higher run has claimed the log")
            draft.amend(overtaken=True)
        return
    if report.ending is not None:
        return
    draft.do(*(DeletePod(name=pod.name, uid=pod.uid) for pod in unregistered(moment, deployed.run, report)))
    found = trouble(moment, draft, report)
    if found is None:
        return
    kind, why = found
    if moment.spec.paused:
        draft.wait(f"paused: {why}, and the job is not started anew")
        return
    spent = _spent(draft, kind, moment.now)
    if spent >= BUDGETS[kind]:
        draft.block(
            "Degraded",
            "RestartBudgetSpent",
            f"{why}; the operator started the job anew {spent} times within {PERIOD} for failures of class {kind} and does it no "
            "more. See to the cause, or change upgrade.restartNonce",
        )
        return
    _charge(draft, kind, moment.now)
    _begin_recovery(moment, draft, why)


def unregistered(moment: Moment, run: int, report: JobManagerReport) -> list[PodFacts]:
    """TaskManager pods of a run that are up for long and unknown to a JobManager that is up for longer."""
    facts = moment.run(run)
    if facts is None or moment.spec.paused:
        return []
    jobmanager = [_running_since(pod) for pod in facts.pods if pod.component is Component.JOBMANAGER]
    up = max((since for since in jobmanager if since is not None), default=None)
    if up is None or moment.now - up < UNREGISTERED:
        return []
    return [
        pod
        for pod in facts.pods
        if pod.component is Component.TASKMANAGER
        and pod.deleting_since is None
        and pod.name not in report.task_managers
        and (since := _running_since(pod)) is not None
        and moment.now - since >= UNREGISTERED
    ]


def overtaken(moment: Moment, run: int) -> bool:
    """The JobManager ends again and again since the log belongs to a higher run."""
    facts = moment.run(run)
    return facts is not None and any(
        container.exit_code == FENCED and container.restarts >= SURE
        for pod in facts.pods
        if pod.component is Component.JOBMANAGER
        for container in pod.containers
    )


def _running_since(pod: PodFacts) -> datetime | None:
    if pod.phase != "Running":
        return None
    times = [c.running_since for c in pod.containers if not c.init and c.running_since is not None]
    return max(times, default=None)


def trouble(moment: Moment, draft: Draft, report: JobManagerReport) -> tuple[FailureClass, str] | None:
    """Why a run gets nowhere, and by whose fault; None: it does get somewhere."""
    last = report.failures[-1] if report.failures else None
    kind = last.failure_class if last is not None else FailureClass.INFRASTRUCTURE
    if (why := storm(report, moment.now)) is not None:
        return kind, why
    since = down_since(moment.run(report.run), draft.status.not_running_since)
    if since is not None and report.state is not JobState.RUNNING and moment.now - since >= STUCK:
        return kind, f"the job is {report.state} for {STUCK}"
    return _stalled(moment, draft, report)


def _stalled(moment: Moment, draft: Draft, report: JobManagerReport) -> tuple[FailureClass, str] | None:
    checkpoints, since = moment.checkpoints_of(draft.deployed), report.running_since
    if checkpoints.interval is None or not checkpoints.enabled or since is None:
        return None
    done = report.last_checkpoint.completed_at if report.last_checkpoint is not None else None
    quiet = moment.now - max(since, done or since)
    longest = max(STALLED, 3 * (checkpoints.interval.delta + checkpoints.timeout.delta))
    if quiet < longest:
        return None
    kind = FailureClass.STORAGE if report.failed_checkpoints else FailureClass.INFRASTRUCTURE
    return kind, f"no checkpoint was completed for {quiet}"


def _spent(draft: Draft, kind: FailureClass, now: datetime) -> int:
    return sum(b.count for b in draft.status.failures if b.kind == kind and now - b.since < PERIOD)


def _charge(draft: Draft, kind: FailureClass, now: datetime) -> None:
    spent = _spent(draft, kind, now)
    since = next((b.since for b in draft.status.failures if b.kind == kind), now) if spent else now
    others = tuple(b for b in draft.status.failures if b.kind != kind)
    draft.record(failures=(*others, FailureBudget(kind=kind, count=spent + 1, since=since)))


def _begin_recovery(moment: Moment, draft: Draft, why: str) -> None:
    assert draft.deployed is not None
    draft.say("Restarting", f"run {draft.deployed.run} is started anew: {why}", warning=True)
    begin(moment, draft, UpgradeReason.RECOVERY, draft.deployed.revision, phase=UpgradePhase.DRAINING)
    draft.amend(because=why)
