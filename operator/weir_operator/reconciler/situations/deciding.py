"""The first step of a change of the run: what the next run starts from, and whether the new image can do it at all.

The old job runs untouched; whatever is wrong blocks the change and says so.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from weir_operator.models import (
    Handover,
    RestorePolicy,
    StreamJobSpec,
    UpgradeIntent,
    UpgradeMode,
    UpgradePhase,
    UpgradeReason,
)
from weir_operator.models.memory import StartDirective, StartMode
from weir_operator.observed import BucketFacts, Ending, ErrandFacts, JobManagerReport, RestoreHeld
from weir_operator.reconciler.actions import DeleteErrand, RunPreflight
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations import bucket
from weir_operator.reconciler.situations.beginning import (
    restore_is_awaited,
    restore_source,
    say_what_is_awaited,
)
from weir_operator.reconciler.situations.old_run import may_help_itself, of_old_run
from weir_operator.reconciler.situations.phases import enter, in_phase_for, retry_delay
from weir_operator.reconciler.situations.run_objects import tend
from weir_operator.status.causes import IMAGE_REASONS
from weir_operator.status.records import snapshot_facts
from weir_operator.upgrade.choosing import (
    Blocked,
    Choice,
    GoOnFromTail,
    Request,
    RestoreNamed,
    StartEmpty,
    TakeSavepoint,
    Undecided,
    choose_snapshot,
)
from weir_operator.upgrade.liveness import Liveness

#: Changes that bring code, settings or state that have not run together before.
_BRINGS_NEW = frozenset({UpgradeReason.SPEC, UpgradeReason.ROLLBACK, UpgradeReason.RESTORE})
#: A pre-flight pod that has not answered by then is named as the reason why nothing goes on.
_SLOW_PREFLIGHT = timedelta(seconds=60)


def preflight(moment: Moment, draft: Draft) -> None:
    """Decide what the next run starts from."""
    tend(moment, draft)
    if _awaits_snapshot(moment, draft):
        say_what_is_awaited(moment, draft)
        return
    choice = choose(moment, draft)
    if _is_known_to_fail(moment, draft):
        return
    if isinstance(choice, Blocked | Undecided) or _fits(moment, draft):
        follow(moment, draft, choice)


def _awaits_snapshot(moment: Moment, draft: Draft) -> bool:
    upgrade = draft.upgrade
    assert upgrade is not None
    first = not draft.status.claimed and moment.spec.restore.snapshot is not None
    missing = (first and restore_source(moment) is None) or restore_is_awaited(moment, draft)
    return missing and upgrade.revision is not None


def choose(moment: Moment, draft: Draft) -> Choice:
    """What the next run starts from, as things are."""
    upgrade, status = draft.upgrade, draft.status
    assert upgrade is not None
    report, found = moment.report(upgrade.from_run), bucket.known(moment, draft)
    newest = None
    if report is not None:
        newest = report.last_savepoint if report.ending is Ending.STOPPED else report.last_checkpoint
        newest = newest or report.restored
    newest = newest or (found.newest if found else None) or snapshot_facts(status.last_checkpoint)
    return choose_snapshot(
        Request(
            mode=moment.spec.upgrade.mode,
            liveness=of_old_run(moment, draft),
            now=moment.now,
            restore_from=_named(moment, draft),
            unborn=not status.claimed,
            suspending=upgrade.revision is None,
            checkpointing=_ran(moment, draft).checkpoints.enabled,
            last_checkpoint=report.last_checkpoint if report is not None else None,
            max_checkpoint_age=age.delta
            if (age := moment.spec.upgrade.max_checkpoint_age) is not None
            else None,
            newest=newest,
            held=_held(upgrade, report, found),
        )
    )


def _held(
    upgrade: UpgradeIntent, report: JobManagerReport | None, found: BucketFacts | None
) -> RestoreHeld | None:
    """What the engine would not choose from. Asked to start anew, it looks again: what was missing may be back."""
    if upgrade.reason is UpgradeReason.RESTART:
        return None
    return (report.restore_held if report else None) or (found.restore_held if found else None)


def _ran(moment: Moment, draft: Draft) -> StreamJobSpec:
    """The spec of the old run: whether it made checkpoints is not for the new one to say."""
    old = moment.revision_spec(draft.deployed.revision) if draft.deployed is not None else None
    return old or moment.spec


def follow(moment: Moment, draft: Draft, choice: Choice) -> None:
    """The phase that a choice asks for."""
    match choice:
        case TakeSavepoint(mode=mode, reason=reason):
            draft.amend(mode=mode, because=reason)
            enter(
                moment,
                draft,
                UpgradePhase.PREPARING if _with_standby(moment, draft) else UpgradePhase.STOPPING,
            )
        case GoOnFromTail(mode=mode, reason=reason, snapshot=snapshot):
            if not draft.status.claimed and moment.spec.restore.policy is RestorePolicy.FRESH:
                said = "restore.policy is Fresh: the job starts without state, whatever an earlier one of this name left"
                draft.say("StartingEmpty", said, warning=True)
            draft.amend(
                mode=mode,
                because=reason,
                snapshot=snapshot.path if snapshot else None,
                snapshot_at=snapshot.completed_at if snapshot else None,
                start=StartDirective(),
            )
            enter(
                moment,
                draft,
                UpgradePhase.PREPARING if _with_standby(moment, draft) else UpgradePhase.DRAINING,
            )
        case RestoreNamed(path=path, reason=reason):
            first = None if draft.status.claimed else 0
            start = StartDirective(mode=StartMode.FROM, path=path, expected_tail=first)
            draft.amend(because=reason, snapshot=path, start=start)
            enter(moment, draft, UpgradePhase.DRAINING)
        case StartEmpty(reason=reason):
            left = draft.status.last_checkpoint
            draft.amend(
                mode=UpgradeMode.STATELESS,
                because=reason,
                snapshot=left.path if left is not None else None,
                start=StartDirective(mode=StartMode.EMPTY),
            )
            draft.say("StartingEmpty", reason, warning=True)
            enter(moment, draft, UpgradePhase.DRAINING)
        case Blocked(condition=condition, reason=reason, message=message):
            draft.block(condition, reason, message)
            draft.look_again(timedelta(seconds=30))
        case Undecided(reason=reason):
            draft.wait(reason, at_most=5)


def preflight_purpose(moment: Moment, upgrade: UpgradeIntent) -> str:
    """The name of the errand that tries a revision against the state of a run, or against a snapshot that was named.

    What may be given up of that state is part of the question.
    """
    named = upgrade.start.path if upgrade.start is not None else None
    which = f"-{hashlib.sha256(named.encode()).hexdigest()[:8]}" if named is not None else ""
    giving_up = "-giving-up" if moment.spec.job.allow_non_restored_state else ""
    return f"preflight-{upgrade.from_run}-{upgrade.revision}{which}{giving_up}"


def _with_standby(moment: Moment, draft: Draft) -> bool:
    """New pods are made ready beside the old ones: there is an old job that processes, and somebody asked for it."""
    upgrade = draft.upgrade
    if upgrade is None or upgrade.revision is None or upgrade.phase is not UpgradePhase.PREFLIGHT:
        return False
    alive = of_old_run(moment, draft) is Liveness.RUNNING
    return alive and moment.spec.upgrade.handover is Handover.STANDBY


def _fits(moment: Moment, draft: Draft) -> bool:
    """Whether the new image is there and its job fits the state; only asked while the old job runs."""
    upgrade = draft.upgrade
    assert upgrade is not None
    report = moment.report(upgrade.from_run)
    named = upgrade.start.path if upgrade.start is not None else None
    if not _is_to_be_tried(draft) or of_old_run(moment, draft) is not Liveness.RUNNING:
        return True
    assert upgrade.revision is not None
    purpose = preflight_purpose(moment, upgrade)
    errand = moment.observed.errands.get(purpose)
    if errand is None:
        stateless = moment.spec.upgrade.mode is UpgradeMode.STATELESS
        newest = report.last_checkpoint if report is not None and not stateless else None
        snapshot = named or (newest.path if newest is not None else None)
        draft.do(
            RunPreflight(
                purpose=purpose,
                revision=upgrade.revision,
                snapshot=snapshot,
                exact=named is not None,
                allow_non_restored_state=moment.spec.job.allow_non_restored_state,
            )
        )
        draft.amend(retry_at=None)
        _say_that_it_failed(draft)
        draft.wait(f"the pre-flight check of revision {upgrade.revision}", at_most=5)
        return False
    verdict = errand.preflight
    if verdict is not None and verdict.fits:
        draft.amend(slots_required=verdict.slots_required, attempts=0, retry_at=None, failure=None)
        return True
    _keep_waiting(moment, draft, errand)
    return False


def _is_to_be_tried(draft: Draft) -> bool:
    """Whether the change brings what has not run together before."""
    upgrade = draft.upgrade
    assert upgrade is not None
    if upgrade.revision is None or upgrade.reason not in _BRINGS_NEW:
        return False
    named = upgrade.start is not None and upgrade.start.path is not None
    return named or draft.deployed is None or draft.deployed.revision != upgrade.revision


def _is_known_to_fail(moment: Moment, draft: Draft) -> bool:
    """Whether it was found that the change cannot be made, and the old job is only away for moments: it is to have its chance."""
    upgrade = draft.upgrade
    assert upgrade is not None
    errand = moment.observed.errands.get(preflight_purpose(moment, upgrade))
    if errand is None or not _is_to_be_tried(draft) or of_old_run(moment, draft) is Liveness.RUNNING:
        return False
    refused = errand.preflight is not None and not errand.preflight.fits
    found = refused or (not errand.ended and _lacks_its_image(errand))
    if not found or not may_help_itself(moment, draft):
        return False
    _keep_waiting(moment, draft, errand)
    return True


def _keep_waiting(moment: Moment, draft: Draft, errand: ErrandFacts) -> None:
    """The pod has no good answer: what blocks the change is said."""
    upgrade, verdict = draft.upgrade, errand.preflight
    assert upgrade is not None
    if verdict is not None:
        named = upgrade.start.path if upgrade.start is not None else None
        what = "take over from the running job" if named is None else f"start from {named}"
        why = f"revision {upgrade.revision} cannot {what}: {verdict.message}"
        draft.block("UpgradeBlocked", "DoesNotFit", f"{why}. The job goes on as it is; change the spec")
    elif errand.ended:
        _try_again(moment, draft, errand)
        _say_that_it_failed(draft)
    elif errand.trouble is None and upgrade.attempts:
        _say_that_it_failed(draft)
    elif errand.trouble is not None or in_phase_for(upgrade, moment.now) > _SLOW_PREFLIGHT:
        why = f"pod {errand.pod}, which tries revision {upgrade.revision}, gives no answer: {errand.trouble or 'it still runs'}"
        draft.block(
            "UpgradeBlocked", "PreflightPending", f"{why}. The job goes on as it is{_remedy(moment, errand)}"
        )
    draft.wait(f"the pre-flight check of revision {upgrade.revision}", at_most=15)


def _try_again(moment: Moment, draft: Draft, errand: ErrandFacts) -> None:
    """The pod said neither yes nor no: evicted, out of memory, its node lost. Another one is asked, later each time."""
    upgrade = draft.upgrade
    assert upgrade is not None
    if upgrade.retry_at is None:
        retry_at = moment.now + retry_delay(upgrade.attempts)
        draft.amend(attempts=upgrade.attempts + 1, retry_at=retry_at, failure=errand.failure)
    elif moment.now >= upgrade.retry_at:
        draft.do(DeleteErrand(purpose=errand.purpose))


def _say_that_it_failed(draft: Draft) -> None:
    upgrade = draft.upgrade
    assert upgrade is not None
    if not upgrade.attempts:
        return
    at = upgrade.retry_at
    when = f"the next is made at {at:%H:%M:%S}" if at is not None else "another one is made"
    draft.block(
        "UpgradeBlocked",
        "PreflightFailed",
        f"pre-flight check {upgrade.attempts} of revision {upgrade.revision} failed: {upgrade.failure}. "
        f"The job goes on as it is, and {when}; or change the spec",
    )


def _remedy(moment: Moment, errand: ErrandFacts) -> str:
    """What helps a pre-flight pod that does not start."""
    if not _lacks_its_image(errand):
        return ""
    return f"; correct spec.image {moment.spec.image}, or name a Secret in jobManager.pod.imagePullSecrets"


def _lacks_its_image(errand: ErrandFacts) -> bool:
    return (errand.trouble or "").partition(":")[0] in IMAGE_REASONS


def _named(moment: Moment, draft: Draft) -> str | None:
    """The snapshot that was asked for by name: by the nonce, or at the first start."""
    upgrade = draft.upgrade
    if upgrade is not None and upgrade.start is not None and upgrade.start.mode is StartMode.FROM:
        return upgrade.start.path
    return None if draft.status.claimed else restore_source(moment)
