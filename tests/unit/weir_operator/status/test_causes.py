"""What is named as the reason why a job is not well."""

from __future__ import annotations

from datetime import timedelta

from tests.support.planned_jobs import NOW
from weir_operator.observed import (
    Component,
    ContainerFacts,
    DeploymentFacts,
    FailureClass,
    FailureFacts,
    JobManagerReport,
    JobState,
    PodFacts,
    RunFacts,
)
from weir_operator.status.causes import Cause, root_cause


def pod(**changes: object) -> PodFacts:
    container = ContainerFacts(name="taskmanager", **changes)
    return PodFacts(
        name="flights-1-tm-x",
        uid="u",
        component=Component.TASKMANAGER,
        run=1,
        phase="Pending",
        created=NOW,
        containers=(container,),
    )


def cause_of(run: RunFacts) -> str | None:
    found = root_cause(run, None, NOW)
    return None if found is None else found.kind


def test_an_image_that_cannot_be_pulled_is_named_with_its_pod() -> None:
    run = RunFacts(run=1, pods=(pod(waiting_reason="ImagePullBackOff", waiting_message="not found"),))
    found = root_cause(run, None, NOW)
    assert (found.kind, found.pod) == (Cause.IMAGE, "flights-1-tm-x")
    assert "not found" in found.message


def test_a_container_that_the_kernel_killed_is_out_of_memory_and_its_log_tail_is_kept() -> None:
    run = RunFacts(run=1, pods=(pod(exit_code=137, exit_reason="OOMKilled", exit_message="last words"),))
    found = root_cause(run, None, NOW)
    assert (found.kind, found.log_tail) == (Cause.OUT_OF_MEMORY, "last words")


def test_an_init_container_that_fails_is_told_from_one_that_crashes() -> None:
    assert cause_of(RunFacts(run=1, pods=(pod(init=True, exit_code=1),))) == Cause.INIT_CONTAINER
    assert cause_of(RunFacts(run=1, pods=(pod(exit_code=1),))) == Cause.CRASH


def test_a_quota_is_named_from_the_deployment_that_makes_no_pods() -> None:
    deployment = DeploymentFacts(name="flights-1-tm", uid="d", replicas=2, failure="exceeded quota: pods")
    assert cause_of(RunFacts(run=1, taskmanager=deployment)) == Cause.QUOTA


def test_the_jobmanager_tells_of_user_code_and_of_a_bucket_that_refuses() -> None:
    def failing(kind: FailureClass, message: str) -> RunFacts:
        failure = FailureFacts(failure_class=kind, fingerprint="12345678", message=message, at=NOW)
        return RunFacts(run=1, report=JobManagerReport(run=1, state=JobState.RESTARTING, failures=(failure,)))

    assert cause_of(failing(FailureClass.USER, "job.py:12 ZeroDivisionError")) == Cause.USER
    assert cause_of(failing(FailureClass.STORAGE, "403 AccessDenied")) == Cause.STORAGE_DENIED
    assert cause_of(failing(FailureClass.STORAGE, "503 SlowDown")) == Cause.STORAGE


def test_a_job_that_runs_has_no_cause_whatever_a_pod_left_behind() -> None:
    report = JobManagerReport(run=1, state=JobState.RUNNING)
    assert cause_of(RunFacts(run=1, report=report, pods=(pod(exit_code=1),))) is None


def test_a_cause_keeps_the_time_of_its_first_sight() -> None:
    run = RunFacts(run=1, pods=(pod(waiting_reason="ErrImagePull"),))
    first = root_cause(run, None, NOW)
    again = root_cause(run, first, NOW + timedelta(minutes=5))
    assert again.at == NOW


def test_a_worker_that_the_kernel_killed_alone_is_out_of_memory_too_and_the_field_that_helps_is_named() -> (
    None
):
    message = "the worker process was killed by SIGKILL; somebody killed it, or the system was out of memory"
    failure = FailureFacts(
        message=message, at=NOW, failure_class=FailureClass.INFRASTRUCTURE, fingerprint="8e00b886"
    )
    report = JobManagerReport(run=1, state=JobState.RESTARTING, failures=(failure,))
    found = root_cause(RunFacts(run=1, report=report), None, NOW)
    assert found.kind == Cause.OUT_OF_MEMORY
    assert found.message == f"{message}; raise taskManager.resources.limits.memory"
