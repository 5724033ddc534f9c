"""Moving a change of the run from phase to phase, and its end, as the status records them."""

from __future__ import annotations

from datetime import datetime, timedelta

from weir_operator.models import Downtime, Duration, UpgradeIntent, UpgradePhase, UpgradeRecord
from weir_operator.models.memory import StartDirective, StartMode
from weir_operator.models.stream_job_status import PhaseTimes
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.upgrade.machine import move

#: Entries of ``status.upgrade.times``: the first says since when the change is wanted, the others are the newest.
KEPT_TIMES = 20
#: Between two tries that fail: doubled each time, up to the second.
_FIRST_RETRY, _LONGEST_RETRY = timedelta(seconds=10), timedelta(minutes=5)
_DOUBLINGS = 10


def enter(moment: Moment, draft: Draft, phase: UpgradePhase) -> None:
    """The change under way goes on to ``phase``."""
    upgrade = draft.upgrade
    assert upgrade is not None
    move(upgrade.phase, phase)
    times = (*upgrade.times, PhaseTimes(phase=phase, began_at=moment.now))
    if len(times) > KEPT_TIMES:
        times = (times[0], *times[1 - KEPT_TIMES :])
    draft.amend(phase=phase, times=times)
    if phase is UpgradePhase.STARTING:
        draft.amend(registered_at=None)


def once_more(moment: Moment, draft: Draft) -> None:
    """The new run makes room for another one, which goes on from whatever this one reached.

    A start that the run never made is still to be made; whether it did, the fence log knows: a named snapshot is restored
    only at the tail that was decided on.
    """
    upgrade = draft.upgrade
    assert upgrade is not None
    report = moment.report(upgrade.run)
    claimed = report is not None and report.epoch is not None
    if claimed or upgrade.start is None or upgrade.start.mode is StartMode.TAIL:
        draft.amend(start=StartDirective())
    draft.amend(run=None, parallelism=None)
    enter(moment, draft, UpgradePhase.DRAINING)


def cancel(draft: Draft, why: str) -> None:
    """The change under way is not made; nothing was done for it that has to be undone."""
    upgrade = draft.upgrade
    assert upgrade is not None
    move(upgrade.phase, None)
    draft.record(upgrade=None)
    draft.say("UpgradeCancelled", why)


def conclude(moment: Moment, draft: Draft) -> None:
    """The change under way is made: what was done goes to ``status.lastUpgrade``."""
    upgrade = draft.upgrade
    assert upgrade is not None
    move(upgrade.phase, None)
    age = None
    left = began(upgrade, UpgradePhase.DRAINING)
    if upgrade.snapshot_at is not None and left is not None:
        age = Duration.of(max((left - upgrade.snapshot_at).total_seconds(), 0))
    draft.record(
        upgrade=None,
        last_upgrade=UpgradeRecord(
            requested_mode=upgrade.requested_mode,
            mode=upgrade.mode,
            reason=upgrade.because,
            revision=upgrade.revision,
            snapshot=upgrade.snapshot,
            snapshot_age=age,
            completed_at=moment.now,
            downtime=_downtime(upgrade),
        ),
    )


def began(upgrade: UpgradeIntent, phase: UpgradePhase) -> datetime | None:
    """When the change entered a phase last."""
    times = [entry.began_at for entry in upgrade.times if entry.phase is phase]
    return times[-1] if times else None


def asked(upgrade: UpgradeIntent) -> datetime:
    """When the change was first wanted."""
    return upgrade.times[0].began_at


def in_phase_for(upgrade: UpgradeIntent, now: datetime) -> timedelta:
    """How long the change is in its phase."""
    return now - upgrade.times[-1].began_at


def retry_delay(failed: int) -> timedelta:
    """Until a step is tried again that failed now, and ``failed`` times before."""
    return min(_FIRST_RETRY * (1 << min(failed, _DOUBLINGS)), _LONGEST_RETRY)


def _downtime(upgrade: UpgradeIntent) -> Downtime | None:
    # A standby takes over at once: nothing is drained, and the stop begins with the savepoint.
    stop = began(upgrade, UpgradePhase.DRAINING) or began(upgrade, UpgradePhase.STOPPING)
    start = began(upgrade, UpgradePhase.STARTING)
    runs = began(upgrade, UpgradePhase.STABILIZING)
    if stop is None or upgrade.from_run is None:
        return None
    there = upgrade.registered_at or runs  # seen late: both came between two looks, so the rest is none
    return Downtime(stop=_between(stop, start), start=_between(start, there), restore=_between(there, runs))


def _between(before: datetime | None, after: datetime | None) -> Duration | None:
    """None: one of the two did not come, or what came after it was begun once more."""
    if before is None or after is None or after < before:
        return None
    return Duration.of((after - before).total_seconds())
