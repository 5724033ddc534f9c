"""A savepoint of a running job: asked for under an id that makes repeats one request, waited for, tried again, given up.

A job that is not up yet is waited for; one that is suspended or has ended takes no savepoint, and that is said at once. What
counts as an attempt was asked of a JobManager; how long one may take is the job's ``upgrade.savepointTimeout``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from weir_operator.models import Duration, JobState, SavepointRecord, SnapshotPhase, StreamJob, Trigger
from weir_operator.models import UpgradePhase as Upgrading
from weir_operator.observed import JobManagerReport, RequestFacts, RequestState
from weir_operator.observed import JobState as Runs
from weir_operator.reconciler.actions import Purpose, TriggerSavepoint, trigger_id
from weir_operator.reconciler.snapshots.moment import SnapshotDraft, SnapshotMoment

#: How long a job that does not run may take until it does.
PATIENCE = timedelta(minutes=15)
ATTEMPTS = 4
#: Between two attempts: doubled each time.
FIRST_RETRY = timedelta(seconds=10)
_LOOK_S, _POLL_S = 5.0, 2.0


def take(moment: SnapshotMoment, draft: SnapshotDraft, *, trigger: Trigger, created: datetime) -> None:
    """One step towards a complete savepoint, or the end of trying."""
    job = moment.job
    draft.record(trigger=trigger)
    hopeless = _hopeless(moment)
    if hopeless is not None:
        _give_up(draft, *hopeless)
    elif draft.status.phase is SnapshotPhase.IN_PROGRESS and job is not None:
        _follow(moment, draft, job)
    elif draft.status.retry_at is not None and moment.now < draft.status.retry_at:
        draft.wake = draft.status.retry_at - moment.now
    elif job is not None and (report := _ready(moment)) is not None:
        _begin(moment, draft, job, report)
    elif moment.now - (draft.status.retry_at or created) > PATIENCE:
        _give_up(draft, "JobNotRunning", f"{_what_is_missing(moment)}, for more than {_minutes(PATIENCE)}")
    else:
        draft.record(phase=SnapshotPhase.PENDING)
        draft.wait(f"waits: {_what_is_missing(moment)}", _LOOK_S)


def outcome(moment: SnapshotMoment, draft: SnapshotDraft) -> bool:
    """Of an attempt whose resource is being deleted: whether there is one; nothing is asked for any more."""
    status, report = draft.status, moment.report
    request = report.requests.get(status.trigger_id or "") if report is not None else None
    if (
        status.phase is not SnapshotPhase.IN_PROGRESS
        or request is None
        or request.state is RequestState.FAILED
    ):
        return True
    if request.state is RequestState.COMPLETED:
        _complete(moment, draft, request)
        return True
    draft.wait("the savepoint is being taken, and deleted then", _POLL_S)
    return False


def adopt(draft: SnapshotDraft, taken: SavepointRecord) -> None:
    """A savepoint that stopped a run: it is there, and this resource tells of it."""
    draft.record(
        phase=SnapshotPhase.COMPLETED,
        path=taken.path,
        bytes=taken.bytes,
        completed_at=taken.completed_at,
        job_revision=taken.revision,
        trigger=taken.trigger,
        message=None,
    )


def _hopeless(moment: SnapshotMoment) -> tuple[str, str] | None:
    """Why no savepoint can be had, however long one waits: reason and message."""
    job = moment.job
    if job is None:
        return None
    status, name = job.status, job.metadata.name
    if job.metadata.deletion_timestamp is not None:
        return "JobDeleted", f"StreamJob {name} is being deleted and takes no more savepoints"
    if (moment.snapshot.spec.path or job.spec.storage.savepoints) is None:
        return "NoFolder", f"StreamJob {name} has no storage.savepoints; set it, or set path of this resource"
    last = status.last_savepoint
    where = f"; its last savepoint is {last.path}" if last is not None else ""
    if status.end is not None:
        return "JobEnded", f"StreamJob {name} is {status.end.ending} and takes no savepoint{where}"
    if job.spec.job.state is JobState.SUSPENDED and status.deployed is None and status.job_id is not None:
        return "JobSuspended", f"StreamJob {name} is suspended and takes no savepoint{where}"
    return None


def _ready(moment: SnapshotMoment) -> JobManagerReport | None:
    """The report of a job that can take one now."""
    job, report = moment.job, moment.report
    assert job is not None
    upgrade = job.status.upgrade
    if report is None or report.state is not Runs.RUNNING or report.ending is not None:
        return None
    return report if upgrade is None or upgrade.phase is Upgrading.STABILIZING else None


def _what_is_missing(moment: SnapshotMoment) -> str:
    job, name = moment.job, moment.snapshot.spec.job
    if job is None:
        return f"there is no StreamJob {name} in namespace {moment.snapshot.metadata.namespace} that could be obeyed"
    if moment.report is None:
        return f"StreamJob {name} is {job.status.phase or 'new'}, and no JobManager of it answers"
    return f"StreamJob {name} is {job.status.phase}, its job is {moment.report.state}"


def _begin(moment: SnapshotMoment, draft: SnapshotDraft, job: StreamJob, report: JobManagerReport) -> None:
    attempts = draft.status.attempts + 1
    trigger = trigger_id(moment.snapshot.metadata.uid, 0, Purpose.RESOURCE, attempts)
    draft.record(
        phase=SnapshotPhase.IN_PROGRESS,
        attempts=attempts,
        trigger_id=trigger,
        started_at=moment.now,
        retry_at=None,
        job_id=job.job_id,
        job_revision=job.status.deployed.revision if job.status.deployed is not None else None,
    )
    draft.say("SavepointStarted", f"run {report.run} of StreamJob {job.metadata.name} takes a savepoint")
    _ask(moment, draft, job)


def _ask(moment: SnapshotMoment, draft: SnapshotDraft, job: StreamJob) -> None:
    assert draft.status.trigger_id is not None
    target = moment.snapshot.spec.path or job.spec.storage.savepoints
    if job.status.deployed is not None:
        draft.do(
            TriggerSavepoint(run=job.status.deployed.run, trigger=draft.status.trigger_id, target=target)
        )
    draft.wait("the savepoint is being taken", _POLL_S)


def _follow(moment: SnapshotMoment, draft: SnapshotDraft, job: StreamJob) -> None:
    """What became of the attempt."""
    status, report = draft.status, moment.report
    request = report.requests.get(status.trigger_id or "") if report is not None else None
    limit = job.spec.upgrade.savepoint_timeout
    if request is not None and request.state is RequestState.COMPLETED and request.snapshot is not None:
        _complete(moment, draft, request)
    elif request is not None and request.state is RequestState.FAILED:
        _failed(moment, draft, request.failure or "the JobManager gave no reason")
    elif status.started_at is None or moment.now - status.started_at > limit.delta:
        _failed(moment, draft, f"it takes longer than the job's upgrade.savepointTimeout {limit}")
    elif request is None and _ready(moment) is not None:
        # Never heard, or by a process that has ended: under the same id it is asked for once.
        _ask(moment, draft, job)
    else:
        draft.wait("the savepoint is being taken", _POLL_S)


def _complete(moment: SnapshotMoment, draft: SnapshotDraft, request: RequestFacts) -> None:
    taken = request.snapshot
    assert taken is not None
    began, ended = request.started_at or draft.status.started_at, taken.completed_at or moment.now
    seconds = (ended - began).total_seconds() if began is not None else 0.0
    draft.record(
        phase=SnapshotPhase.COMPLETED,
        path=taken.path,
        bytes=taken.bytes,
        duration=Duration.of(max(round(seconds, 3), 0.001)),
        completed_at=ended,
        message=None,
    )
    draft.say("SavepointCompleted", f"{taken.path} is complete")


def _failed(moment: SnapshotMoment, draft: SnapshotDraft, why: str) -> None:
    attempts = draft.status.attempts
    if attempts >= ATTEMPTS:
        _give_up(draft, "SavepointFailed", f"attempt {attempts}, the last: {why}")
        return
    delay = FIRST_RETRY * 2 ** (attempts - 1)
    draft.record(phase=SnapshotPhase.PENDING, retry_at=moment.now + delay, trigger_id=None)
    message = f"attempt {attempts} of {ATTEMPTS} failed: {why}"
    draft.say("SavepointFailed", message, warning=True)
    draft.wait(message, delay.total_seconds())


def _give_up(draft: SnapshotDraft, reason: str, why: str) -> None:
    draft.record(phase=SnapshotPhase.FAILED, retry_at=None, message=why)
    draft.say(reason, why, warning=True)


def _minutes(time: timedelta) -> str:
    return f"{time // timedelta(minutes=1)}m"
