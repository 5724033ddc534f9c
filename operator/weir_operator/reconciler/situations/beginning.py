"""Nothing is under way: does what runs differ from what should run, and what change of the run does that ask for?"""

from __future__ import annotations

from datetime import timedelta

from weir_operator.models import Nonces, UpgradeIntent, UpgradePhase, UpgradeReason
from weir_operator.models.memory import StartDirective, StartMode
from weir_operator.models.stream_job_status import PhaseTimes
from weir_operator.observed import Ending
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.targets import apply_in_place, goal, needs_another_run

#: Of a change that ends in a suspension.
RESTORED_LATER = "the job is suspended before it has restored what restore names"


def begin_if_needed(moment: Moment, draft: Draft, target: int) -> None:
    """Write down the change of the run that is to be made, if any."""
    end = draft.status.end
    if end is not None and end.revision is None:  # found in the bucket: it counts for what the spec says now
        draft.record(end=end.model_copy(update={"revision": target}))
    reason = _reason(moment, draft, target)
    if reason is None:
        return
    rests = draft.deployed is None or draft.status.end is not None
    if rests and reason is UpgradeReason.RESTORE and restore_is_awaited(moment, draft):
        say_what_is_awaited(moment, draft)  # a job that ended stays so when this is taken back
        return
    if moment.spec.paused and draft.deployed is not None:
        draft.wait(f"paused: a change of the run ({reason}) is due and is not made")
        return
    begin(moment, draft, reason, goal(moment, target))


def begin(
    moment: Moment,
    draft: Draft,
    reason: UpgradeReason,
    revision: int | None,
    *,
    phase: UpgradePhase = UpgradePhase.PREFLIGHT,
) -> None:
    """A change begins; the nonces count as obeyed with it, but for one that asks for a snapshot which is not there yet."""
    restore = _restore_asked(moment, draft) if revision is not None else None
    nonces = draft.status.nonces or Nonces()
    restored = nonces.restore if restore_is_awaited(moment, draft) else moment.spec.restore.nonce
    obeyed = nonces.model_copy(update={"restart": moment.spec.upgrade.restart_nonce, "restore": restored})
    draft.record(
        nonces=obeyed if revision is not None else nonces,
        end=None,
        upgrade=UpgradeIntent(
            reason=reason,
            phase=phase,
            from_run=draft.deployed.run if draft.deployed else None,
            revision=revision,
            requested_mode=moment.spec.upgrade.mode,
            start=restore,
            nonce_before=nonces.restore if restore is not None else None,
            times=(PhaseTimes(phase=phase, began_at=moment.now),),
        ),
    )
    what = "the job is suspended" if revision is None else f"revision {revision} is to run"
    draft.say(f"{reason}Started", f"{what}; upgrade.mode is {moment.spec.upgrade.mode}")


def restore_is_awaited(moment: Moment, draft: Draft) -> bool:
    """Whether ``restore.nonce`` asks for a StreamJobSnapshot that does not exist, or is not complete."""
    nonces, restore = draft.status.nonces or Nonces(), moment.spec.restore
    asked = nonces.restore not in {None, restore.nonce}
    return asked and restore.snapshot is not None and restore_source(moment) is None


def say_what_is_awaited(moment: Moment, draft: Draft) -> None:
    """Nothing is begun without it: on other state the job would do what nobody asked for, and commit that."""
    said = (
        f"restore.snapshot names StreamJobSnapshot {moment.spec.restore.snapshot}, which does not exist or is not complete; "
        "create it, or name another one"
    )
    if restore_is_awaited(moment, draft):
        said += f", or set restore.nonce back to {(draft.status.nonces or Nonces()).restore}"
    if draft.deployed is None:
        draft.block("RestoreBlocked", "SnapshotNotFound", said)
    else:
        draft.block("UpgradeBlocked", "SnapshotNotFound", f"{said}. The job goes on as it is")
    draft.look_again(timedelta(seconds=30))


def restore_later(draft: Draft) -> None:
    """No run follows that could restore what was named: its nonce is as good as never obeyed, until one does."""
    upgrade = draft.upgrade
    assert upgrade is not None
    nonces = draft.status.nonces or Nonces()
    draft.record(nonces=nonces.model_copy(update={"restore": upgrade.nonce_before}))
    draft.amend(start=None, snapshot=None, nonce_before=None, because=RESTORED_LATER)


def restores_by_nonce(upgrade: UpgradeIntent) -> bool:
    """Whether the change is still to restore a snapshot that ``restore.nonce`` asked for."""
    start = upgrade.start
    return start is not None and start.mode is StartMode.FROM and upgrade.nonce_before is not None


def restore_source(moment: Moment) -> str | None:
    """The path that ``restore.from`` or ``restore.snapshot`` stands for."""
    restore = moment.spec.restore
    return restore.from_ if restore.from_ is not None else moment.observed.restore_snapshot


def _restore_asked(moment: Moment, draft: Draft) -> StartDirective | None:
    nonces = draft.status.nonces or Nonces()
    source = restore_source(moment)
    if nonces.restore in {None, moment.spec.restore.nonce} or source is None:
        return None
    return StartDirective(mode=StartMode.FROM, path=source)


def _reason(moment: Moment, draft: Draft, target: int) -> UpgradeReason | None:
    deployed, nonces = draft.deployed, draft.status.nonces or Nonces()
    if not moment.wanted:
        return UpgradeReason.SUSPEND if deployed is not None else None
    named = restore_source(moment) is not None or restore_is_awaited(moment, draft)
    if nonces.restore != moment.spec.restore.nonce and named:
        return UpgradeReason.RESTORE
    if nonces.restart != moment.spec.upgrade.restart_nonce:
        return UpgradeReason.RESTART
    end = draft.status.end
    if end is not None:
        return UpgradeReason.SPEC if end.revision != target else None
    if deployed is None:
        return UpgradeReason.RESUME if draft.status.claimed else UpgradeReason.CREATE
    if deployed.revision != target:
        return _of_other_revision(moment, draft, deployed.revision, target)
    report = moment.report(deployed.run)
    if report is not None and report.ending in {Ending.STOPPED, Ending.SUPERSEDED}:
        return UpgradeReason.RECOVERY
    return None


def _of_other_revision(moment: Moment, draft: Draft, runs: int, target: int) -> UpgradeReason | None:
    if needs_another_run(moment, draft, runs, target):
        return UpgradeReason.ROLLBACK if draft.status.pin is not None else UpgradeReason.SPEC
    apply_in_place(moment, draft, target)
    return None
