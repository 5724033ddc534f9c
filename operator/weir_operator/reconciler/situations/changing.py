"""A change of the run is under way: follow a change of mind first, then do what its phase asks for.

Each pass moves as far as the facts allow. What a phase asks for is asked for again in every pass in which it lasts, so
an action that was lost, or that a killed operator never came to, is made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from weir_operator.models import Nonces, UpgradePhase, UpgradeReason
from weir_operator.observed import JobState
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.arriving import stabilize, start
from weir_operator.reconciler.situations.beginning import (
    begin,
    restore_is_awaited,
    restore_later,
    restore_source,
    restores_by_nonce,
)
from weir_operator.reconciler.situations.deciding import preflight
from weir_operator.reconciler.situations.leaving import drain, stop
from weir_operator.reconciler.situations.phases import cancel, enter, once_more
from weir_operator.reconciler.situations.standby import prepare
from weir_operator.reconciler.situations.targets import apply_in_place, goal, needs_another_run
from weir_operator.upgrade.choosing import RESTORE_ASKED

#: Changes that are about the revision alone: none is made for the old one, or for one that its run becomes in place.
_TAKEN_BACK = frozenset({UpgradeReason.SPEC, UpgradeReason.SUSPEND, UpgradeReason.ROLLBACK})

PHASES: Mapping[UpgradePhase, Callable[[Moment, Draft], None]] = {
    UpgradePhase.PREFLIGHT: preflight,
    UpgradePhase.PREPARING: prepare,
    UpgradePhase.STOPPING: stop,
    UpgradePhase.DRAINING: drain,
    UpgradePhase.STARTING: start,
    UpgradePhase.STABILIZING: stabilize,
}

_ORDER = tuple(UpgradePhase)


def change(moment: Moment, draft: Draft, target: int) -> None:
    """Go on with the change that the status tells of."""
    retarget(moment, draft, goal(moment, target))
    _restore_as_asked_by_now(moment, draft, goal(moment, target))
    if moment.spec.paused and draft.upgrade is not None and _can_wait(draft):
        draft.wait(f"paused: the change of the run stays in phase {draft.upgrade.phase}")
        return
    while (upgrade := draft.upgrade) is not None:
        PHASES[upgrade.phase](moment, draft)
        if draft.upgrade is None or _ORDER.index(draft.upgrade.phase) <= _ORDER.index(upgrade.phase):
            return  # it waits, or goes back: what is back there is looked at with newer facts


def _restore_as_asked_by_now(moment: Moment, draft: Draft, wanted: int | None) -> None:
    """Somebody names a snapshot during the change, most of all since it holds for want of one; or takes that back."""
    upgrade, nonces, source = draft.upgrade, draft.status.nonces or Nonces(), restore_source(moment)
    if upgrade is None or wanted is None:
        return
    if upgrade.reason is UpgradeReason.RESTORE and upgrade.phase is UpgradePhase.PREFLIGHT:
        if restores_by_nonce(upgrade) and source is None and moment.spec.restore.snapshot is not None:
            restore_later(draft)  # the resource that was named is gone: another of its name is awaited
        elif source is None and not restore_is_awaited(moment, draft):
            cancel(draft, "no snapshot is named any more: the job goes on as it is")
            return
        elif nonces.restore == moment.spec.restore.nonce and not restores_by_nonce(upgrade):
            cancel(draft, "restore.nonce is what it was: the job goes on as it is")
            return
    if nonces.restore in {None, moment.spec.restore.nonce} or source is None:
        return
    if upgrade.phase is UpgradePhase.STOPPING and not _can_wait(draft):
        return  # the savepoint that was asked for ends the old run; what follows is decided then
    if upgrade.phase is UpgradePhase.DRAINING:
        begin(moment, draft, UpgradeReason.RESTORE, wanted, phase=UpgradePhase.DRAINING)
        draft.amend(snapshot=source, because=RESTORE_ASKED)
    else:
        begin(moment, draft, UpgradeReason.RESTORE, wanted)


def _can_wait(draft: Draft) -> bool:
    """The old job runs and was not asked to stop. After that a pause would only keep the job down."""
    upgrade = draft.upgrade
    assert upgrade is not None
    if draft.deployed is None or upgrade.from_run is None:
        return False
    match upgrade.phase:
        case UpgradePhase.PREFLIGHT | UpgradePhase.PREPARING:
            return True
        case UpgradePhase.STOPPING:
            return upgrade.trigger is None or upgrade.retry_at is not None
    return False


def retarget(moment: Moment, draft: Draft, wanted: int | None) -> None:
    """Somebody changed the spec meanwhile: the newest target takes over what was reached for the other one."""
    upgrade = draft.upgrade
    assert upgrade is not None
    if upgrade.revision == wanted:
        return
    match upgrade.phase:
        case UpgradePhase.PREFLIGHT | UpgradePhase.PREPARING:
            _before_the_stop(moment, draft, wanted)
        case UpgradePhase.STOPPING:
            # A stop that was asked for cannot be taken back: whatever is wanted now follows it.
            if upgrade.trigger is None or upgrade.retry_at is not None:
                _before_the_stop(moment, draft, wanted)
            else:
                draft.amend(revision=wanted, run=None, parallelism=None)
        case UpgradePhase.DRAINING:
            draft.amend(revision=wanted, run=None, parallelism=None)
        case UpgradePhase.STARTING | UpgradePhase.STABILIZING if _fits_in_place(moment, draft, wanted):
            assert wanted is not None
            apply_in_place(moment, draft, wanted)
            draft.amend(revision=wanted)
        case UpgradePhase.STARTING | UpgradePhase.STABILIZING:
            _from_the_new_run(moment, draft, wanted)


def _before_the_stop(moment: Moment, draft: Draft, wanted: int | None) -> None:
    upgrade = draft.upgrade
    assert upgrade is not None
    runs = draft.deployed.revision if draft.deployed is not None else None
    if upgrade.reason in _TAKEN_BACK and (wanted == runs or _fits_in_place(moment, draft, wanted)):
        cancel(draft, f"the run of revision {runs} goes on: no other one is wanted any more")
        return
    if wanted is None and restores_by_nonce(upgrade):
        restore_later(draft)
        begin(moment, draft, UpgradeReason.SUSPEND, None)
        return
    draft.amend(
        revision=wanted, run=None, parallelism=None, trigger=None, retry_at=None, failure=None, attempts=0
    )
    if upgrade.phase is not UpgradePhase.PREFLIGHT:
        enter(moment, draft, UpgradePhase.PREFLIGHT)


def _fits_in_place(moment: Moment, draft: Draft, wanted: int | None) -> bool:
    """Whether the run that should be there can become what is wanted, and no pod is replaced."""
    deployed = draft.deployed
    return (
        deployed is not None
        and wanted is not None
        and not needs_another_run(moment, draft, deployed.revision, wanted)
    )


def _from_the_new_run(moment: Moment, draft: Draft, wanted: int | None) -> None:
    upgrade = draft.upgrade
    assert upgrade is not None
    report = moment.report(draft.status.run)
    if report is not None and report.state is JobState.RUNNING:
        begin(moment, draft, UpgradeReason.SUSPEND if wanted is None else UpgradeReason.SPEC, wanted)
    else:
        draft.amend(revision=wanted)
        once_more(moment, draft)
