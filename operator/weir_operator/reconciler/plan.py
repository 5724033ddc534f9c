"""From what a StreamJob asks for and what is known of it to its next status and to actions. Pure.

The status is written before the actions are carried out: whatever they begin is already written down, so an operator that
is killed anywhere goes on from there. Every situation is in a module of its own; this one says which of them a pass is in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from weir_operator.models import StreamJob, StreamJobStatus
from weir_operator.observed import Observed
from weir_operator.reconciler.actions import Action, EnsureFinalizer, Event, ReleaseSnapshot, RemoveFinalizer
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.beginning import begin_if_needed
from weir_operator.reconciler.situations.changing import change
from weir_operator.reconciler.situations.deletion import delete
from weir_operator.reconciler.situations.finding import find
from weir_operator.reconciler.situations.rotating import rotate
from weir_operator.reconciler.situations.saving import save
from weir_operator.reconciler.situations.steady import keep
from weir_operator.reconciler.situations.sweeping import sweep
from weir_operator.reconciler.situations.targets import settle_target
from weir_operator.status.conditions import describe
from weir_operator.status.records import CLOSELY, reported, with_outage, worth_writing

FINALIZER = "weir.dev/job"
#: Without any event, a resource is looked at again after this long.
RESYNC = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one pass decided."""

    status: StreamJobStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: timedelta = field(default=RESYNC)


def plan(
    job: StreamJob,
    observed: Observed,
    now: datetime,
    faults: tuple[str, ...] = (),
    progress: timedelta = CLOSELY,
) -> Plan:
    """Decide. ``job.spec`` is valid: where the one that is asked for is not (``faults``), it is the last good one.

    Of a young run, what only tells of progress is told at most every ``progress``.
    """
    moment = Moment(job=job, observed=observed, now=now, faults=faults)
    live = observed.runs.get(job.status.run)
    draft = Draft(status=with_outage(job.status, live.report if live is not None else None, now))
    if observed.namespace_terminating and FINALIZER in job.metadata.finalizers:
        draft.do(*(ReleaseSnapshot(name=found.name, uid=found.uid) for found in observed.snapshots))
    if moment.deleting:
        if FINALIZER in job.metadata.finalizers:
            delete(moment, draft)
    elif moment.observed.namespace_terminating:
        _let_go(moment, draft)
    else:
        _live(moment, draft)
    return _finish(moment, draft, progress)


def _let_go(moment: Moment, draft: Draft) -> None:
    """The namespace is being deleted, and soon what gives us rights in it: nothing is held until then."""
    draft.wait("the namespace, which is being deleted, to be gone")
    if FINALIZER in moment.job.metadata.finalizers:
        draft.do(RemoveFinalizer())


def _live(moment: Moment, draft: Draft) -> None:
    if FINALIZER not in moment.job.metadata.finalizers:
        draft.do(EnsureFinalizer())
    if not find(moment, draft, FINALIZER):
        return
    report = moment.report(draft.status.run)
    if report is not None:
        draft.status = reported(draft.status, report)
    else:
        draft.status = draft.status.model_copy(update={"slow_edge": None})
    rotate(moment, draft)
    target = settle_target(moment, draft)
    if draft.upgrade is None:
        begin_if_needed(moment, draft, target)
    if draft.upgrade is not None:
        change(moment, draft, target)
    if draft.upgrade is None:
        keep(moment, draft)
        if draft.upgrade is not None:
            change(moment, draft, target)
    save(moment, draft)
    sweep(moment, draft)


def _finish(moment: Moment, draft: Draft, progress: timedelta) -> Plan:
    status = describe(
        draft.status,
        moment.observed,
        name=moment.job.metadata.name,
        generation=moment.job.metadata.generation,
        spec=moment.spec,
        checkpoints=moment.checkpoints_of(draft.deployed),
        deleting=moment.deleting,
        faults=moment.faults,
        blocked=draft.blocked,
        waiting=draft.waiting,
        now=moment.now,
    )
    return Plan(
        status=worth_writing(moment.job.status, status, moment.now, progress),
        actions=tuple(draft.actions),
        events=tuple(draft.events),
        requeue_after=min(draft.wake, RESYNC) if draft.wake is not None else RESYNC,
    )
