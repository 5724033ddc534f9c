"""A StreamJobSnapshot on its way: what is asked of whom, what is waited for, when it is given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.planned_jobs import NOW, UID, stream_job
from weir_operator.models import Deployed, End, SavepointRecord, StreamJob, StreamJobSnapshot, StreamJobStatus
from weir_operator.observed import (
    JobManagerReport,
    JobState,
    Observed,
    RequestFacts,
    RequestState,
    RunFacts,
    SnapshotFacts,
)
from weir_operator.reconciler.actions import EnsureFinalizer, RemoveFinalizer, TriggerSavepoint
from weir_operator.reconciler.snapshots.moment import SnapshotMoment
from weir_operator.reconciler.snapshots.plan import SnapshotPlan, plan
from weir_operator.reconciler.snapshots.taking import ATTEMPTS, PATIENCE

PATH = "s3://weir/savepoints/savepoint-111111-7"


def snapshot(status: dict[str, Any] | None = None, *, metadata: Any = None, **spec: Any) -> StreamJobSnapshot:
    meta = {
        "name": "before",
        "namespace": "ns",
        "uid": "snap",
        "generation": 1,
        "creationTimestamp": NOW.isoformat(),
        "finalizers": [] if "external" in spec else ["weir.dev/snapshot"],
        **(metadata or {}),
    }
    return StreamJobSnapshot.of(
        {"metadata": meta, "spec": spec or {"job": "flights"}, "status": status or {}}
    )


def running(**status: Any) -> StreamJob:
    made = StreamJobStatus(
        job_id=UID.replace("-", ""),
        run=3,
        phase="Running",
        claimed=True,
        deployed=Deployed(run=3, revision=2, parallelism=2, task_managers=2, began_at=NOW),
    )
    return stream_job(made.model_copy(update=status))


def answering(*requests: RequestFacts, state: JobState = JobState.RUNNING) -> Observed:
    report = JobManagerReport(run=3, state=state, epoch=4, requests={r.trigger: r for r in requests})
    return Observed(runs={3: RunFacts(run=3, report=report)})


def look(
    asked: StreamJobSnapshot,
    job: StreamJob | None = None,
    observed: Observed | None = None,
    *,
    later: timedelta = timedelta(0),
    **more: Any,
) -> SnapshotPlan:
    return plan(
        SnapshotMoment(snapshot=asked, job=job, observed=observed or Observed(), now=NOW + later, **more)
    )


def after(asked: StreamJobSnapshot, planned: SnapshotPlan) -> StreamJobSnapshot:
    """The resource as it is read once the status was written."""
    return StreamJobSnapshot.of(
        {
            "metadata": asked.metadata.model_dump(by_alias=True),
            "spec": asked.spec.written(),
            "status": planned.status.written(),
        }
    )


def in_progress() -> StreamJobSnapshot:
    asked = snapshot()
    return after(asked, look(asked, running(), answering()))


def ready(planned: SnapshotPlan) -> tuple[str, str]:
    (found,) = (condition for condition in planned.status.conditions if condition.type == "Ready")
    return found.status, found.reason


def test_of_a_running_job_one_is_asked_for_at_once_and_the_intent_is_in_the_status() -> None:
    planned = look(snapshot(), running(), answering())
    status = planned.status
    assert (status.phase, status.attempts, status.job_revision) == ("InProgress", 1, 2)
    assert status.job_id == UID.replace("-", "")
    (action,) = planned.actions
    assert action == TriggerSavepoint(run=3, trigger=status.trigger_id or "", target="s3://weir/savepoints")
    assert status.trigger == "Resource"
    assert ready(planned) == ("False", "InProgress")


def test_its_path_says_where_the_savepoint_goes() -> None:
    (action,) = look(snapshot(job="flights", path="s3://else/where"), running(), answering()).actions
    assert isinstance(action, TriggerSavepoint)
    assert action.target == "s3://else/where"


def test_a_request_that_nobody_remembers_is_made_again_under_the_same_id() -> None:
    asked = in_progress()
    (action,) = look(asked, running(), answering()).actions
    assert isinstance(action, TriggerSavepoint)
    assert action.trigger == asked.status.trigger_id


def test_what_is_under_way_is_waited_for() -> None:
    asked = in_progress()
    request = RequestFacts(trigger=asked.status.trigger_id or "", state=RequestState.IN_PROGRESS)
    planned = look(asked, running(), answering(request))
    assert planned.actions == ()
    assert planned.requeue_after == timedelta(seconds=2)


def test_a_complete_one_is_recorded_with_path_size_duration_revision_and_trigger() -> None:
    asked = in_progress()
    request = RequestFacts(
        trigger=asked.status.trigger_id or "",
        state=RequestState.COMPLETED,
        started_at=NOW,
        snapshot=SnapshotFacts(path=PATH, bytes=25_000_000, completed_at=NOW + timedelta(seconds=1.5)),
    )
    planned = look(asked, running(), answering(request))
    status = planned.status
    assert (status.phase, status.path, status.bytes) == ("Completed", PATH, 25_000_000)
    assert status.duration is not None
    assert (status.duration.seconds, status.job_revision, status.trigger) == (1.5, 2, "Resource")
    assert status.summary is not None
    assert (status.summary.job, status.summary.size, status.summary.path) == ("flights", "23Mi", PATH)
    assert ready(planned) == ("True", "Completed")
    assert look(after(asked, planned), None).status.phase == "Completed", "it stays so without its job"


def test_a_failure_is_tried_again_later_under_another_id_and_then_given_up() -> None:
    asked, seen, now = in_progress(), set(), timedelta(0)
    for attempt in range(1, ATTEMPTS + 1):
        trigger = asked.status.trigger_id or ""
        assert trigger not in seen
        seen.add(trigger)
        failed = RequestFacts(trigger=trigger, state=RequestState.FAILED, failure="503 Slow Down")
        planned = look(asked, running(), answering(failed), later=now)
        assert planned.status.message is not None
        assert "503 Slow Down" in planned.status.message
        asked = after(asked, planned)
        if attempt == ATTEMPTS:
            break
        assert planned.status.phase == "Pending"
        assert look(asked, running(), answering(), later=now).actions == (), "not yet"
        assert asked.status.retry_at is not None
        now = asked.status.retry_at - NOW
        asked = after(asked, look(asked, running(), answering(), later=now))
        assert asked.status.phase == "InProgress"
    assert asked.status.phase == "Failed"
    assert ready(planned) == ("False", "SavepointFailed")
    assert [c.type for c in planned.status.conditions] == ["Ready", "Stalled"]
    again = look(asked, running(), answering(), later=now + timedelta(days=1))
    assert (again.status.phase, again.actions, again.events) == ("Failed", (), ())
    assert ready(again) == ("False", "SavepointFailed"), "the reason stays"


def test_an_attempt_that_takes_longer_than_the_jobs_savepoint_timeout_has_failed() -> None:
    planned = look(in_progress(), running(), answering(), later=timedelta(minutes=10, seconds=1))
    assert planned.status.phase == "Pending"
    assert planned.status.message is not None
    assert "upgrade.savepointTimeout 10m" in planned.status.message


@pytest.mark.parametrize(
    ("job", "observed"),
    [
        (None, None),
        (stream_job(), None),
        (running(), Observed()),
        (running(), answering(state=JobState.RESTARTING)),
    ],
    ids=["no job", "new", "silent", "restarting"],
)
def test_a_job_that_is_not_up_is_waited_for_and_not_for_ever(
    job: StreamJob | None, observed: Observed | None
) -> None:
    first = look(snapshot(), job, observed, later=PATIENCE)
    assert (first.status.phase, first.actions) == ("Pending", ())
    assert first.requeue_after == timedelta(seconds=5)
    last = look(snapshot(), job, observed, later=PATIENCE + timedelta(seconds=1))
    assert last.status.phase == "Failed"
    assert ready(last) == ("False", "JobNotRunning")


@pytest.mark.parametrize(
    ("job", "reason", "words"),
    [
        (
            stream_job(
                StreamJobStatus(job_id="x", last_savepoint=SavepointRecord(path=PATH)),
                job={"state": "Suspended"},
            ),
            "JobSuspended",
            PATH,
        ),
        (running(end=End(ending="Finished", at=NOW)), "JobEnded", "Finished"),
        (stream_job(StreamJobStatus(job_id="x"), deleted=NOW), "JobDeleted", "flights"),
        (
            stream_job(StreamJobStatus(job_id="x"), storage={"savepoints": None}),
            "NoFolder",
            "storage.savepoints",
        ),
    ],
)
def test_what_can_never_be_had_is_said_at_once(job: StreamJob, reason: str, words: str) -> None:
    planned = look(snapshot(), job)
    assert planned.status.phase == "Failed"
    assert ready(planned) == ("False", reason)
    assert planned.status.message is not None
    assert words in planned.status.message
    assert [event.reason for event in planned.events] == [reason]


def test_one_that_was_taken_elsewhere_is_complete_and_nothing_is_asked() -> None:
    planned = look(snapshot(external=PATH))
    assert (planned.status.phase, planned.status.path, planned.actions) == ("Completed", PATH, ())
    assert planned.status.summary is not None
    assert planned.status.summary.job == "external"


def test_a_spec_with_faults_fails_with_all_of_them_and_goes_on_once_it_is_mended() -> None:
    faults = ("spec.path: s3://theirs/x lies in bucket theirs",)
    planned = look(snapshot(), running(), answering(), faults=faults)
    assert planned.actions == ()
    assert ready(planned) == ("False", "InvalidSpec")
    mended = look(after(snapshot(), planned), running(), answering())
    assert mended.status.phase == "InProgress"


@pytest.mark.parametrize("dispose", [True, False])
def test_each_of_a_job_is_held_so_that_dispose_may_be_set_a_moment_before_the_deletion(dispose: bool) -> None:
    def done(*finalizers: str, job: str | None = "flights", **facts: Any) -> SnapshotPlan:
        status = {"phase": "Completed", "path": PATH}
        of = {"job": job, "dispose": dispose} if job is not None else {"external": PATH}
        return look(snapshot(status, metadata={"finalizers": finalizers}, **of), running(), Observed(**facts))

    held = "weir.dev/snapshot"
    assert done().actions == (EnsureFinalizer(),)
    assert done(held).actions == ()
    assert done(job=None).actions == ()
    assert done(held, job=None).actions == (RemoveFinalizer(),)
    assert done(held, namespace_terminating=True).actions == (RemoveFinalizer(),)
    assert done(namespace_terminating=True).actions == ()


def test_one_of_the_operator_tells_of_a_savepoint_that_stopped_a_run() -> None:
    annotations = {
        "weir.dev/trigger": "Upgrade",
        "weir.dev/savepoint": f'{{"path": "{PATH}", "bytes": 12, "revision": 1, "completedAt": "{NOW.isoformat()}"}}',
    }
    labels = {"app.kubernetes.io/managed-by": "weir-operator"}
    metadata = {"annotations": annotations, "labels": labels}
    planned = look(snapshot(metadata=metadata), running(), answering())
    status = planned.status
    assert (status.phase, status.path, status.bytes, status.job_revision) == ("Completed", PATH, 12, 1)
    assert planned.actions == ()
    of_a_user = look(snapshot(metadata={"annotations": annotations}), running(), answering())
    assert (of_a_user.status.phase, of_a_user.status.trigger) == ("InProgress", "Resource")
