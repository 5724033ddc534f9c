"""A run should be there and nothing is to change about it: keep its objects as they should be, and see how it fares."""

from __future__ import annotations

from weir_operator.models import End
from weir_operator.observed import Ending, JobManagerReport
from weir_operator.reconciler.actions import DeleteErrand, DeleteRun, PointService
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.drifting import tell_found
from weir_operator.reconciler.situations.healing import heal
from weir_operator.reconciler.situations.restoring import held, tell_skipped
from weir_operator.reconciler.situations.run_objects import ensure, remove_strays
from weir_operator.reconciler.situations.scaling import scale

_BY_ITSELF = frozenset({Ending.FINISHED, Ending.FAILED, Ending.CANCELLED})


def keep(moment: Moment, draft: Draft) -> None:
    """Keep the run as it should be."""
    remove_strays(moment, draft)
    draft.do(
        *(DeleteErrand(purpose=purpose) for purpose in sorted(moment.observed.errands) if _is_done(purpose))
    )
    if draft.deployed is None:
        return
    report = moment.report(draft.deployed.run)
    if report is not None and report.ending in _BY_ITSELF:
        _ended(moment, draft, report)
        if draft.deployed is None:
            return
    tell_skipped(draft, report)
    if not held(draft, report):
        scale(moment, draft)
        heal(moment, draft)
    if draft.upgrade is not None:
        return
    if moment.spec.paused:
        tell_found(moment, draft)
    else:
        ensure(moment, draft)
    draft.do(PointService(run=draft.deployed.run))


def _is_done(purpose: str) -> bool:
    """Errands of a change of the run: none is under way, so nobody needs their answers."""
    return purpose.startswith(("preflight-", "inspect-"))


def _ended(moment: Moment, draft: Draft, report: JobManagerReport) -> None:
    deployed, ending = draft.deployed, report.ending
    assert deployed is not None
    assert ending is not None
    message = report.failures[-1].message if report.failures else ""
    if draft.status.end is None:
        draft.record(end=End(ending=ending, revision=deployed.revision, message=message, at=moment.now))
        draft.say(
            ending,
            f"run {deployed.run}: {message or 'the job came to its end'}",
            warning=ending is not Ending.FINISHED,
        )
    if ending is Ending.FINISHED:
        draft.record(deployed=None)
        draft.do(DeleteRun(run=deployed.run))
    else:
        # The JobManager stays to be asked; what it has to tell needs no TaskManagers.
        draft.record(deployed=deployed.model_copy(update={"task_managers": 0}))
