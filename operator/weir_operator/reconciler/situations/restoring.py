"""What the engine tells of a restore: damaged snapshots that it passed over, that it holds since none is safe, and that a
snapshot which somebody named is gone.

The old run goes on while the pre-flight pod looks at a snapshot, and its retention may delete an old checkpoint between that
look and the start of the new run. Then nothing was claimed, and the log's tail is what the old run left.
"""

from __future__ import annotations

from weir_operator.models import UpgradeMode, UpgradeReason
from weir_operator.models.memory import StartDirective, StartMode
from weir_operator.observed import JobManagerReport
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations import bucket
from weir_operator.reconciler.situations.beginning import restore_later, restores_by_nonce


def tell_skipped(draft: Draft, report: JobManagerReport | None) -> None:
    """One event for each snapshot that a run passed over."""
    deployed = draft.deployed
    if deployed is None or report is None or report.run != deployed.run:
        return
    fresh = [skipped for skipped in report.skipped if skipped.path not in deployed.skipped]
    if not fresh:
        return
    for skipped in fresh:
        draft.say(
            "SnapshotSkipped",
            f"run {deployed.run}: {skipped.path} is damaged and was skipped for an older snapshot, nothing was committed in "
            f"between: {skipped.reason}",
            warning=True,
        )
    told = (*deployed.skipped, *(skipped.path for skipped in fresh))
    draft.record(deployed=deployed.model_copy(update={"skipped": told}))


def held(draft: Draft, report: JobManagerReport | None) -> bool:
    """Whether the engine waits for somebody to choose; then the condition says between what."""
    if report is None or report.restore_held is None:
        return False
    choices = "; ".join(report.restore_held.choices) or "none is named"
    draft.block(
        "RestoreBlocked",
        "NoSafeSnapshot",
        f"{report.restore_held.reason}; choices: {choices}. Set restore.from and change restore.nonce, or bring back what is "
        "missing and change upgrade.restartNonce",
    )
    return True


def restore_is_settled(moment: Moment, draft: Draft) -> bool:
    """Whether it is known what a job that is suspended meanwhile still has to restore when it runs again.

    A run that was begun may have restored it unseen; then the log has moved on from the tail that was decided on.
    """
    upgrade = draft.upgrade
    assert upgrade is not None
    if upgrade.start is None or not restores_by_nonce(upgrade):
        return True
    if upgrade.start.expected_tail is not None:
        found = bucket.ask(moment, draft)
        if found is None:
            return False
        bucket.forget(draft)
        if found.tail != upgrade.start.expected_tail:
            return True
    restore_later(draft)
    return True


def has_nothing_to_restore(draft: Draft, report: JobManagerReport) -> bool:
    """Whether a run that took over from another one failed to load the snapshot that was named, and claimed nothing."""
    upgrade = draft.upgrade
    if upgrade is None or upgrade.from_run is None or upgrade.start is None:
        return False
    return upgrade.start.mode is StartMode.FROM and report.epoch is None


def from_the_tail_instead(draft: Draft, report: JobManagerReport) -> None:
    """Go on from what the old run left, which is as good as before the restore was asked for."""
    upgrade = draft.upgrade
    assert upgrade is not None
    assert upgrade.start is not None
    why = report.failures[-1].message if report.failures else "it gives no reason"
    on = "the job goes on from where it stopped"
    if upgrade.reason is UpgradeReason.ROLLBACK:  # from a run that started empty and completed nothing
        on = "nothing else is left, so the job starts without state, as the revision before it was asked to"
    said = (
        f"run {report.run} could not start from {upgrade.start.path}: {why}; {on}. Name another snapshot in restore.from and "
        "change restore.nonce"
    )
    draft.say("RestoreFailed", said, warning=True)
    draft.amend(
        mode=UpgradeMode.LAST_STATE, because=said, snapshot=None, snapshot_at=None, start=StartDirective()
    )
