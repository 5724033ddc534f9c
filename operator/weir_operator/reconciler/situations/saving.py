"""Savepoints that the spec asks for beside the job's life: by ``savepointNonce`` and by schedule; and which of them are kept.

Each is a StreamJobSnapshot, which sees to itself from then on. Its name is written into the status before it is made, so
that it is made once. Savepoints that were taken to stop a run get such a resource as well: all are listed, kept and
deleted alike, also while the job is suspended.
"""

from __future__ import annotations

from datetime import timedelta

from weir_operator.models import Nonces, PendingSnapshot, SavepointRecord, SnapshotPhase, Trigger
from weir_operator.models.texts import folder
from weir_operator.observed import SnapshotResource
from weir_operator.reconciler.actions import DeleteObject, EnsureSnapshotResource
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.beginning import restore_source
from weir_operator.reconciler.snapshots import retention, timetable
from weir_operator.resources import names

#: Savepoints that took a run's state with it when it stopped.
OF_STOPS = frozenset({Trigger.UPGRADE, Trigger.SUSPEND, Trigger.DELETION})
#: The newest so many stand in ``status.snapshots``.
LISTED = 20


def save(moment: Moment, draft: Draft) -> None:
    """One look at all of it."""
    _ask(moment, draft)
    record(moment, draft)
    in_use = _in_use(moment, draft)
    keep = moment.spec.snapshots.keep
    for old in retention.surplus(moment.observed.snapshots, keep, in_use, moment.now):
        draft.do(DeleteObject(kind="StreamJobSnapshot", name=old.name, uid=old.uid))
        draft.say("SnapshotExpired", f"StreamJobSnapshot {old.name} goes, as snapshots.keep says")
    expiry = retention.next_expiry(moment.observed.snapshots, keep, moment.now)
    if expiry is not None:
        draft.look_again(timedelta(seconds=expiry))


def record(moment: Moment, draft: Draft) -> None:
    """What there is goes into the status, and what stopped a run gets its resource."""
    ours = [found for found in moment.observed.snapshots if found.phase == SnapshotPhase.COMPLETED]
    ours.sort(key=lambda found: (found.completed_at or found.created, found.name))
    records = tuple(_record(found) for found in ours if found.owned and not found.deleting)[-LISTED:]
    if records != draft.status.snapshots:
        draft.record(snapshots=records)
    if ours and _is_newer(newest := _record(ours[-1]), draft.status.last_savepoint):
        draft.record(last_savepoint=newest)
    last = draft.status.last_savepoint
    if last is None or last.name is not None or last.trigger not in OF_STOPS:
        return
    name = names.snapshot(moment.job.metadata.name, last.trigger, last.completed_at or moment.now)
    if any(found.name == name for found in moment.observed.snapshots):
        draft.record(last_savepoint=last.model_copy(update={"name": name}))
    elif last.completed_at is not None:
        draft.do(EnsureSnapshotResource(name=name, trigger=last.trigger, taken=last))


def _ask(moment: Moment, draft: Draft) -> None:
    pending = draft.status.pending_snapshot
    if pending is not None and any(found.name == pending.name for found in moment.observed.snapshots):
        pending = None
        draft.record(pending_snapshot=None)
    wanted = None if pending is not None else _wanted(moment, draft)
    if wanted is not None:
        # One that exists already would pass for the one that is asked for now: two changes of the nonce may share a second.
        there = frozenset(found.name for found in moment.observed.snapshots)
        name = names.snapshot(moment.job.metadata.name, wanted, moment.now, besides=there)
        pending = PendingSnapshot(trigger=wanted, name=name, started_at=moment.now)
        draft.record(pending_snapshot=pending)
        draft.say("SnapshotRequested", f"StreamJobSnapshot {name} is made: {_WHY[wanted]}")
    if pending is not None:
        draft.do(EnsureSnapshotResource(name=pending.name, trigger=pending.trigger))


_WHY = {
    Trigger.NONCE: "upgrade.savepointNonce was changed",
    Trigger.SCHEDULE: "its time in snapshots.schedule has come",
}


def _wanted(moment: Moment, draft: Draft) -> Trigger | None:
    """What asks for a snapshot now; that counts as obeyed. A job that is not to run has nothing new to save."""
    nonces, wanted = draft.status.nonces or Nonces(), moment.spec.upgrade.savepoint_nonce
    if nonces.savepoint != wanted:
        draft.record(nonces=nonces.model_copy(update={"savepoint": wanted}))
        if nonces.savepoint is not None:
            return Trigger.NONCE
    turn = timetable.turn(moment.spec.snapshots.schedule, draft.status.schedule, moment.now)
    if turn.memory != draft.status.schedule:
        draft.record(schedule=turn.memory)
    if turn.memory is not None and turn.memory.next_at is not None:
        draft.look_again(turn.memory.next_at - moment.now)
    runs = moment.wanted and draft.status.end is None and draft.status.claimed
    return Trigger.SCHEDULE if turn.due and runs else None


def _in_use(moment: Moment, draft: Draft) -> frozenset[str]:
    """Paths that something starts from, or that a start may go back to."""
    status, paths = draft.status, set(moment.observed.snapshots_in_use)
    paths.add(restore_source(moment) or "")
    if status.upgrade is not None:
        paths.add(status.upgrade.snapshot or "")
        paths.add((status.upgrade.start and status.upgrade.start.path) or "")
    report = moment.report(status.run)
    if report is None or not report.has_own_checkpoint:
        # A run's base is what it goes back to until it has a checkpoint of its own.
        paths.add((report and report.restored and report.restored.path) or "")
        paths.add((status.deployed and status.deployed.start.path) or "")
        paths.add((status.last_upgrade and status.last_upgrade.snapshot) or "")
    paths.add((status.last_savepoint and status.last_savepoint.path) or "" if report is None else "")
    return frozenset(folder(path) for path in paths if path)


def _record(found: SnapshotResource) -> SavepointRecord:
    return SavepointRecord(
        path=found.path or "",
        completed_at=found.completed_at,
        trigger=next((kind for kind in Trigger if kind == found.trigger), None),
        bytes=found.bytes,
        revision=found.revision,
        name=found.name,
    )


def _is_newer(one: SavepointRecord, than: SavepointRecord | None) -> bool:
    if than is None or than.completed_at is None:
        return True
    return one.completed_at is not None and one.completed_at > than.completed_at
