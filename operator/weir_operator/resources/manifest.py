"""The frame of every manifest: kind, name, labels, and the StreamJob as its owner.

Manifests are plain dicts, as server-side apply sends them. Owned objects go when the StreamJob goes, whatever became
of the operator. ``blockOwnerDeletion`` is left out: the finalizer already holds the owner for as long as it is needed,
and setting it would ask for one more permission where OwnerReferencesPermissionEnforcement is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir_operator.models.stream_job import API_VERSION, KIND
from weir_operator.resources.labels import UID
from weir_operator.resources.subject import Subject

Manifest = dict[str, Any]


def owner(subject: Subject) -> Manifest:
    """The reference by which the StreamJob owns an object."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": subject.name,
        "uid": subject.uid,
        "controller": True,
    }


def manifest(
    subject: Subject,
    api_version: str,
    kind: str,
    name: str,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    **content: Any,
) -> Manifest:
    """An object of the StreamJob's namespace that the StreamJob owns."""
    metadata: Manifest = {
        "name": name,
        "namespace": subject.namespace,
        "labels": {**labels, UID: subject.uid},
        "ownerReferences": [owner(subject)],
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
