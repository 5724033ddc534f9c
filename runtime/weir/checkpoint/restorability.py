"""Whether a snapshot fits a plan, operator by operator. Decides; does no I/O and knows no user code.

The JobManager asks before it deploys, ``weir plan --from`` before anything is stopped: both get the same answer. State
is matched by operator id alone. Whether the types of a state fit is known to the job's functions only, which open later.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from weir.checkpoint.metadata import OperatorState, SnapshotMetadata, label_of
from weir.graph.physical import ChainedOperator, PhysicalPlan, PhysicalVertex
from weir.ids import OperatorId


class Fit(enum.StrEnum):
    """What becomes of one operator."""

    MATCHED = "matched"  #: what the snapshot has of it is restored
    NEW = "new"  #: the snapshot does not know it: it starts empty
    ORPHANED = "orphaned"  #: state that no operator of the job claims
    GONE = "gone"  #: it was in the snapshot, without state, and is not in the job: nothing is lost
    CONFLICT = "conflict"  #: keyed state under another max parallelism


@dataclass(frozen=True)
class OperatorFit:
    """One operator of the job, of the snapshot, or of both."""

    fit: Fit
    operator_id: OperatorId
    label: str  #: how messages name it
    #: In the job; ``None``: the job has no such operator.
    operator: ChainedOperator | None = None
    vertex: PhysicalVertex | None = None
    #: In the snapshot; ``None``: the snapshot has no such operator.
    state: OperatorState | None = None


def compare(plan: PhysicalPlan, metadata: SnapshotMetadata) -> tuple[OperatorFit, ...]:
    """Every operator of the plan in its order, then those of the snapshot that the plan does not have."""
    held = {operator.operator_id: operator for operator in metadata.operators}
    fits = [
        _claimed(operator, vertex, held.pop(operator.operator_id, None))
        for vertex in plan.vertices
        for operator in vertex.operators
    ]
    return (*fits, *map(_unclaimed, held.values()))


def refusal(
    fits: Iterable[OperatorFit], *, job: str, where: str, allow_non_restored_state: bool
) -> str | None:
    """Why the snapshot ``where`` is not restored into ``job``: one message with every uid or both values; or ``None``."""
    fits = tuple(fits)
    orphaned = [fit.label for fit in fits if fit.fit is Fit.ORPHANED]
    if orphaned and not allow_non_restored_state:
        return (
            f"{where} holds state that no operator of job {job} claims: {', '.join(orphaned)}; give the operators these "
            "uids again, or drop that state with --allow-non-restored-state (job.allowNonRestoredState)"
        )
    conflicts = [
        (fit.label, fit.state.max_parallelism, fit.vertex.max_parallelism)
        for fit in fits
        if fit.fit is Fit.CONFLICT and fit.state is not None and fit.vertex is not None
    ]
    if conflicts:
        said = ", ".join(
            f"max parallelism {held} for {label}, the job asks for {asked}"
            for label, held, asked in conflicts
        )
        kept = " and ".join(str(held) for held in sorted({held for _, held, _ in conflicts}))
        return f"{where} has {said}; keep {kept} or start without state"
    return None


def _claimed(operator: ChainedOperator, vertex: PhysicalVertex, state: OperatorState | None) -> OperatorFit:
    fit = Fit.NEW if state is None else Fit.MATCHED
    if state is not None and state.keyed and state.max_parallelism != vertex.max_parallelism:
        fit = Fit.CONFLICT
    label = label_of(operator.uid, operator.name, operator.operator_id)
    return OperatorFit(fit, operator.operator_id, label, operator, vertex, state)


def _unclaimed(state: OperatorState) -> OperatorFit:
    fit = Fit.ORPHANED if state.stateful else Fit.GONE
    return OperatorFit(fit, state.operator_id, state.label, state=state)
