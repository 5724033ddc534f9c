"""The pod that everything of a job runs in: restricted, without a token, read-only but for a few folders of its own.

``pod`` puts one together from a container's command and what differs; the workloads (``jobmanager``, ``taskmanager``,
``errands``) say what differs. What the user allows himself to say comes in through ``allowed`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weir_operator.models.pod import Pod
from weir_operator.resources import allowed, labels, places, security
from weir_operator.resources.allowed import Entry
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

#: Weir's image has its own entry point, but an image FROM it may have another.
WEIR = ("python", "-m", "weir")

_STATE = f"{allowed.OURS}state"
_TEMPORARY = f"{allowed.OURS}tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """A volume of ours and where the main container sees it."""

    name: str
    path: str
    source: Entry
    read_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlan:
    """What one kind of pod has of its own."""

    name: str  #: of its container
    args: tuple[str, ...]
    labels: Mapping[str, str]
    selector: Mapping[str, str]  #: finds the pods that it should not share a node with
    image: str
    resources: dict[str, dict[str, str]]
    said: Pod = field(default_factory=Pod)
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: tuple[Entry, ...] = ()
    mounted: tuple[Mounted, ...] = ()
    init_containers: tuple[Entry, ...] = ()
    ports: tuple[Entry, ...] = ()
    probes: Mapping[str, Entry] = field(default_factory=dict)
    state_size: str = "1Gi"  #: limit of the local state folder
    grace_s: int = 30
    restart: str = "Always"
    deadline_s: int | None = None


def pod(subject: Subject, settings: RenderSettings, plan: PodPlan) -> Entry:
    """Metadata and spec of a pod: a Deployment's template, or the pod itself."""
    theirs, their_mounts = allowed.volumes(plan.said)
    container: Entry = {
        "name": plan.name,
        "image": plan.image,
        "command": list(WEIR),
        "args": list(plan.args),
        "env": allowed.environment(plan.said, [*environment(subject), *plan.env]),
        "resources": plan.resources,
        "volumeMounts": [*_mounts(plan.mounted), *their_mounts],
        "securityContext": security.of_container(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **pull_policy(plan.said, settings),
        **plan.probes,
    }
    if plan.ports:
        container["ports"] = list(plan.ports)
    spec: Entry = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security.of_pod(settings),
        "restartPolicy": plan.restart,
        "terminationGracePeriodSeconds": plan.grace_s,
        **allowed.scheduling(plan.said, plan.selector),
        "containers": [container],
        "volumes": [*_volumes(plan.mounted, plan.state_size), *theirs],
    }
    if plan.init_containers:
        spec["initContainers"] = list(plan.init_containers)
    if plan.deadline_s is not None:
        spec["activeDeadlineSeconds"] = plan.deadline_s
    if secrets := _pull_secrets(plan.said, settings):
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    metadata: Entry = {"labels": allowed.labelled(plan.said, {**plan.labels, labels.UID: subject.uid})}
    if annotations := allowed.annotated(plan.said, plan.annotations):
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec}


def image_of(subject: Subject, settings: RenderSettings) -> str:
    """The job's image, by default the operator's own."""
    return subject.spec.image or settings.image


def pull_policy(said: Pod, settings: RenderSettings) -> Entry:
    """``imagePullPolicy`` as the user or the operator's settings have it, or nothing."""
    policy = said.image_pull_policy or settings.image_pull_policy
    return {"imagePullPolicy": str(policy)} if policy else {}


def environment(subject: Subject) -> list[Entry]:
    """Variables of every container: who the pod is, and how it reaches the object store. Secrets by reference only."""
    variables: list[Entry] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (("POD_IP", "status.podIP"), ("POD_NAME", "metadata.name"))
    ]
    s3 = subject.spec.storage.s3
    for name, value in (("AWS_ENDPOINT_URL", s3.endpoint), ("AWS_REGION", s3.region)):
        if value is not None:
            variables.append({"name": name, "value": value})
    if s3.credentials_secret is not None:
        for name, key in (("AWS_ACCESS_KEY_ID", "access-key"), ("AWS_SECRET_ACCESS_KEY", "secret-key")):
            reference = {"name": s3.credentials_secret, "key": key}
            variables.append({"name": name, "valueFrom": {"secretKeyRef": reference}})
    return variables


def _pull_secrets(said: Pod, settings: RenderSettings) -> list[str]:
    named = [*(secret.name for secret in said.image_pull_secrets), *settings.image_pull_secrets]
    return list(dict.fromkeys(named))


def writable() -> list[Entry]:
    """Mounts of the folders that a container may write to."""
    return [
        {"name": _TEMPORARY, "mountPath": places.TEMPORARY_FOLDER},
        {"name": _STATE, "mountPath": places.STATE_FOLDER},
    ]


def _mounts(mounted: tuple[Mounted, ...]) -> list[Entry]:
    return [
        *writable(),
        *({"name": own.name, "mountPath": own.path, "readOnly": own.read_only} for own in mounted),
    ]


def _volumes(mounted: tuple[Mounted, ...], state_size: str) -> list[Entry]:
    folders: list[dict[str, Any]] = [
        {"name": _TEMPORARY, "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": _STATE, "emptyDir": {"sizeLimit": state_size}},
    ]
    return [*folders, *({"name": own.name, **own.source} for own in mounted)]
