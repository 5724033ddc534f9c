"""What the engine tells of a restore: damaged snapshots that it passed over, and that it holds since none is safe."""

from __future__ import annotations

from weir_operator.observed import JobManagerReport
from weir_operator.reconciler.moment import Draft


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
