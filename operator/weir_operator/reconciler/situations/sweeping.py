"""A job that does not run has nobody who clears its folder: a short-lived pod does it once after each end.

While a run is there its JobManager sweeps, since inside a job's folder only the newest epoch deletes. The pod takes an epoch of
its own, deletes what nothing refers to and is older than the grace period, and leaves what it does not know.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from weir_operator.models import Sweep
from weir_operator.reconciler.actions import DeleteErrand, ErrandKind, RunSnapshotsPod
from weir_operator.reconciler.moment import Draft, Moment

#: What is younger may belong to somebody who is about to refer to it.
GRACE = timedelta(hours=1)
RETRY = timedelta(hours=1)
_PREFIX = "sweep-"


def sweep(moment: Moment, draft: Draft) -> None:
    """See that it was swept after the last end, once its leftovers are old enough."""
    at_rest = draft.deployed is None and draft.upgrade is None and draft.status.claimed
    purpose, done = f"{_PREFIX}{draft.status.run}", draft.status.sweep
    swept = done is not None and done.run == draft.status.run and done.failure is None
    for other in sorted(moment.observed.errands):
        if other.startswith(_PREFIX) and (other != purpose or swept or not at_rest):
            draft.do(DeleteErrand(purpose=other))
    if not at_rest or swept:
        return
    since = _at_rest_since(moment, draft)
    if done is not None and done.run == draft.status.run:
        since = max(since, done.at + RETRY - GRACE)
    if moment.now < since + GRACE:
        draft.look_again(since + GRACE - moment.now)
        return
    errand = moment.observed.errands.get(purpose)
    if errand is None:
        args = ("--grace", f"{GRACE // timedelta(hours=1)}h")
        draft.do(RunSnapshotsPod(purpose=purpose, kind=ErrandKind.SWEEP, args=args))
    elif errand.ended:
        deleted = int((errand.answer or {}).get("deleted") or 0)
        made = Sweep(run=draft.status.run, at=moment.now, deleted=deleted, failure=errand.failure)
        draft.record(sweep=made)
        draft.do(DeleteErrand(purpose=purpose))
        if errand.failure is not None:
            draft.say("SweepFailed", f"{errand.failure}; it is tried again in an hour", warning=True)
        elif deleted:
            draft.say("Swept", f"{deleted} objects that nothing refers to were deleted from the job's folder")
    else:
        draft.look_again(timedelta(seconds=15))


def _at_rest_since(moment: Moment, draft: Draft) -> datetime:
    """When the last run came to its end; where nobody remembers, it is long ago."""
    status = draft.status
    ends = (
        status.last_upgrade.completed_at if status.last_upgrade else None,
        status.end.at if status.end else None,
    )
    return max((end for end in ends if end is not None), default=moment.now - GRACE)
