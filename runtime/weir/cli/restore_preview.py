"""``weir plan --from``: what a restore would do, by uid, before anything is stopped.

The snapshot is read and verified as ``weir inspect`` does, the decision is the JobManager's own
(``checkpoint.restorability``). What the functions declare when they open cannot be known here, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from msgspec import structs

from weir.checkpoint import restorability, store
from weir.checkpoint.inspection import FileFault, OperatorFacts, inspect_snapshot
from weir.checkpoint.metadata import SnapshotKind
from weir.checkpoint.restorability import Fit, OperatorFit
from weir.checkpoint.state_counts import StateFacts
from weir.checkpoint.store import LoadedSnapshot
from weir.cli.plan import plan_resource
from weir.cli.resource import read_target
from weir.cli.text import counted, size, table
from weir.errors import SnapshotError
from weir.graph.physical import PhysicalPlan
from weir.graph.render import render
from weir.ids import CheckpointId, JobId, OperatorId
from weir.jobmanager.planning import PlannedJob
from weir.storage import absolute_uri

#: What is known only when the job's functions open.
TYPES_NOTE = (
    "the types of states are compared when the functions open: a changed type is refused then, "
    "a state that no function asks for stays in the next snapshots"
)


class UidPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one operator of the job, of the snapshot, or of both."""

    fit: Fit
    uid: str | None
    operator_id: OperatorId
    name: str
    #: In the snapshot; ``None``: it is not in there.
    old_parallelism: int | None = None
    old_max_parallelism: int | None = None
    #: In the job; ``None``: the job does not have it.
    new_parallelism: int | None = None
    new_max_parallelism: int | None = None
    bytes: int = 0
    states: tuple[StateFacts, ...] = ()


class RestorePreview(msgspec.Struct, frozen=True, kw_only=True):
    """A job beside the snapshot that it would start from."""

    snapshot: str
    kind: SnapshotKind
    checkpoint_id: CheckpointId
    job_id: JobId
    job_name: str
    operators: tuple[UidPreview, ...]
    #: Why the restore would be refused; ``None``: it would not be.
    refused: str | None
    #: Uids (or names and ids) whose state would be dropped, as was allowed.
    dropped: tuple[str, ...] = ()
    faults: tuple[FileFault, ...] = ()
    notes: tuple[str, ...] = (TYPES_NOTE,)


class PlanWithRestore(msgspec.Struct, frozen=True, kw_only=True):
    """What ``weir plan --from PATH -o json`` prints."""

    plan: PhysicalPlan
    restore: RestorePreview


def plan_with_restore(
    target: str,
    args: Sequence[str],
    path: str,
    *,
    allowed: bool = False,
    json: bool = False,
    config: str | None = None,
) -> tuple[str, tuple[str, ...], bool]:
    """The plan and what a restore from ``path`` would do, as text; notes for stderr; whether it would be refused.

    Raises as ``plan_text`` and :func:`preview` do.
    """
    resource = read_target(target, args, config=config)
    if allowed:
        resource = replace(resource, spec=structs.replace(resource.spec, allow_non_restored_state=True))
    planned = plan_resource(resource)
    found = preview(planned, path)
    if json:
        both = PlanWithRestore(plan=planned.plan, restore=found)
        text = msgspec.json.format(msgspec.json.encode(both)).decode() + "\n"
    else:
        text = f"{render(planned.plan)}\n{preview_text(found)}"
    return text, resource.notes, found.refused is not None


def preview(job: PlannedJob, path: str) -> RestorePreview:
    """Compare ``job`` with the snapshot at ``path``. Raises ``SnapshotError`` when it cannot be read at all."""
    snapshot = store.load(absolute_uri(path))
    facts = inspect_snapshot(snapshot)
    fits = restorability.compare(job.plan, snapshot.metadata)
    allowed = job.spec.allow_non_restored_state
    refused = restorability.refusal(
        fits, job=job.spec.name, where=snapshot.uri, allow_non_restored_state=allowed
    )
    if facts.faults:
        damage = "; ".join(fault.message for fault in facts.faults)
        refused = damage if refused is None else f"{damage}; {refused}"
    else:
        refused = refused or _lost_rows(job.plan, snapshot)
    held = {operator.operator_id: operator for operator in facts.operators}
    return RestorePreview(
        snapshot=facts.uri,
        kind=facts.kind,
        checkpoint_id=facts.checkpoint_id,
        job_id=facts.job_id,
        job_name=facts.job_name,
        operators=tuple(_uid(fit, held.get(fit.operator_id)) for fit in fits),
        refused=refused,
        dropped=tuple(fit.label for fit in fits if allowed and fit.fit is Fit.ORPHANED),
        faults=facts.faults,
    )


def preview_text(found: RestorePreview) -> str:
    """The comparison for people; why it would be refused stands at its end."""
    lines = [
        f"start from {found.kind} {found.checkpoint_id} of job {found.job_name or '(no name)'} ({found.snapshot})",
        *table([_row(uid) for uid in found.operators], indent=2, right=(3,)),
        *(f"  note: {note}" for note in found.notes),
    ]
    if found.refused is not None:
        lines.append(f"  would be refused: {found.refused}")
    else:
        lines.append(f"  would be restored{': ' if found.dropped else ''}{_dropped(found)}")
    return "\n".join(lines) + "\n"


def _lost_rows(plan: PhysicalPlan, snapshot: LoadedSnapshot) -> str | None:
    """What a worker would refuse: rows on their way along an edge that is gone. Their names are read, they are not."""
    if not any(operator.in_flight for operator in snapshot.metadata.operators):
        return None
    # With it comes the room of the tasks: only where a snapshot holds such rows.
    from weir.taskmanager import in_flight
    from weir.taskmanager.receiving import unreceived

    for operator in snapshot.metadata.operators:
        for subtask in operator.subtasks:
            if subtask.in_flight is None:
                continue
            try:
                found = in_flight.decode(snapshot.read_state(subtask.in_flight))
            except SnapshotError as error:
                return str(error)
            if fault := unreceived(plan, operator.operator_id, found):
                return fault
    return None


def _uid(fit: OperatorFit, facts: OperatorFacts | None) -> UidPreview:
    operator, vertex, state = fit.operator, fit.vertex, fit.state
    return UidPreview(
        fit=fit.fit,
        uid=operator.uid if operator is not None else state.uid if state is not None else None,
        operator_id=fit.operator_id,
        name=operator.name if operator is not None else state.name if state is not None else "",
        old_parallelism=None if state is None else state.parallelism,
        old_max_parallelism=None if state is None else state.max_parallelism,
        new_parallelism=None if vertex is None else vertex.parallelism,
        new_max_parallelism=None if vertex is None else vertex.max_parallelism,
        bytes=0 if state is None else state.size,
        states=() if facts is None else facts.states,
    )


def _row(uid: UidPreview) -> tuple[str, ...]:
    identity = f"uid {uid.uid}" if uid.uid else f"{uid.name} (id {uid.operator_id[:8]})"
    shape = _change("parallelism", uid.old_parallelism, uid.new_parallelism)
    if uid.fit is Fit.CONFLICT:
        shape += ", " + _change("max parallelism", uid.old_max_parallelism, uid.new_max_parallelism)
    states = ", ".join(f"{state.name} ({state.kind}, {state.type})" for state in uid.states)
    return str(uid.fit), identity, shape, _size(uid), states


def _size(uid: UidPreview) -> str:
    if uid.bytes or uid.fit is Fit.NEW:
        return size(uid.bytes) if uid.bytes else ""
    return "no state"


def _change(what: str, old: int | None, new: int | None) -> str:
    if old is None or new is None or old == new:
        return f"{what} {old if new is None else new}"
    return f"{what} {old} -> {new}"


def _dropped(found: RestorePreview) -> str:
    if not found.dropped:
        return ""
    return f"the state of {counted(len(found.dropped), 'operator')} is dropped: {', '.join(found.dropped)}"
