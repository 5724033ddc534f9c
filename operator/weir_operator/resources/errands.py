"""Short-lived pods: they look after snapshots where no JobManager lives, and try a new image before the old job stops.

The operator itself opens no bucket and reads no Secret, so a pod that may do both is sent. It is one object: the document
that it reads is an annotation of its own, shown to it as a file. Its answer is one line of JSON in the container's
termination message.
"""

from __future__ import annotations

from collections.abc import Sequence

from weir_operator.errors import PermanentError
from weir_operator.observed import Component
from weir_operator.resources import allowed, amounts, brought_code, documents, labels, names, places, pods
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.pods import Mounted, PodPlan
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

#: What all annotations of an object may hold together is 256 KiB.
MAX_DOCUMENT_BYTES = 200 * 1024

SNAPSHOTS_DEADLINE_S = 900
PREFLIGHT_DEADLINE_S = 300

_REQUESTS = {"cpu": "100m", "ephemeral-storage": "64Mi", "memory": "256Mi"}
_LIMITS = {"cpu": "1", "ephemeral-storage": "3Gi", "memory": "256Mi"}


def snapshots_pod(
    subject: Subject, settings: RenderSettings, purpose: str, kind: str, args: Sequence[str] = ()
) -> Manifest:
    """``python -m weir snapshots <kind>`` in the operator's own image, whatever the job's is like."""
    said = subject.spec.job_manager.pod.model_copy(update={"image_pull_policy": None})
    plan = PodPlan(
        name=Component.SNAPSHOTS.value,
        args=("snapshots", kind, "--resource", places.RESOURCE_FILE, *args),
        labels=labels.of_errand(subject.name, Component.SNAPSHOTS),
        selector=labels.selector(subject.name, component=Component.SNAPSHOTS),
        image=settings.image,
        resources=amounts.complete(None, _REQUESTS, _LIMITS),
        said=said,
        annotations=_annotations(subject, purpose),
        mounted=(_document(),),
        restart="Never",
        deadline_s=SNAPSHOTS_DEADLINE_S,
    )
    return _pod(subject, settings, purpose, plan)


def preflight_pod(
    subject: Subject, settings: RenderSettings, purpose: str, snapshot: str | None, *, exact: bool = False
) -> Manifest:
    """``python -m weir preflight`` in the job's image, with what the JobManager's pod would have around it."""
    asked = ("--from", snapshot, *(("--exact",) if exact else ())) if snapshot else ()
    said = subject.spec.job_manager
    code = brought_code.brought(subject, settings, said.pod)
    plan = PodPlan(
        name=Component.PREFLIGHT.value,
        args=("preflight", "--resource", places.RESOURCE_FILE, *asked),
        labels=labels.of_errand(subject.name, Component.PREFLIGHT),
        selector=labels.selector(subject.name, component=Component.PREFLIGHT),
        image=pods.image_of(subject, settings),
        resources=amounts.complete(said.resources.written(), _REQUESTS, _LIMITS | {"memory": "512Mi"}),
        said=said.pod,
        annotations=_annotations(subject, purpose),
        mounted=(_document(), *code.mounted),
        init_containers=code.init_containers,
        restart="Never",
        deadline_s=PREFLIGHT_DEADLINE_S,
    )
    return _pod(subject, settings, purpose, plan)


def _annotations(subject: Subject, purpose: str) -> dict[str, str]:
    document = documents.document(subject)
    if len(document.encode()) > MAX_DOCUMENT_BYTES:
        raise PermanentError(
            f"the spec of {subject.namespace}/{subject.name} has {len(document.encode())} bytes, the limit is "
            f"{MAX_DOCUMENT_BYTES}; shorten spec.job.args and spec.config, or bring large data in a ConfigMap"
        )
    return {labels.PURPOSE: purpose, labels.DOCUMENT: document}


def _document() -> Mounted:
    path = f"metadata.annotations['{labels.DOCUMENT}']"
    source = {"downwardAPI": {"items": [{"path": "job.yaml", "fieldRef": {"fieldPath": path}}]}}
    return Mounted(name=f"{allowed.OURS}job", path=places.JOB_FOLDER, source=source)


def _pod(subject: Subject, settings: RenderSettings, purpose: str, plan: PodPlan) -> Manifest:
    rendered = pods.pod(subject, settings, plan)
    return manifest(
        subject,
        "v1",
        "Pod",
        names.errand(subject.name, purpose),
        labels=rendered["metadata"]["labels"],
        annotations=rendered["metadata"]["annotations"],
        spec=rendered["spec"],
    )
