"""Turns a plan, workers and a restore point into one ``Deploy`` message a worker. Pure.

``slot_matching`` says which subtask runs where; here each subtask gets the handles of the state that it restores, and
what cannot be restored is refused: state that no operator claims, and keyed state under another max parallelism.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from msgspec import structs

from weir.checkpoint.metadata import OperatorState, SnapshotKind, SnapshotMetadata
from weir.checkpoint.restorability import compare, refusal
from weir.errors import SnapshotMismatch
from weir.graph.logical import Partitioning
from weir.graph.physical import PhysicalPlan, PhysicalVertex
from weir.ids import OperatorId, SubtaskId, WorkerId
from weir.jobmanager.history.restoring import Restore
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.slots.slot_matching import match
from weir.keygroups import key_group_range
from weir.rpc.messages import (
    Deploy,
    Execution,
    RestoredOperator,
    SubtaskRef,
    TaskDeployment,
)
from weir.state.rescale import Receivers, assign_in_flight, assign_keyed, assign_operator
from weir.state.snapshot import OperatorSubtaskState, StateHandle


def deployments(
    execution: Execution,
    job: PlannedJob,
    workers: Mapping[WorkerId, str],
    root: str | None,
    restore: Restore | None,
) -> dict[WorkerId, Deploy]:
    """The message for each worker. ``workers`` maps those granted, in order, to their data addresses.

    ``root`` is the job's folder. Raises ``SnapshotMismatch``.
    """
    placed = match(job.plan, tuple(workers))
    placement = tuple(
        SubtaskRef(subtask.vertex, subtask.index, worker, workers[worker])
        for subtask, worker in placed.items()
    )
    states = _restorable(job, restore)
    tasks: dict[WorkerId, list[TaskDeployment]] = defaultdict(list)
    for vertex in job.plan.vertices:
        for index in range(vertex.parallelism):
            keyed_only = _keyed_only(job.plan, vertex)
            task = _task(vertex, index, states, keyed_only=keyed_only)
            tasks[placed[SubtaskId(vertex.id, index)]].append(task)
    return {
        worker: Deploy(
            execution=execution,
            job=job.spec,
            settings=job.settings,
            plan=job.plan,
            tasks=tuple(given),
            placement=placement,
            checkpoint_root=root,
            restore_root=None if restore is None or restore.own else _root(restore),
        )
        for worker, given in tasks.items()
    }


def check_restorable(job: PlannedJob, metadata: SnapshotMetadata, where: str) -> None:
    """Raise ``SnapshotMismatch`` if ``metadata`` does not fit the plan; names every uid or both values."""
    refused = refusal(
        compare(job.plan, metadata),
        job=job.spec.name,
        where=where,
        allow_non_restored_state=job.spec.allow_non_restored_state,
    )
    if refused is not None:
        raise SnapshotMismatch(refused)


def _restorable(job: PlannedJob, restore: Restore | None) -> dict[OperatorId, OperatorState]:
    if restore is None:
        return {}
    check_restorable(job, restore.metadata, restore.uri or "the snapshot")
    operators = {operator.operator_id: operator for operator in restore.metadata.operators}
    if restore.own or _shares(restore.metadata):
        return operators
    prefix = f"chk-{restore.metadata.checkpoint_id}/"
    return {key: _relative(operator, prefix) for key, operator in operators.items()}


def _shares(metadata: SnapshotMetadata) -> bool:
    """Whether it is made of files beside its own folder."""
    return metadata.kind is SnapshotKind.CHECKPOINT and any(
        state.shared for operator in metadata.operators for state in operator.subtasks
    )


def _root(restore: Restore) -> str:
    """Where the files of another job's snapshot are named from."""
    return restore.uri.rpartition("/")[0] if _shares(restore.metadata) else restore.uri


def _relative(operator: OperatorState, prefix: str) -> OperatorState:
    """Another job's checkpoint names its files from that job's folder; here they are named from its own."""

    def named(handle: StateHandle | None) -> StateHandle | None:
        if handle is None or handle.path is None:
            return handle
        return structs.replace(handle, path=handle.path.removeprefix(prefix))

    subtasks = tuple(
        structs.replace(
            subtask,
            keyed=named(subtask.keyed),
            operator=named(subtask.operator),
            in_flight=named(subtask.in_flight),
        )
        for subtask in operator.subtasks
    )
    return structs.replace(operator, subtasks=subtasks)


def _task(
    vertex: PhysicalVertex,
    index: int,
    states: Mapping[OperatorId, OperatorState],
    *,
    keyed_only: bool = False,
) -> TaskDeployment:
    """``keyed_only``: whether all rows come to the vertex by key."""
    restored = tuple(
        _restored(
            states[operator.operator_id],
            vertex,
            index,
            keyed_only=keyed_only and operator.upstream is None,
        )
        for operator in vertex.operators
        if operator.operator_id in states
    )
    return TaskDeployment(vertex=vertex.id, index=index, restored=restored)


def _keyed_only(plan: PhysicalPlan, vertex: PhysicalVertex) -> bool:
    return all(edge.partitioning is Partitioning.HASH for edge in plan.edges if edge.target == vertex.id)


def _restored(
    operator: OperatorState, vertex: PhysicalVertex, index: int, *, keyed_only: bool
) -> RestoredOperator:
    by_index = {state.subtask: state for state in operator.subtasks}
    split_only = all(state.split_only for state in operator.subtasks)
    files = assign_operator(operator.parallelism, vertex.parallelism, index, split_only)
    keyed = _keyed_subtasks(operator, vertex, index)
    receivers = Receivers(operator.parallelism, operator.max_parallelism)
    now = Receivers(vertex.parallelism, vertex.max_parallelism)
    on_their_way = {
        old
        for old in assign_in_flight(receivers, now, index, keyed_only=keyed_only)
        if old in by_index and by_index[old].in_flight is not None
    }
    states = []
    for old in sorted({*files.old_subtasks, *keyed, *on_their_way}):
        state = by_index.get(old)
        if state is not None:
            parts = _parts(state, keyed=old in keyed, operator=old in files.old_subtasks)
            states.append(parts if old in on_their_way else structs.replace(parts, in_flight=None))
    return RestoredOperator(
        operator_id=operator.operator_id,
        old_parallelism=operator.parallelism,
        states=tuple(states),
        own_only=files.own_only,
    )


def _keyed_subtasks(operator: OperatorState, vertex: PhysicalVertex, index: int) -> set[int]:
    """Old subtasks whose key groups the new one gets."""
    with_keys = [(state.subtask, state.key_groups) for state in operator.subtasks if state.key_groups]
    new_range = key_group_range(vertex.max_parallelism, vertex.parallelism, index)
    return {with_keys[i][0] for i in assign_keyed([groups for _, groups in with_keys], new_range)}


def _parts(state: OperatorSubtaskState, *, keyed: bool, operator: bool) -> OperatorSubtaskState:
    if not keyed:
        state = structs.replace(state, keyed=None, key_groups=None)
    return state if operator else structs.replace(state, operator=None)
