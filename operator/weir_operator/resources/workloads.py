"""The Deployments of a run: one JobManager, and as many TaskManagers as the plan needs.

A run's pods are never rolled: what would change them makes a new run. So both are ``Recreate``, keep no history, and the
selector holds the run. JobManager and TaskManagers are told all they need by arguments, files and the object store; none of
them speaks to Kubernetes.
"""

from __future__ import annotations

from typing import Any

from weir_operator.models.values import Size
from weir_operator.observed import Component
from weir_operator.resources import (
    allowed,
    amounts,
    brought_code,
    credentials,
    labels,
    names,
    places,
    pods,
    tls,
)
from weir_operator.resources.allowed import Entry
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.pods import Mounted, PodPlan
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

#: A JobManager that is told to end waits for what it has announced; a TaskManager for a last checkpoint.
JOBMANAGER_GRACE_S = 30
TASKMANAGER_GRACE_S = 60

LOCAL_STORAGE = "10Gi"

_JOBMANAGER_REQUESTS = {"cpu": "100m", "ephemeral-storage": "128Mi", "memory": "512Mi"}
_JOBMANAGER_LIMITS = {"cpu": "1", "ephemeral-storage": "3Gi", "memory": "512Mi"}


def jobmanager(
    subject: Subject, settings: RenderSettings, run: int, revision: int, *, standby: bool
) -> Manifest:
    """The Deployment ``<job>-<run>-jm``."""
    said = subject.spec.job_manager
    code = brought_code.brought(subject, settings, said.pod)
    own = labels.of_component(subject.name, run, Component.JOBMANAGER)
    args = ["serve", "jobmanager", "--host", "0.0.0.0", "--port", str(places.RPC)]  # noqa: S104 - a pod's own address
    args += ["--address", f"0.0.0.0:{places.REST}", "--rest-token-file", places.TOKEN_FILE]
    args += ["--resource", places.RESOURCE_FILE, "--start", places.START_FILE, "--run", str(run)]
    args += ["--standby"] if standby else []
    plan = PodPlan(
        name=Component.JOBMANAGER.value,
        args=(*args, *_tls_args(settings)),
        labels=own,
        selector=labels.selector(subject.name, run, Component.JOBMANAGER),
        image=pods.image_of(subject, settings),
        resources=amounts.complete(said.resources.written(), _JOBMANAGER_REQUESTS, _JOBMANAGER_LIMITS),
        said=said.pod,
        mounted=(
            _job_files(subject, run),
            _token(subject, run),
            *_certificates(subject, settings, run),
            *code.mounted,
        ),
        init_containers=code.init_containers,
        ports=(_port("rpc", places.RPC), _port("rest", places.REST)),
        probes=_probes(),
        grace_s=JOBMANAGER_GRACE_S,
    )
    return _deployment(subject, settings, names.jobmanager(subject.name, run), plan, revision, replicas=1)


def taskmanager(
    subject: Subject, settings: RenderSettings, run: int, revision: int, *, replicas: int
) -> Manifest:
    """The Deployment ``<job>-<run>-tm``."""
    said = subject.spec.task_manager
    code = brought_code.brought(subject, settings, said.pod)
    storage = said.local_storage or Size.parse(LOCAL_STORAGE)
    args = ["serve", "taskmanager", "--jobmanager", f"{names.jobmanager(subject.name, run)}:{places.RPC}"]
    args += ["--slots", str(said.slots), "--host", "0.0.0.0", "--advertise", "$(POD_IP)"]  # noqa: S104
    requests, limits = _taskmanager_amounts(said.slots, storage)
    plan = PodPlan(
        name=Component.TASKMANAGER.value,
        args=(*args, *_tls_args(settings)),
        labels=labels.of_component(subject.name, run, Component.TASKMANAGER),
        selector=labels.selector(subject.name, run, Component.TASKMANAGER),
        image=pods.image_of(subject, settings),
        resources=amounts.complete(said.resources.written(), requests, limits),
        said=said.pod,
        mounted=(*_certificates(subject, settings, run, Component.TASKMANAGER), *code.mounted),
        init_containers=code.init_containers,
        state_size=amounts.mebibytes(storage.bytes),
        grace_s=TASKMANAGER_GRACE_S,
    )
    return _deployment(
        subject, settings, names.taskmanager(subject.name, run), plan, revision, replicas=replicas
    )


def _taskmanager_amounts(slots: int, storage: Size) -> tuple[amounts.Amounts, amounts.Amounts]:
    """A worker process for each slot, and the supervisor beside them."""
    memory = f"{512 + 512 * slots}Mi"
    disk = amounts.plus(amounts.mebibytes(storage.bytes), "2Gi")
    return (
        {"cpu": f"{250 * slots}m", "ephemeral-storage": "512Mi", "memory": memory},
        {"cpu": str(slots), "ephemeral-storage": disk, "memory": memory},
    )


def _deployment(
    subject: Subject, settings: RenderSettings, name: str, plan: PodPlan, revision: int, *, replicas: int
) -> Manifest:
    spec: dict[str, Any] = {
        "replicas": replicas,
        "revisionHistoryLimit": 0,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": dict(plan.selector)},
        "template": pods.pod(subject, settings, plan),
    }
    annotations = {labels.REVISION: str(revision)}
    return manifest(
        subject, "apps/v1", "Deployment", name, labels=plan.labels, annotations=annotations, spec=spec
    )


def _port(name: str, number: int) -> Entry:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _probes() -> dict[str, Entry]:
    def http(path: str, **timing: int) -> Entry:
        return {"httpGet": {"path": path, "port": "rest", "scheme": "HTTP"}, **timing}

    return {
        "startupProbe": http("/healthz", periodSeconds=1, timeoutSeconds=2, failureThreshold=120),
        "livenessProbe": http("/healthz", periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
        "readinessProbe": http("/readyz", periodSeconds=2, timeoutSeconds=2, failureThreshold=3),
    }


def _job_files(subject: Subject, run: int) -> Mounted:
    source = {"configMap": {"name": names.run(subject.name, run)}}
    return Mounted(name=f"{allowed.OURS}job", path=places.JOB_FOLDER, source=source)


def _token(subject: Subject, run: int) -> Mounted:
    item = {"key": credentials.REST_TOKEN, "path": credentials.REST_TOKEN}
    source = {"secret": {"secretName": names.run(subject.name, run), "items": [item], "defaultMode": 0o440}}
    return Mounted(name=f"{allowed.OURS}secret", path=places.SECRET_FOLDER, source=source)


def _tls_args(settings: RenderSettings) -> tuple[str, ...]:
    return ("--tls-dir", places.TLS_FOLDER) if settings.tls else ()


def _certificates(
    subject: Subject, settings: RenderSettings, run: int, component: Component = Component.JOBMANAGER
) -> tuple[Mounted, ...]:
    """Both slots, each a folder with ca.crt, tls.crt, tls.key and not-before while it is issued."""
    if not settings.tls:
        return ()
    files = {
        credentials.AUTHORITY: "ca.crt",
        credentials.certificate_key(component): "tls.crt",
        credentials.private_key(component): "tls.key",
        credentials.NOT_BEFORE: "not-before",
    }
    sources = [
        {
            "secret": {
                "name": names.certificates(subject.name, run, slot),
                "optional": True,
                "items": [{"key": key, "path": f"{slot}/{file}"} for key, file in files.items()],
            }
        }
        for slot in tls.SLOTS
    ]
    source = {"projected": {"sources": sources, "defaultMode": 0o440}}
    return (Mounted(name=f"{allowed.OURS}tls", path=places.TLS_FOLDER, source=source),)
