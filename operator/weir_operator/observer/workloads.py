"""Deployments, Services, ConfigMaps and ControllerRevisions as facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weir_operator.models import RestorePolicy, StartMode
from weir_operator.observed import DeploymentFacts, RevisionFacts, StartDirective

RUN = "weir.dev/run"
REVISION = "weir.dev/revision"
SPEC_HASH = "weir.dev/spec-hash"
#: Key of a run's ConfigMap that holds its start directive.
START_KEY = "start.json"


def deployment_facts(body: Mapping[str, Any]) -> DeploymentFacts:
    """A Deployment; its status may be behind its spec."""
    metadata, status = body["metadata"], body.get("status") or {}
    revision = (metadata.get("annotations") or {}).get(REVISION)
    return DeploymentFacts(
        name=metadata["name"],
        uid=metadata["uid"],
        replicas=int(body["spec"].get("replicas") or 0),
        ready_replicas=int(status.get("readyReplicas") or 0),
        revision=int(revision) if revision else None,
        deleting=metadata.get("deletionTimestamp") is not None,
        failure=_replica_failure(status),
    )


def _replica_failure(status: Mapping[str, Any]) -> str | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message") or condition.get("reason"))
    return None


def selected_run(body: Mapping[str, Any]) -> int | None:
    """The run that a Service points at."""
    run = ((body.get("spec") or {}).get("selector") or {}).get(RUN)
    return int(run) if run else None


def start_directive(body: Mapping[str, Any]) -> StartDirective | None:
    """What the run of this ConfigMap starts from; None: it is no run's ConfigMap."""
    text = (body.get("data") or {}).get(START_KEY)
    return None if text is None else start_from_json(json.loads(text))


def start_from_json(document: Mapping[str, Any]) -> StartDirective:
    """``start.json``, read back."""
    return StartDirective(
        run=int(document["run"]),
        mode=StartMode(document["mode"]),
        path=document.get("path"),
        expected_tail=document.get("expectedTail"),
        allow_non_restored_state=bool(document.get("allowNonRestoredState")),
        restore_policy=RestorePolicy(document.get("restorePolicy") or "Resume"),
    )


def revision_facts(body: Mapping[str, Any]) -> RevisionFacts:
    """The spec that a ControllerRevision keeps."""
    spec_hash = (body["metadata"].get("annotations") or {})[SPEC_HASH]
    return RevisionFacts(revision=int(body["revision"]), spec_hash=spec_hash, spec=body["data"])
