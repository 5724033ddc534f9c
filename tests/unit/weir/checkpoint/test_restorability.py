"""Whether a snapshot fits a plan: what is matched, new, lost or in conflict, and that the JobManager decides the same."""

from __future__ import annotations

import pytest

from tests.support.checkpoints import metadata
from tests.support.graphs import graph, node
from weir.checkpoint.metadata import OperatorState
from weir.checkpoint.restorability import Fit, compare, refusal
from weir.config import JobOptions
from weir.errors import SnapshotMismatch
from weir.graph.plan import make_plan, slots_required
from weir.ids import OperatorId, operator_id_of_uid
from weir.jobmanager.deployment.scheduler import check_restorable
from weir.jobmanager.planning import PlannedJob
from weir.rpc.messages import JobSpec
from weir.state.snapshot import OperatorSubtaskState, inline_handle

PLAN = make_plan(
    graph([node(1, "source", uid="rows"), node(2, "map", uid="count", parallelism=2)], (1, 2)), 1, 128
)


def held(
    uid: str, *, keyed: bool = False, stateful: bool = True, max_parallelism: int = 128
) -> OperatorState:
    handle = inline_handle(b"state")
    subtask = OperatorSubtaskState(
        subtask=0,
        keyed=handle if keyed else None,
        key_groups=(0, max_parallelism - 1) if keyed else None,
        operator=handle if stateful and not keyed else None,
    )
    return OperatorState(
        operator_id=operator_id_of_uid(uid),
        uid=uid,
        name=uid,
        parallelism=1,
        max_parallelism=max_parallelism,
        subtasks=(subtask,),
    )


def fits(*operators: OperatorState) -> dict[str, Fit]:
    found = compare(PLAN, metadata(operators=operators))
    return {fit.label: fit.fit for fit in found if "enumerator" not in fit.label}


def refused(*operators: OperatorState, allowed: bool = False) -> str | None:
    found = compare(PLAN, metadata(operators=operators))
    said = refusal(found, job="flights", where="s3://b/sp", allow_non_restored_state=allowed)
    spec = JobSpec(name="flights", entrypoint="m:f", allow_non_restored_state=allowed)
    job = PlannedJob(spec, {}, JobOptions(), PLAN, slots_required(PLAN))
    if said is None:
        check_restorable(job, metadata(operators=operators), "s3://b/sp")
    else:
        with pytest.raises(SnapshotMismatch) as raised:
            check_restorable(job, metadata(operators=operators), "s3://b/sp")
        assert str(raised.value) == said
    return said


def test_state_of_a_uid_that_the_job_has_is_matched_and_everything_else_is_new():
    assert fits(held("count", keyed=True)) == {"uid 'rows'": Fit.NEW, "uid 'count'": Fit.MATCHED}
    assert refused(held("count", keyed=True)) is None


def test_state_that_no_operator_claims_is_orphaned_and_every_uid_is_named():
    operators = held("gone-1"), held("count"), held("gone-2")
    assert fits(*operators)["uid 'gone-1'"] is Fit.ORPHANED
    said = refused(*operators)
    assert said is not None
    assert "'gone-1', uid 'gone-2'" in said
    assert "count" not in said
    assert refused(*operators, allowed=True) is None


def test_an_operator_that_held_nothing_may_leave():
    assert fits(held("gone", stateful=False))["uid 'gone'"] is Fit.GONE
    assert refused(held("gone", stateful=False)) is None


def test_an_operator_that_held_nothing_is_matched_and_has_nothing_to_restore():
    assert fits(held("count", stateful=False))["uid 'count'"] is Fit.MATCHED
    assert refused(held("count", stateful=False)) is None


def test_keyed_state_under_another_max_parallelism_is_a_conflict_with_both_values():
    operator = held("count", keyed=True, max_parallelism=64)
    assert fits(operator)["uid 'count'"] is Fit.CONFLICT
    said = refused(operator)
    assert said == (
        "s3://b/sp has max parallelism 64 for uid 'count', the job asks for 128; keep 64 or start without state"
    )
    assert refused(operator, allowed=True) == said, "allowing lost state does not help against a conflict"


def test_state_without_keys_does_not_mind_the_max_parallelism():
    assert fits(held("count", max_parallelism=64))["uid 'count'"] is Fit.MATCHED
    assert refused(held("count", max_parallelism=64)) is None


def test_several_conflicts_are_told_at_once():
    said = refused(
        held("rows", keyed=True, max_parallelism=32), held("count", keyed=True, max_parallelism=64)
    )
    assert said is not None
    assert "32 for uid 'rows', the job asks for 128, max parallelism 64 for uid 'count'" in said
    assert "keep 32 and 64" in said


def test_an_operator_without_a_uid_is_named_by_name_and_id():
    state = OperatorState(operator_id=OperatorId("ab" * 16), name="Map", parallelism=1, max_parallelism=128)
    assert compare(PLAN, metadata(operators=(state,)))[-1].label == f"'Map' (id {'ab' * 16})"


def test_every_operator_of_either_side_is_told_once():
    found = compare(PLAN, metadata(operators=(held("count"), held("gone"))))
    ids = [fit.operator_id for fit in found]
    assert len(ids) == len(set(ids)) == len([op for v in PLAN.vertices for op in v.operators]) + 1
