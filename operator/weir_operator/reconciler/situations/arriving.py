"""The second half of a change of the run: the new run comes up, and shows that it stays so; else the job goes back.

Going back means the last stable revision on the tail of the log, so nothing is repeated that the new run committed.
"""

from __future__ import annotations

from weir_operator.models import (
    Deployed,
    Nonces,
    Pin,
    PinReason,
    UpgradeIntent,
    UpgradeMode,
    UpgradePhase,
    UpgradeReason,
)
from weir_operator.models.memory import StartDirective, StartMode
from weir_operator.observed import Ending, JobManagerReport, JobState
from weir_operator.reconciler.actions import PointService, Purpose, TriggerCheckpoint, trigger_id
from weir_operator.reconciler.diff import spec_hash
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.beginning import begin
from weir_operator.reconciler.situations.healing import overtaken
from weir_operator.reconciler.situations.phases import began, conclude, enter, once_more
from weir_operator.reconciler.situations.restoring import (
    from_the_tail_instead,
    has_nothing_to_restore,
    held,
    tell_skipped,
)
from weir_operator.reconciler.situations.run_objects import tend
from weir_operator.reconciler.situations.targets import is_stable, last_stable, mark
from weir_operator.reconciler.sizing import pods_for
from weir_operator.upgrade.stability import Hopeless, Stable, judge


def start(moment: Moment, draft: Draft) -> None:
    """The new run gets its number and its objects, and is up when its job runs."""
    assert draft.upgrade is not None
    if draft.deployed is None or draft.deployed.run == draft.upgrade.from_run:
        _allocate(moment, draft)
    assert draft.deployed is not None
    run = draft.deployed.run
    tend(moment, draft)
    report = moment.report(run)
    if report is None and overtaken(moment, run):
        draft.say(
            "Overtaken",
            f"run {run} finds a higher run in the log: the number of the next one is asked of the bucket",
            warning=True,
        )
        once_more(moment, draft)
        draft.amend(overtaken=True)
        return
    if moment.spec.job.parallelism != draft.deployed.parallelism and not _runs(report):
        once_more(moment, draft)
        return
    _note_registered(moment, draft, report)
    tell_skipped(draft, report)
    if report is None:
        draft.wait(f"the JobManager of run {run}", at_most=5)
    elif report.start_refused is not None:
        _refused(moment, draft, report)
        return
    elif held(draft, report):
        nonces = draft.status.nonces or Nonces()
        if nonces.restart != moment.spec.upgrade.restart_nonce:
            draft.record(nonces=nonces.model_copy(update={"restart": moment.spec.upgrade.restart_nonce}))
            draft.blocked = None
            once_more(moment, draft)
        return
    elif report.ending is Ending.STOPPED:
        once_more(moment, draft)
        return
    elif report.state is JobState.FAILED and has_nothing_to_restore(draft, report):
        once_more(moment, draft)
        from_the_tail_instead(draft, report)
        return
    elif report.state is JobState.RUNNING or report.ending is Ending.FINISHED:
        enter(moment, draft, UpgradePhase.STABILIZING)
        return
    else:
        draft.wait(f"run {run}: its job is {report.state}", at_most=5)
    _go_back_if_hopeless(moment, draft, report)


def stabilize(moment: Moment, draft: Draft) -> None:
    """The new run must stay up through the window and complete a checkpoint that began in it."""
    assert draft.deployed is not None
    assert draft.upgrade is not None
    run, upgrade = draft.deployed.run, draft.upgrade
    tend(moment, draft)
    draft.do(PointService(run=run))
    report = moment.report(run)
    tell_skipped(draft, report)
    if report is not None and report.ending is Ending.STOPPED:
        once_more(moment, draft)
        return
    if held(draft, report):
        return
    if _go_back_if_hopeless(moment, draft, report):
        return
    began_at = began(upgrade, UpgradePhase.STABILIZING)
    checkpoints = moment.checkpoints_of(draft.deployed)
    verdict = judge(moment.spec.upgrade, checkpoints, report, began_at or moment.now, moment.now)
    if isinstance(verdict, Stable):
        snapshot = report.restored.path if report is not None and report.restored else upgrade.snapshot
        if upgrade.revision is not None:
            mark(draft, upgrade.revision, stable=True, snapshot=snapshot)
        draft.say("Stable", f"run {run} is stable: {verdict.reason}")
        conclude(moment, draft)
        return
    draft.wait(verdict.reason, at_most=5)
    if verdict.wants_checkpoint and report is not None and report.state is JobState.RUNNING:
        draft.do(
            TriggerCheckpoint(
                run=run, trigger=trigger_id(moment.uid, run, Purpose.STABILITY, report.failed_checkpoints)
            )
        )


def _runs(report: JobManagerReport | None) -> bool:
    return report is not None and report.state is JobState.RUNNING


def _note_registered(moment: Moment, draft: Draft, report: JobManagerReport | None) -> None:
    """From here to RUNNING is what restoring takes."""
    assert draft.deployed is not None
    assert draft.upgrade is not None
    if report is None or report.standby or draft.upgrade.registered_at is not None:
        return
    if len(report.task_managers) >= draft.deployed.task_managers:
        draft.amend(registered_at=moment.now)


def _allocate(moment: Moment, draft: Draft) -> None:
    upgrade, status = draft.upgrade, draft.status
    assert upgrade is not None
    assert upgrade.revision is not None
    standby = upgrade.run is not None
    run = upgrade.run or max([status.highest_run, status.run, *moment.observed.runs]) + 1
    parallelism = upgrade.parallelism or moment.spec.job.parallelism
    spec = moment.revision_spec(upgrade.revision) or moment.spec
    draft.record(
        run=run,
        highest_run=max(run, status.highest_run),
        revision=upgrade.revision,
        rescale=None,
        not_running_since=moment.now,
        deployed=Deployed(
            run=run,
            revision=upgrade.revision,
            parallelism=parallelism,
            task_managers=pods_for(spec, upgrade.slots_required or parallelism),
            start=upgrade.start or StartDirective(),
            standby=standby,
            began_at=moment.now,
        ),
    )
    draft.amend(run=run)


def _refused(moment: Moment, draft: Draft, report: JobManagerReport) -> None:
    """The log had moved on: whatever was decided, the tail is what to go on from; under a new number."""
    refused = report.start_refused
    assert refused is not None
    draft.say(
        "StartRefused",
        f"run {report.run} expected fence record {refused.expected} to be the last and found {refused.found}: planned again",
        warning=True,
    )
    draft.record(claimed=True)
    once_more(moment, draft)
    draft.amend(start=StartDirective(expected_tail=refused.found))


def _go_back_if_hopeless(moment: Moment, draft: Draft, report: JobManagerReport | None) -> bool:
    upgrade = draft.upgrade
    assert upgrade is not None
    began_at = began(upgrade, UpgradePhase.STARTING) or moment.now
    checkpoints = moment.checkpoints_of(draft.deployed)
    verdict = judge(moment.spec.upgrade, checkpoints, report, began_at, moment.now)
    if not isinstance(verdict, Hopeless):
        return False
    if moment.spec.paused:
        draft.block("Degraded", "NotStable", f"{verdict.reason}; the job is paused and is not taken back")
        return False
    previous = last_stable(draft, besides=upgrade.revision)
    proven = is_stable(draft, upgrade.revision)
    if (
        proven
        or upgrade.reason is UpgradeReason.ROLLBACK
        or previous is None
        or not moment.spec.upgrade.rollback
    ):
        ran = (
            f". Revision {upgrade.revision} ran well before, so there is no going back from it"
            if proven
            else ""
        )
        draft.block("Degraded", "NotStable", f"{verdict.reason}{ran}. See to the cause, or change the spec")
        if report is None or report.ending is None:
            return False
        conclude(moment, draft)
        return True
    if upgrade.revision is not None:
        mark(draft, upgrade.revision, stable=False)
    cause = draft.status.root_cause
    why = f"revision {upgrade.revision} did not become stable: {verdict.reason}"
    why += f"; {cause.kind}: {cause.message}" if cause is not None else ""
    pin = Pin(revision=previous, against=spec_hash(moment.spec), reason=PinReason.ROLLBACK, message=why)
    draft.record(pin=pin)
    draft.say("RollingBack", f"{why}; back to revision {previous}", warning=True)
    fallback = _start_of_rollback(upgrade)
    begin(moment, draft, UpgradeReason.ROLLBACK, previous, phase=UpgradePhase.DRAINING)
    draft.amend(
        mode=UpgradeMode.LAST_STATE,
        because=why,
        start=fallback,
    )
    return True


def _start_of_rollback(upgrade: UpgradeIntent) -> StartDirective:
    """The tail, so that nothing is repeated. A start without state that completed nothing left the state before it."""
    start = upgrade.start
    if start is not None and start.mode is StartMode.EMPTY and upgrade.snapshot is not None:
        return StartDirective(mode=StartMode.FROM, path=upgrade.snapshot, unless_newer=True)
    return StartDirective()
