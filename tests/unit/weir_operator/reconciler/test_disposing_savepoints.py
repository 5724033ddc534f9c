"""A StreamJobSnapshot is deleted, and its files with it or not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.planned_jobs import NOW, UID, stream_job
from weir_operator.models import Deployed, StreamJobSnapshot, StreamJobStatus
from weir_operator.observed import (
    ErrandFacts,
    JobManagerReport,
    JobState,
    Observed,
    RequestFacts,
    RequestState,
    RunFacts,
    SnapshotFacts,
)
from weir_operator.reconciler.actions import DeleteErrand, ErrandKind, RemoveFinalizer, RunSnapshotsPod
from weir_operator.reconciler.snapshots.disposing import DEADLINE
from weir_operator.reconciler.snapshots.moment import SnapshotMoment
from weir_operator.reconciler.snapshots.plan import SnapshotPlan, plan

PATH = "s3://weir/savepoints/savepoint-111111-7"
PURPOSE = "dispose-before"
RUNNING = StreamJobStatus(deployed=Deployed(run=1, revision=1, parallelism=1, task_managers=1, began_at=NOW))
LET_GO = (DeleteErrand(purpose=PURPOSE), RemoveFinalizer())


def look(
    errand: ErrandFacts | None = None,
    *,
    later: timedelta = timedelta(0),
    job: Any = "there",
    status: dict[str, Any] | None = None,
    used_by: tuple[str, ...] = (),
    request: RequestFacts | None = None,
    namespace_ends: bool = False,
    **spec: Any,
) -> SnapshotPlan:
    metadata = {
        "name": "before",
        "namespace": "ns",
        "uid": "snap",
        "finalizers": ["weir.dev/snapshot"],
        "deletionTimestamp": NOW.isoformat(),
    }
    known = {"phase": "Completed", "path": PATH, "jobId": UID.replace("-", ""), **(status or {})}
    spec = {"job": "flights", "dispose": True, **spec}
    requests = {request.trigger: request} if request else {}
    run = RunFacts(run=1, report=JobManagerReport(run=1, state=JobState.RUNNING, requests=requests))
    return plan(
        SnapshotMoment(
            snapshot=StreamJobSnapshot.of({"metadata": metadata, "spec": spec, "status": known}),
            job=stream_job(RUNNING) if job == "there" else job,
            observed=Observed(
                errands={PURPOSE: errand} if errand else {},
                runs={1: run},
                namespace_terminating=namespace_ends,
            ),
            used_by=used_by,
            now=NOW + later,
        )
    )


def ended(**facts: Any) -> ErrandFacts:
    return ErrandFacts(purpose=PURPOSE, pod="flights-snap-1", ended=True, **facts)


def reasons(planned: SnapshotPlan) -> list[str]:
    return [event.reason for event in planned.events]


def test_a_pod_deletes_the_files_first() -> None:
    planned = look()
    assert planned.status.phase == "Disposing"
    assert planned.actions == (RunSnapshotsPod(purpose=PURPOSE, kind=ErrandKind.DELETE, args=(PATH,)),)


def test_the_resource_goes_when_the_pod_says_that_they_are_gone() -> None:
    planned = look(ended(answer={"deleted": 1, "paths": [PATH]}))
    assert planned.actions == LET_GO
    assert reasons(planned) == ["SnapshotDisposed"]


@pytest.mark.parametrize(
    ("errand", "why"),
    [
        (ended(failure="503 Slow Down"), "503 Slow Down"),
        (ended(answer={"deleted": 0, "left": [{"path": PATH, "why": "the job goes on from it"}]}), "goes on"),
    ],
)
def test_what_the_pod_could_not_delete_is_named_tried_again_and_left_in_the_end(
    errand: ErrandFacts, why: str
) -> None:
    planned = look(errand)
    assert planned.actions == (DeleteErrand(purpose=PURPOSE),)
    assert planned.status.message is not None
    assert why in planned.status.message
    status = planned.status.written()
    assert look(status=status, later=timedelta(seconds=29)).actions == ()
    assert isinstance(look(status=status, later=timedelta(seconds=30)).actions[0], RunSnapshotsPod)
    last = look(errand, later=DEADLINE)
    assert last.actions == LET_GO
    assert reasons(last) == ["SnapshotKept"]
    assert why in last.events[0].message


def test_a_pod_that_never_runs_keeps_nothing_for_ever() -> None:
    pending = ErrandFacts(purpose=PURPOSE, pod="flights-snap-1", trouble="no node")
    assert look(pending).actions == ()
    assert look(pending, later=DEADLINE).actions == LET_GO
    assert look(later=DEADLINE).actions == (RemoveFinalizer(),), "nor a cluster that lets no pod be made"


def test_one_that_another_job_starts_from_is_not_touched() -> None:
    planned = look(used_by=("fork",))
    assert planned.actions == ()
    assert planned.status.message is not None
    assert "StreamJob fork starts from it" in planned.status.message
    last = look(used_by=("fork",), later=DEADLINE)
    assert last.actions == (RemoveFinalizer(),)
    assert reasons(last) == ["SnapshotKept"]


@pytest.mark.parametrize("status", [{"jobId": "0" * 32}, {}], ids=["another of its name", "gone"])
def test_with_its_job_gone_the_files_stay_and_that_is_said(status: dict[str, Any]) -> None:
    planned = look(status=status) if status else look(job=None)
    assert planned.actions == (RemoveFinalizer(),)
    assert reasons(planned) == ["SnapshotKept"]
    assert PATH in planned.events[0].message


def test_a_namespace_that_goes_is_not_kept_by_files() -> None:
    planned = look(namespace_ends=True)
    assert planned.actions == (RemoveFinalizer(),)
    assert reasons(planned) == ["SnapshotKept"]
    assert "namespace is going" in planned.events[0].message


@pytest.mark.parametrize("case", [{"dispose": False}, {"status": {"path": None, "phase": "Failed"}}])
def test_where_there_is_nothing_to_delete_the_resource_goes_at_once(case: dict[str, Any]) -> None:
    planned = look(**case)
    assert planned.actions == (RemoveFinalizer(),)
    assert planned.events == ()


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (RequestState.IN_PROGRESS, ()),
        (RequestState.COMPLETED, (RunSnapshotsPod(purpose=PURPOSE, kind=ErrandKind.DELETE, args=(PATH,)),)),
        (RequestState.FAILED, (RemoveFinalizer(),)),
    ],
)
def test_one_that_is_deleted_while_it_is_taken_is_waited_for_so_that_nothing_is_left(
    state: RequestState, actions: tuple[object, ...]
) -> None:
    status = {"phase": "InProgress", "path": None, "triggerId": "t", "startedAt": NOW.isoformat()}
    taken = SnapshotFacts(path=PATH, completed_at=NOW) if state is RequestState.COMPLETED else None
    request = RequestFacts(trigger="t", state=state, snapshot=taken)
    planned = look(status=status, request=request)
    assert planned.actions == actions
    assert look(status=status, request=request, later=DEADLINE).actions == (RemoveFinalizer(),)
