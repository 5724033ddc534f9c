"""ControllerRevisions: the spec of each revision, kept so that a job can go back to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir_operator.resources import labels, names
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.subject import Subject

SPEC_HASH = "weir.dev/spec-hash"


def controller_revision(subject: Subject, number: int, spec_hash: str, spec: Mapping[str, Any]) -> Manifest:
    """The spec as it was applied; Kubernetes lets nobody change it afterwards."""
    return manifest(
        subject,
        "apps/v1",
        "ControllerRevision",
        names.revision(subject.name, number),
        labels=labels.of_job(subject.name),
        annotations={SPEC_HASH: spec_hash},
        revision=number,
        data=dict(spec),
    )
