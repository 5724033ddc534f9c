"""Which state goes to which subtask, and what is refused."""

from __future__ import annotations

import pytest

from tests.support.graphs import line
from weir.checkpoint.metadata import FORMAT_VERSION, OperatorState, SnapshotKind, SnapshotMetadata
from weir.errors import SnapshotMismatch
from weir.graph.physical import PhysicalVertex
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, OperatorId, WorkerId
from weir.jobmanager.deployment.scheduler import deployments
from weir.jobmanager.history.restoring import Restore
from weir.jobmanager.planning import PlannedJob, planned
from weir.keygroups import key_group_range
from weir.rpc.messages import Execution, JobSpec, RestoredOperator
from weir.state.rescale import Receivers, assign_in_flight
from weir.state.snapshot import OperatorSubtaskState, object_handle

EXECUTION = Execution(JobId("c" * 32), Epoch(1), AttemptId(1))
GROUPS = 128


def job(parallelism: int = 2, max_parallelism: int = GROUPS, **spec) -> PlannedJob:
    made = JobSpec(
        name="job", entrypoint="x:y", parallelism=parallelism, max_parallelism=max_parallelism, **spec
    )
    return planned(made, line("source", "keyed-process", "sink"))


def last(plan: PlannedJob) -> PhysicalVertex:
    return plan.plan.vertices[-1]


def state(
    index: int, parallelism: int, *, keyed: bool = True, split_only: bool = True, in_flight: bool = False
) -> OperatorSubtaskState:
    groups = key_group_range(GROUPS, parallelism, index)
    return OperatorSubtaskState(
        subtask=index,
        keyed=object_handle(f"chk-4/keyed-{index}", b"k") if keyed else None,
        key_groups=(groups[0], groups[-1]) if keyed else None,
        operator=object_handle(f"chk-4/operator-{index}", b"o"),
        in_flight=object_handle(f"chk-4/in-flight-{index}", b"r") if in_flight else None,
        split_only=split_only,
    )


def restore(
    operator: OperatorId,
    parallelism: int,
    *,
    own: bool = True,
    max_parallelism: int = GROUPS,
    uid: str | None = "count",
    keyed: bool = True,
    split_only: bool = True,
    in_flight: bool = False,
) -> Restore:
    states = tuple(
        state(i, parallelism, keyed=keyed, split_only=split_only, in_flight=in_flight)
        for i in range(parallelism)
    )
    metadata = SnapshotMetadata(
        format_version=FORMAT_VERSION,
        job_id=JobId("d" * 32),
        kind=SnapshotKind.CHECKPOINT,
        checkpoint_id=CheckpointId(4),
        epoch=Epoch(1),
        attempt=AttemptId(1),
        triggered_ms=0,
        operators=(
            OperatorState(
                operator_id=operator,
                uid=uid,
                name="count",
                parallelism=parallelism,
                max_parallelism=max_parallelism,
                subtasks=states,
            ),
        ),
    )
    return Restore(metadata, "file:///old/chk-4", own=own)


def restored(plan: PlannedJob, point: Restore) -> dict[int, RestoredOperator]:
    """By subtask of the last vertex: what its first operator gets."""
    workers = {WorkerId(f"w{i}"): f"host:{i}" for i in range(plan.slots)}
    made = deployments(EXECUTION, plan, workers, "file:///job", point)
    return {
        task.index: task.restored[0]
        for deploy in made.values()
        for task in deploy.tasks
        if task.vertex == last(plan).id
    }


def test_every_worker_learns_where_every_subtask_is() -> None:
    plan = job()
    workers = {WorkerId("a"): "host:1", WorkerId("b"): "host:2"}
    made = deployments(EXECUTION, plan, workers, None, None)
    assert set(made) == set(workers)
    assert made[WorkerId("a")].placement == made[WorkerId("b")].placement
    subtasks = sum(vertex.parallelism for vertex in plan.plan.vertices)
    assert len(made[WorkerId("a")].placement) == subtasks
    assert sum(len(deploy.tasks) for deploy in made.values()) == subtasks
    assert {ref.data_address for ref in made[WorkerId("a")].placement} == {"host:1", "host:2"}


def test_at_the_same_parallelism_each_subtask_reads_exactly_its_own() -> None:
    plan = job(parallelism=3)
    for index, operator in restored(plan, restore(last(plan).operators[0].operator_id, 3)).items():
        assert [s.subtask for s in operator.states] == [index]
        assert operator.states[0].keyed is not None
        assert operator.states[0].operator is not None
        assert operator.own_only


def test_at_another_parallelism_key_groups_overlap_and_lists_are_dealt_anew() -> None:
    plan = job(parallelism=4)
    got = restored(plan, restore(last(plan).operators[0].operator_id, 2))
    for index, operator in got.items():
        assert not operator.own_only
        assert operator.old_parallelism == 2
        assert [s.subtask for s in operator.states if s.operator] == [0, 1], "all lists"
        assert [s.subtask for s in operator.states if s.keyed] == [index // 2], "only keys of its own"


def test_union_state_goes_to_everybody_even_at_the_same_parallelism() -> None:
    plan = job(parallelism=2)
    point = restore(last(plan).operators[0].operator_id, 2, split_only=False)
    for index, operator in restored(plan, point).items():
        assert not operator.own_only
        assert [s.subtask for s in operator.states if s.operator] == [0, 1]
        assert [s.subtask for s in operator.states if s.keyed] == [index]


@pytest.mark.parametrize(("old", "read"), [(2, [[0], [1]]), (3, [[0, 1, 2], [0, 1, 2]])])
def test_rows_on_their_way_are_read_by_whoever_may_own_them_now(old: int, read: list[list[int]]) -> None:
    plan = job(parallelism=2)
    got = restored(plan, restore(last(plan).operators[0].operator_id, old, keyed=False, in_flight=True))
    assert [[s.subtask for s in got[index].states if s.in_flight] for index in range(2)] == read


@pytest.mark.parametrize(
    ("old", "new", "read"),
    [
        (1, 2, [[0], [0]]),
        (3, 7, [[0], [0], [0, 1], [1], [1, 2], [2], [2]]),
        (7, 3, [[0, 1, 2], [2, 3, 4], [4, 5, 6]]),
    ],
)
def test_rows_that_come_by_key_are_looked_for_only_where_their_key_groups_were(
    old: int, new: int, read: list[list[int]]
) -> None:
    before, now = Receivers(old, GROUPS), Receivers(new, GROUPS)
    assert [assign_in_flight(before, now, index, keyed_only=True) for index in range(new)] == read
    other = Receivers(new, GROUPS * 2)
    assert assign_in_flight(before, other, 0, keyed_only=True) == list(range(old))


def test_a_foreign_checkpoints_files_are_named_from_its_own_folder() -> None:
    plan = job(parallelism=1)
    point = restore(last(plan).operators[0].operator_id, 1, own=False)
    workers = {WorkerId("a"): "host:1"}
    deploy = deployments(EXECUTION, plan, workers, "file:///job", point)[WorkerId("a")]
    assert (deploy.checkpoint_root, deploy.restore_root) == ("file:///job", "file:///old/chk-4")
    handle = restored(plan, point)[0].states[0].keyed
    assert handle is not None
    assert handle.path == "keyed-0"


def test_an_own_checkpoints_files_stay_named_from_the_jobs_folder() -> None:
    plan = job(parallelism=1)
    point = restore(last(plan).operators[0].operator_id, 1)
    workers = {WorkerId("a"): "host:1"}
    assert deployments(EXECUTION, plan, workers, "file:///job", point)[WorkerId("a")].restore_root is None
    handle = restored(plan, point)[0].states[0].keyed
    assert handle is not None
    assert handle.path == "chk-4/keyed-0"


def test_state_that_no_operator_claims_is_refused_and_every_uid_named() -> None:
    plan = job(parallelism=1)
    point = restore(OperatorId("e" * 32), 1, uid="gone")
    with pytest.raises(SnapshotMismatch, match="no operator of job job claims: uid 'gone'"):
        restored(plan, point)


def test_state_that_no_operator_claims_may_be_dropped_on_request() -> None:
    plan = job(parallelism=1, allow_non_restored_state=True)
    made = deployments(EXECUTION, plan, {WorkerId("a"): "h:1"}, None, restore(OperatorId("e" * 32), 1))
    assert [task.restored for task in made[WorkerId("a")].tasks if task.restored] == []


def test_keyed_state_under_another_max_parallelism_is_refused_with_both_values() -> None:
    plan = job(parallelism=1, max_parallelism=64)
    point = restore(last(plan).operators[0].operator_id, 1)
    with pytest.raises(SnapshotMismatch, match=r"has max parallelism 128 .* asks for 64"):
        restored(plan, point)


def test_other_state_does_not_mind_another_max_parallelism() -> None:
    plan = job(parallelism=1, max_parallelism=64)
    point = restore(last(plan).operators[0].operator_id, 1, keyed=False)
    assert restored(plan, point)[0].states[0].operator is not None
