"""The first half of a change of the run: the next one is made ready if asked, the old one hands over its state, and goes.

Until its savepoint is complete (or none is needed) the old job is untouched; whatever is wrong before that blocks the
change and leaves the job running.
"""

from __future__ import annotations

from weir_operator.models import Trigger, UpgradeIntent, UpgradeMode, UpgradePhase, UpgradeReason
from weir_operator.models.memory import StartDirective, StartMode
from weir_operator.observed import Ending, JobState, RequestState
from weir_operator.reconciler.actions import DeleteRun, Purpose, StopWithSavepoint, trigger_id
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations import bucket
from weir_operator.reconciler.situations.deciding import choose, follow
from weir_operator.reconciler.situations.given_up import deployments_left, given_up, pods_left
from weir_operator.reconciler.situations.healing import trouble
from weir_operator.reconciler.situations.phases import (
    asked,
    cancel,
    conclude,
    enter,
    in_phase_for,
    retry_delay,
)
from weir_operator.reconciler.situations.restoring import restore_is_settled
from weir_operator.reconciler.situations.run_objects import tend
from weir_operator.status.records import savepoint_record
from weir_operator.upgrade.choosing import TakeSavepoint, Undecided


def stop(moment: Moment, draft: Draft) -> None:
    """The old job stops with a savepoint; when that fails it goes on, and the next try comes later."""
    upgrade = draft.upgrade
    assert upgrade is not None
    report = moment.report(upgrade.from_run)
    if report is not None and report.ending is not None:
        _stopped(moment, draft, upgrade)
        return
    tend(moment, draft)
    choice = choose(moment, draft)
    if not isinstance(choice, TakeSavepoint | Undecided):
        follow(moment, draft, choice)
        return
    trigger = upgrade.trigger
    request = report.requests.get(trigger) if report is not None and trigger is not None else None
    if request is not None and request.state is RequestState.FAILED and upgrade.retry_at is None:
        _failed(moment, draft, upgrade, request.failure or "no reason was given")
    elif upgrade.retry_at is not None and moment.now < upgrade.retry_at:
        _wait_for_retry(moment, draft, upgrade)
    elif trigger is None or upgrade.retry_at is not None:
        _ask(moment, draft, upgrade)
    else:
        _wait_for_savepoint(moment, draft, upgrade, repeat=request is None)


def drain(moment: Moment, draft: Draft) -> None:
    """All pods of earlier runs go, then the next run may begin."""
    upgrade = draft.upgrade
    assert upgrade is not None
    if upgrade.reason is UpgradeReason.RECOVERY and _runs_again(moment, draft, upgrade):
        cancel(draft, f"run {upgrade.from_run} runs again: it is not started anew")
        return
    left = [run for run in moment.observed.runs.values() if not run.gone and run.run != upgrade.run]
    draft.do(*(DeleteRun(run=run.run) for run in left))
    lost = given_up(moment)
    standing = [name for run in left for name in pods_left(run, lost)]
    deployments = [name for run in left for name in deployments_left(run, lost)]
    if standing or deployments:
        draft.wait(f"{', '.join(sorted(standing or deployments))} to be gone", at_most=5)
        return
    draft.record(deployed=None)
    if upgrade.revision is None:
        if restore_is_settled(moment, draft):
            conclude(moment, draft)
    elif _tail_is_known(moment, draft):
        enter(moment, draft, UpgradePhase.STARTING)


def _runs_again(moment: Moment, draft: Draft, upgrade: UpgradeIntent) -> bool:
    """The run that was to be started anew helped itself before anything of it was taken away.

    One that fails every few seconds runs in between, and one whose checkpoints stalled runs all the time: that is no help.
    """
    run, report = moment.run(upgrade.from_run), moment.report(upgrade.from_run)
    whole = run is not None and all(
        d is not None and not d.deleting for d in (run.jobmanager, run.taskmanager)
    )
    runs = report is not None and report.state is JobState.RUNNING and report.ending is None
    return whole and report is not None and runs and trouble(moment, draft, report) is None


def _tail_is_known(moment: Moment, draft: Draft) -> bool:
    """What is not a start from the tail rests on what the tail is: it must not be done again when it was done already."""
    upgrade = draft.upgrade
    assert upgrade is not None
    if upgrade.overtaken:
        return _number_is_known(moment, draft)
    start = upgrade.start or StartDirective()
    if start.mode is StartMode.EMPTY and moment.spec.upgrade.mode is not UpgradeMode.STATELESS:
        draft.amend(
            start=StartDirective(),
            mode=moment.spec.upgrade.mode,
            because="upgrade.mode is no longer Stateless",
        )
        return True
    if start.mode is StartMode.TAIL or start.expected_tail is not None:
        return True
    found = bucket.ask(moment, draft)
    if found is None:
        return False
    bucket.forget(draft)
    if found.newest is not None and (start.unless_newer or start.mode is StartMode.EMPTY):
        # Of an empty start it is what a rollback goes back to: the status may know an older one only.
        draft.amend(snapshot=found.newest.path, snapshot_at=found.newest.completed_at)
    if found.newest is not None and start.unless_newer:
        draft.amend(start=StartDirective())
    else:
        draft.amend(start=start.model_copy(update={"expected_tail": found.tail, "unless_newer": False}))
    return True


def _number_is_known(moment: Moment, draft: Draft) -> bool:
    """A run that nobody here knows has claimed the log: the next one must have a higher number."""
    found = bucket.ask(moment, draft)
    if found is None:
        return False
    bucket.forget(draft)
    draft.record(highest_run=max(draft.status.highest_run, found.last_run or 0), claimed=True)
    draft.amend(overtaken=False, start=StartDirective())
    return True


def _ask(moment: Moment, draft: Draft, upgrade: UpgradeIntent) -> None:
    assert upgrade.from_run is not None
    # The same change and the same attempt are the same request, whoever makes it.
    nonce = f"{asked(upgrade).isoformat()}/{upgrade.attempts}"
    trigger = trigger_id(moment.uid, upgrade.from_run, Purpose.UPGRADE, nonce)
    draft.amend(trigger=trigger, retry_at=None)
    draft.do(StopWithSavepoint(run=upgrade.from_run, trigger=trigger, target=moment.spec.storage.savepoints))
    if upgrade.attempts:
        _say_that_it_failed(draft, upgrade, "another is under way")
    draft.wait(f"the savepoint that stops run {upgrade.from_run}", at_most=5)


def _wait_for_savepoint(moment: Moment, draft: Draft, upgrade: UpgradeIntent, *, repeat: bool) -> None:
    assert upgrade.from_run is not None
    assert upgrade.trigger is not None
    if repeat:
        draft.do(
            StopWithSavepoint(
                run=upgrade.from_run, trigger=upgrade.trigger, target=moment.spec.storage.savepoints
            )
        )
    limit = moment.spec.upgrade.savepoint_timeout
    if upgrade.attempts:
        _say_that_it_failed(draft, upgrade, "another is under way")
    elif in_phase_for(upgrade, moment.now) > limit.delta:
        draft.block(
            "UpgradeBlocked",
            "SavepointTimeout",
            f"the savepoint that stops run {upgrade.from_run} takes longer than upgrade.savepointTimeout {limit}; "
            "the job goes on as it is. Take the change back, or set upgrade.mode to LastState",
        )
    draft.wait(f"the savepoint that stops run {upgrade.from_run}", at_most=5)


def _failed(moment: Moment, draft: Draft, upgrade: UpgradeIntent, why: str) -> None:
    delay = retry_delay(upgrade.attempts)
    draft.amend(attempts=upgrade.attempts + 1, retry_at=moment.now + delay, failure=why)
    assert draft.upgrade is not None
    _wait_for_retry(moment, draft, draft.upgrade)


def _wait_for_retry(moment: Moment, draft: Draft, upgrade: UpgradeIntent) -> None:
    assert upgrade.retry_at is not None
    _say_that_it_failed(draft, upgrade, f"the next try is at {upgrade.retry_at:%H:%M:%S}")
    draft.look_again(upgrade.retry_at - moment.now)


def _say_that_it_failed(draft: Draft, upgrade: UpgradeIntent, next_try: str) -> None:
    draft.block(
        "UpgradeBlocked",
        "SavepointFailed",
        f"savepoint {upgrade.attempts} of run {upgrade.from_run} failed: {upgrade.failure}; the job goes on as it is and "
        f"{next_try}. Take the change back, or set upgrade.mode to LastState",
    )


def _stopped(moment: Moment, draft: Draft, upgrade: UpgradeIntent) -> None:
    report = moment.report(upgrade.from_run)
    assert report is not None
    if report.ending is not Ending.STOPPED or report.last_savepoint is None:
        follow(moment, draft, choose(moment, draft))
        return
    saved = report.last_savepoint
    trigger = Trigger.SUSPEND if upgrade.revision is None else Trigger.UPGRADE
    revision = draft.deployed.revision if draft.deployed is not None else None
    draft.record(last_savepoint=savepoint_record(saved, trigger, revision))
    draft.amend(
        snapshot=saved.path,
        snapshot_at=saved.completed_at,
        start=StartDirective(expected_tail=report.tail),
    )
    # A standby may take over at once: the terminal record proves that the old run appends nothing more.
    enter(moment, draft, UpgradePhase.DRAINING if upgrade.run is None else UpgradePhase.STARTING)
