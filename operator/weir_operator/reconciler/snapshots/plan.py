"""From a StreamJobSnapshot and the facts to a status and actions. Pure, and called again after every change of either.

``status`` is written before the actions are carried out, so whatever they begin is known to the next pass. A snapshot that
is complete, or has failed for good, stays what it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from weir_operator.models import (
    Condition,
    SavepointRecord,
    Size,
    SnapshotPhase,
    SnapshotSummary,
    StreamJobSnapshotStatus,
    Trigger,
)
from weir_operator.observer.moments import moment as time_of
from weir_operator.reconciler.actions import Action, EnsureFinalizer, Event, RemoveFinalizer
from weir_operator.reconciler.snapshots.disposing import dispose
from weir_operator.reconciler.snapshots.moment import SnapshotDraft, SnapshotMoment
from weir_operator.reconciler.snapshots.taking import adopt, take
from weir_operator.resources import labels
from weir_operator.status.conditions import INVALID_SPEC

FINALIZER = "weir.dev/snapshot"
_ENDS = frozenset({SnapshotPhase.COMPLETED, SnapshotPhase.FAILED})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPlan:
    """What one pass decided."""

    status: StreamJobSnapshotStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    #: None: only when something happens.
    requeue_after: timedelta | None = None


def plan(moment: SnapshotMoment) -> SnapshotPlan:
    """Decide."""
    metadata, spec = moment.snapshot.metadata, moment.snapshot.spec
    draft = SnapshotDraft(status=moment.snapshot.status)
    if metadata.deletion_timestamp is not None:
        if FINALIZER not in metadata.finalizers:
            return SnapshotPlan(status=moment.snapshot.status)
        dispose(moment, draft, time_of(metadata.deletion_timestamp) or moment.now)
        return _finish(moment, draft)
    # Whether its files go with it is read when it goes, so `dispose` may be set a moment before.
    held = spec.job is not None and not moment.observed.namespace_terminating
    if held != (FINALIZER in metadata.finalizers):
        draft.do(EnsureFinalizer() if held else RemoveFinalizer())
    if draft.status.phase not in _ENDS or _was_refused(draft.status):
        _go_on(moment, draft)
    return _finish(moment, draft)


def by_whom(moment: SnapshotMoment) -> Trigger:
    """What it is taken for: only the operator's own say something else than that somebody made the resource."""
    metadata = moment.snapshot.metadata
    said = metadata.annotations.get(labels.TRIGGER)
    ours = metadata.labels.get(labels.MANAGED_BY) == labels.OPERATOR and said in set(Trigger)
    return Trigger(said) if ours and said is not None else Trigger.RESOURCE


def _go_on(moment: SnapshotMoment, draft: SnapshotDraft) -> None:
    spec = moment.snapshot.spec
    if moment.faults:
        message = "; ".join(moment.faults)
        if message != draft.status.message:
            draft.say(INVALID_SPEC, message, warning=True)
        draft.record(phase=SnapshotPhase.FAILED, message=message)
    elif spec.external is not None:
        draft.record(phase=SnapshotPhase.COMPLETED, path=spec.external, message=None)
    elif (taken := _taken(moment)) is not None:
        adopt(draft, taken)
        draft.record(job_id=moment.snapshot.metadata.labels.get(labels.UID, "").replace("-", "") or None)
    else:
        created = time_of(moment.snapshot.metadata.creation_timestamp) or moment.now
        take(moment, draft, trigger=by_whom(moment), created=created)


def _was_refused(status: StreamJobSnapshotStatus) -> bool:
    """Its spec had faults, which may be mended."""
    return status.phase is SnapshotPhase.FAILED and any(
        condition.type == "Ready" and condition.reason == INVALID_SPEC for condition in status.conditions
    )


def _taken(moment: SnapshotMoment) -> SavepointRecord | None:
    """The savepoint that a resource of the operator tells of."""
    if by_whom(moment) is Trigger.RESOURCE:
        return None
    try:
        return SavepointRecord.model_validate(
            json.loads(moment.snapshot.metadata.annotations.get(labels.TAKEN) or "null")
        )
    except (ValueError, ValidationError):
        return None


def _finish(moment: SnapshotMoment, draft: SnapshotDraft) -> SnapshotPlan:
    status, spec = draft.status, moment.snapshot.spec
    reason = _reason(moment, draft)
    summary = SnapshotSummary(
        job=spec.job or "external",
        size=str(Size.of(status.bytes)) if status.bytes is not None else "none",
        path=status.path or "none",
        message=status.message or reason,
    )
    held = {condition.type: condition for condition in moment.snapshot.status.conditions}
    complete, failed = status.phase is SnapshotPhase.COMPLETED, status.phase is SnapshotPhase.FAILED
    conditions = [_condition(moment, held, "Ready", complete, reason, status.message)]
    if failed:
        conditions.append(_condition(moment, held, "Stalled", True, reason, status.message))
    draft.record(
        summary=summary,
        conditions=tuple(conditions),
        observed_generation=moment.snapshot.metadata.generation,
    )
    return SnapshotPlan(
        status=draft.status,
        actions=tuple(draft.actions),
        events=tuple(draft.events),
        requeue_after=draft.wake,
    )


def _reason(moment: SnapshotMoment, draft: SnapshotDraft) -> str:
    phase = draft.status.phase or SnapshotPhase.PENDING
    if phase is not SnapshotPhase.FAILED:
        return phase.value
    if moment.faults:
        return INVALID_SPEC
    said = [event.reason for event in draft.events if event.warning]
    before = [c.reason for c in moment.snapshot.status.conditions if c.type == "Stalled"]
    return (said or before or [phase.value])[-1]


def _condition(
    moment: SnapshotMoment,
    held: dict[str, Condition],
    kind: str,
    holds: bool,
    reason: str,
    message: str | None,
) -> Condition:
    value: Literal["True", "False"] = "True" if holds else "False"
    before = held.get(kind)
    same = before is not None and before.status == value
    return Condition(
        type=kind,
        status=value,
        observed_generation=moment.snapshot.metadata.generation,
        last_transition_time=before.last_transition_time if before is not None and same else moment.now,
        reason=reason,
        message=message or "",
    )
