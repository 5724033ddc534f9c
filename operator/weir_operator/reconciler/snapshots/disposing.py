"""The resource is deleted and its files are to go with it: the files first, by a short-lived pod, then the resource.

The pod deletes only what the operator made for this very job and what the job does not go on from; what it leaves alone is
named. Nothing keeps the resource for ever: after the deadline it goes, and an event says what is left.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from weir_operator.models import SnapshotPhase
from weir_operator.observed import ErrandFacts
from weir_operator.reconciler.actions import DeleteErrand, ErrandKind, RemoveFinalizer, RunSnapshotsPod
from weir_operator.reconciler.situations.deletion import PURGE
from weir_operator.reconciler.snapshots.moment import SnapshotDraft, SnapshotMoment
from weir_operator.reconciler.snapshots.taking import outcome

DEADLINE = timedelta(minutes=15)
RETRY = timedelta(seconds=30)
_LOOK_S = 3.0


def dispose(moment: SnapshotMoment, draft: SnapshotDraft, deleted_at: datetime) -> None:
    """One step of the end."""
    overdue = moment.now - deleted_at >= DEADLINE
    if moment.snapshot.spec.dispose and not overdue and not outcome(moment, draft):
        return
    path, purpose = draft.status.path, f"dispose-{moment.name}"
    errand = moment.observed.errands.get(purpose)
    if path is None or not moment.snapshot.spec.dispose or moment.snapshot.spec.job is None:
        _let_go(draft, purpose, errand)
        return
    draft.record(phase=SnapshotPhase.DISPOSING)
    reason = "" if _was_purged(moment) else _why_not(moment) or _outcome(errand)
    if reason == "":
        draft.say("SnapshotDisposed", f"the files at {path} are deleted")
        _let_go(draft, purpose, errand)
    elif _is_orphan(moment) or overdue or moment.observed.namespace_terminating:
        if moment.observed.namespace_terminating:
            reason = reason or "its namespace is going, so no pod can delete them"
        reason = reason or f"no pod has deleted them within {DEADLINE // timedelta(minutes=1)}m"
        draft.say("SnapshotKept", f"the files at {path} stay: {reason}; delete them by hand", warning=True)
        _let_go(draft, purpose, errand)
    elif reason is not None:
        if errand is not None and errand.ended:
            draft.do(DeleteErrand(purpose=purpose))
            draft.record(retry_at=moment.now + RETRY)
        draft.wait(f"the files at {path} are not deleted yet: {reason}", _LOOK_S)
    elif errand is None and (draft.status.retry_at is None or moment.now >= draft.status.retry_at):
        draft.do(RunSnapshotsPod(purpose=purpose, kind=ErrandKind.DELETE, args=(path,)))
        draft.wait(f"the files at {path} are being deleted", _LOOK_S)
    else:
        draft.wake = timedelta(seconds=_LOOK_S)


def _was_purged(moment: SnapshotMoment) -> bool:
    """All of its job was deleted, this savepoint among it."""
    errand = moment.observed.errands.get(PURGE)
    return not _is_orphan(moment) and errand is not None and errand.ended and errand.failure is None


def _is_orphan(moment: SnapshotMoment) -> bool:
    """The job that took it is gone, and with it whose credentials could delete it."""
    job = moment.job
    return job is None or job.job_id != (moment.snapshot.status.job_id or job.job_id)


def _why_not(moment: SnapshotMoment) -> str | None:
    if _is_orphan(moment):
        return f"StreamJob {moment.snapshot.spec.job}, which took it, is gone"
    if moment.used_by:
        return f"StreamJob {', '.join(moment.used_by)} starts from it"
    return None


def _outcome(errand: ErrandFacts | None) -> str | None:
    """Empty: the files are gone; else why they are not; None: there is no answer yet."""
    if errand is None:
        return None
    if not errand.ended:
        return None if errand.trouble is None else f"pod {errand.pod} does not run ({errand.trouble})"
    return errand.failure if errand.failure is not None else _left(errand)


def _left(errand: ErrandFacts) -> str:
    """Why the pod left something alone."""
    left = (errand.answer or {}).get("left") or ()
    return "; ".join(str(one.get("why") or one) for one in left if isinstance(one, dict))


def _let_go(draft: SnapshotDraft, purpose: str, errand: ErrandFacts | None) -> None:
    if errand is not None:
        draft.do(DeleteErrand(purpose=purpose))
    draft.do(RemoveFinalizer())
