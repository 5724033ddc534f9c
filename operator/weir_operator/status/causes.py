"""Why a job is not well: the first cause that its pods or its JobManager name, by class, with pod and log tail.

Causes that keep a pod from starting come first, then those that ended one, then what the JobManager says of its job. The log
tail is the termination message: the end of what the process wrote, which the engine keeps free of secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from weir_operator.models import RootCause
from weir_operator.observed import (
    Component,
    ContainerFacts,
    FailureClass,
    JobManagerReport,
    JobState,
    PodFacts,
    RunFacts,
)

#: Bytes of a log tail that go into a status.
_TAIL = 2000
#: How the engine tells of a worker that the kernel killed alone, as it does on nodes with cgroups of version 1.
_KILLED = "killed by SIGKILL"
#: Why a container waits whose image is not there.
IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
#: Kubelet says no more in a pod while it mounts volumes and sets up the network; which of them fails is in its events.
_BEING_MADE = frozenset({"ContainerCreating", "PodInitializing"})
_SLOW_MAKING = timedelta(minutes=2)
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


class Cause(StrEnum):
    """The classes; ``docs/reference/events.md`` says what helps."""

    IMAGE = "Image"
    CONFIG = "Config"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA = "Quota"
    VOLUME = "Volume"
    OUT_OF_MEMORY = "OutOfMemory"
    EVICTED = "Evicted"
    INIT_CONTAINER = "InitContainer"
    STORAGE_DENIED = "StorageDenied"
    STORAGE = "Storage"
    USER = "User"
    CRASH = "Crash"


def root_cause(run: RunFacts | None, before: RootCause | None, now: datetime) -> RootCause | None:
    """Of a run that is not well; the time is that of the first sight."""
    if run is None:
        return None
    report = run.report if isinstance(run.report, JobManagerReport) else None
    if report is not None and (report.state in {JobState.RUNNING, JobState.FINISHED} or report.standby):
        return None
    found = next(_causes(run, report, now), None)
    if found is None:
        return None
    same = before is not None and (before.kind, before.pod) == (found.kind, found.pod)
    return found.model_copy(update={"at": before.at if same and before is not None else now})


def _causes(run: RunFacts, report: JobManagerReport | None, now: datetime) -> Iterator[RootCause]:
    for deployment in (run.jobmanager, run.taskmanager):
        if deployment is not None and deployment.failure is not None:
            yield RootCause(
                kind=Cause.QUOTA,
                message=f"Deployment {deployment.name} cannot make pods: {deployment.failure}",
            )
    for pod in run.pods:
        yield from _starting(pod, now)
    for pod in run.pods:
        yield from _ended(pod)
    if report is not None and report.failures:
        last = report.failures[-1]
        kind = _of_failure(last.failure_class, last.message)
        remedy = "; raise taskManager.resources.limits.memory" if kind is Cause.OUT_OF_MEMORY else ""
        yield RootCause(
            kind=kind,
            message=f"{last.message[:_TAIL]}{remedy}",
            pod=last.task_manager,
            log_tail=last.traceback[-_TAIL:] if last.traceback else None,
        )


def _starting(pod: PodFacts, now: datetime) -> Iterator[RootCause]:
    if pod.unschedulable is not None:
        yield RootCause(
            kind=Cause.UNSCHEDULABLE,
            message=f"no node takes it: {pod.unschedulable}; make room, or lower {_field(pod)}.resources",
            pod=pod.name,
        )
    for container in pod.containers:
        said = f"container {container.name}: {container.waiting_reason}: {container.waiting_message or 'no details'}"
        if container.waiting_reason in IMAGE_REASONS:
            remedy = f"correct spec.image, or name a Secret in {_field(pod)}.pod.imagePullSecrets"
            yield RootCause(kind=Cause.IMAGE, message=f"{said}; {remedy}", pod=pod.name)
        elif container.waiting_reason in _CONFIG:
            yield RootCause(kind=Cause.CONFIG, message=said, pod=pod.name)
    being_made = any(container.waiting_reason in _BEING_MADE for container in pod.containers)
    if being_made and pod.node is not None and pod.phase == "Pending" and now - pod.created > _SLOW_MAKING:
        yield RootCause(
            kind=Cause.VOLUME,
            message=f"its containers are not made since {pod.created:%H:%M:%S}: mostly a volume, Secret or ConfigMap that cannot be "
            f"mounted; `kubectl describe pod {pod.name}` says which",
            pod=pod.name,
        )


def _ended(pod: PodFacts) -> Iterator[RootCause]:
    if pod.reason == "Evicted":
        yield RootCause(kind=Cause.EVICTED, message=pod.message or "the node evicted it", pod=pod.name)
    for container in pod.containers:
        if container.exit_code in {None, 0} or container.ready:
            continue
        kind = _of_exit(container)
        said = f"container {container.name} ended with {container.exit_code} ({container.exit_reason or 'no reason'})"
        if kind is Cause.OUT_OF_MEMORY:
            said = f"{said}; raise {_field(pod)}.resources.limits.memory"
        yield RootCause(
            kind=kind,
            message=said,
            pod=pod.name,
            log_tail=(container.exit_message or "")[-_TAIL:] or None,
        )


def _field(pod: PodFacts) -> str:
    """The part of the spec that the pod is made of."""
    return "taskManager" if pod.component is Component.TASKMANAGER else "jobManager"


def _of_exit(container: ContainerFacts) -> Cause:
    if container.exit_reason == "OOMKilled":
        return Cause.OUT_OF_MEMORY
    return Cause.INIT_CONTAINER if container.init else Cause.CRASH


def _of_failure(kind: FailureClass, message: str) -> Cause:
    if _KILLED in message:
        return Cause.OUT_OF_MEMORY
    if kind is FailureClass.STORAGE:
        return Cause.STORAGE_DENIED if "403" in message or "AccessDenied" in message else Cause.STORAGE
    return {FailureClass.USER: Cause.USER, FailureClass.CONFIG: Cause.CONFIG}.get(kind, Cause.CRASH)
