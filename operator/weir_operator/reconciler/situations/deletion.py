"""The resource is deleted: what ``deletionPolicy`` asks for, then the pods, then the finalizer; never later than a deadline.

A dead JobManager, an unreachable bucket or a namespace that ends must not keep a resource for ever. What could not be
done in time is named in an event.
"""

from __future__ import annotations

from datetime import timedelta

from weir_operator.models import Deletion, DeletionPolicy, Trigger
from weir_operator.observed import Ending, RequestState
from weir_operator.reconciler.actions import (
    DeleteErrand,
    DeleteObject,
    DeleteRun,
    ErrandKind,
    Purpose,
    RemoveFinalizer,
    RunSnapshotsPod,
    StopWithSavepoint,
    trigger_id,
)
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.given_up import deployments_left, given_up, pods_left
from weir_operator.reconciler.situations.saving import OF_STOPS, record
from weir_operator.status.records import savepoint_record
from weir_operator.upgrade.liveness import Liveness, liveness

#: The errand that deletes all of the job's files.
PURGE = "purge"
#: Time for pods to go and for a purge, after the savepoint's own time.
DEADLINE = timedelta(minutes=5)
_STATE = "the checkpoints and savepoints of this job"


def delete(moment: Moment, draft: Draft) -> None:
    """One step of the end."""
    deletion = draft.status.deletion or Deletion(began_at=moment.now, step="Savepoint")
    draft.record(deletion=deletion, upgrade=None)
    policy = moment.spec.deletion_policy
    waits_for_savepoint = policy is DeletionPolicy.SAVEPOINT and deletion.step == "Savepoint"
    savepoint_until = deletion.began_at + moment.spec.upgrade.savepoint_timeout.delta
    if waits_for_savepoint and moment.now < savepoint_until and not _saved(moment, draft):
        draft.look_again(min(timedelta(seconds=5), savepoint_until - moment.now))
        return
    if deletion.step == "Savepoint":
        deletion = deletion.model_copy(update={"step": "Pods", "pods_from": moment.now})
        draft.record(deletion=deletion)
    overdue = moment.now - (deletion.pods_from or deletion.began_at) >= DEADLINE
    if overdue or moment.observed.namespace_terminating:
        _let_go(moment, draft)
        return
    leftovers = _remove(moment, draft)
    if policy is DeletionPolicy.SAVEPOINT:
        record(moment, draft)
    if leftovers:
        draft.wait(f"{', '.join(leftovers)} to be gone", at_most=5)
        return
    draft.do(RemoveFinalizer())


def _let_go(moment: Moment, draft: Draft) -> None:
    """The finalizer goes first: a pass ends at the first request that is refused, and none may keep the resource."""
    draft.do(RemoveFinalizer())
    _tell_of_the_last_savepoint(moment, draft)
    leftovers = _remove(moment, draft, in_time=False)
    if leftovers:
        draft.say(
            "DeletionLeftovers",
            f"the resource goes although these are left: {', '.join(leftovers)}; remove them by hand",
            warning=True,
        )


def _saved(moment: Moment, draft: Draft) -> bool:
    """Whether a last savepoint exists, or cannot be had."""
    deployed, deletion = draft.deployed, draft.status.deletion
    assert deletion is not None
    if deployed is None:
        return True
    report = moment.report(deployed.run)
    if report is not None and report.ending is not None:
        if report.ending is Ending.STOPPED and report.last_savepoint is not None:
            record = savepoint_record(report.last_savepoint, Trigger.DELETION, deployed.revision)
            draft.record(last_savepoint=record)
        return True
    outage = draft.status.not_running_since
    alive = liveness(moment.run(deployed.run), deletion.began_at, outage, moment.now)
    if alive in {Liveness.DOWN, Liveness.ABSENT}:
        draft.say(
            "DeletionWithoutSavepoint",
            f"run {deployed.run} is down: no last savepoint is taken",
            warning=True,
        )
        return True
    attempt = 0
    while report is not None:
        trigger = trigger_id(moment.uid, deployed.run, Purpose.DELETION, attempt)
        request = report.requests.get(trigger)
        if request is None or request.state is not RequestState.FAILED:
            break
        attempt += 1
    trigger = trigger_id(moment.uid, deployed.run, Purpose.DELETION, attempt)
    draft.record(deletion=deletion.model_copy(update={"trigger_id": trigger}))
    draft.do(StopWithSavepoint(run=deployed.run, trigger=trigger, target=moment.spec.storage.savepoints))
    draft.wait(f"the last savepoint of run {deployed.run}")
    return False


def _tell_of_the_last_savepoint(moment: Moment, draft: Draft) -> None:
    """If no StreamJobSnapshot could be made that does."""
    asked, last = moment.spec.deletion_policy is DeletionPolicy.SAVEPOINT, draft.status.last_savepoint
    if asked and last is not None and last.name is None and last.trigger in OF_STOPS:
        draft.say(
            "DeletionLeftovers",
            f"no StreamJobSnapshot could be made for the last savepoint: it is at {last.path}",
            warning=True,
        )


def _remove(moment: Moment, draft: Draft, *, in_time: bool = True) -> list[str]:
    """Delete runs, then purge if asked and in time; what is still there."""
    observed = moment.observed
    lost = given_up(moment)
    left = [run for run in observed.runs.values() if not run.gone]
    draft.do(*(DeleteRun(run=run.run) for run in left))
    names = [name for run in left for name in (*deployments_left(run, lost), *pods_left(run, lost))]
    purges = moment.spec.deletion_policy is DeletionPolicy.PURGE
    if purges and observed.namespace_terminating:
        return [*names, f"{_STATE} (their namespace is going, so no pod can remove them)"]
    if names or not purges:
        return names
    errand = observed.errands.get(PURGE)
    if errand is None:
        if in_time:
            draft.do(RunSnapshotsPod(purpose=PURGE, kind=ErrandKind.PURGE))
        return [_STATE]
    if errand.ended and errand.failure is None:
        return _purged(moment, draft)
    if errand.ended:
        draft.do(DeleteErrand(purpose=PURGE))
        return [f"{_STATE} ({errand.failure})"]
    return [f"{_STATE} (pod {errand.pod} removes them)"]


def _purged(moment: Moment, draft: Draft) -> list[str]:
    """The files are gone: resources that tell of them are to go as well; those that are still there."""
    told = [found for found in moment.observed.snapshots if found.owned or found.job_id == moment.job.job_id]
    draft.do(
        *(
            DeleteObject(kind="StreamJobSnapshot", name=found.name, uid=found.uid)
            for found in told
            if not found.deleting
        )
    )
    return [f"StreamJobSnapshot {found.name}" for found in told]
