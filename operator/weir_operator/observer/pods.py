"""A pod's body as facts. Pods are seen in any state that nodes and people leave them in, so nothing is taken for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from weir_operator.observed import Component, ContainerFacts, PodFacts
from weir_operator.observer.moments import moment

RUN = "weir.dev/run"
COMPONENT = "weir.dev/component"
#: Kubernetes' own annotation, and what the operator writes there.
DELETION_COST, SPARE = "controller.kubernetes.io/pod-deletion-cost", "-1"
#: What a container said last is kept to this length.
_MESSAGE = 6000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pod_facts(body: Mapping[str, Any]) -> PodFacts:
    """Raises ValueError for a pod whose labels are none of ours."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    labels = metadata.get("labels") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    deleted_by = moment(metadata.get("deletionTimestamp"))
    grace = timedelta(seconds=float(metadata.get("deletionGracePeriodSeconds") or 0))
    return PodFacts(
        name=metadata["name"],
        uid=metadata["uid"],
        component=Component(labels.get(COMPONENT, "")),
        run=int(labels[RUN]) if RUN in labels else None,
        phase=status.get("phase") or "Unknown",
        created=moment(metadata.get("creationTimestamp")) or _EPOCH,
        ready=conditions.get("Ready", {}).get("status") == "True",
        node=spec.get("nodeName"),
        ip=status.get("podIP"),
        deleting_since=None if deleted_by is None else deleted_by - grace,
        deleted_by=deleted_by,
        reason=status.get("reason") or _disruption(conditions),
        message=_short(status.get("message")),
        unschedulable=_unschedulable(conditions),
        spare=(metadata.get("annotations") or {}).get(DELETION_COST) == SPARE,
        containers=tuple(_containers(status)),
    )


def _unschedulable(conditions: Mapping[Any, Mapping[str, Any]]) -> str | None:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return _short(scheduled.get("message")) or "no node fits"
    return None


def _disruption(conditions: Mapping[Any, Mapping[str, Any]]) -> str | None:
    """Why something else than its owner ends the pod: an eviction, a preemption, a lost node."""
    target = conditions.get("DisruptionTarget", {})
    return target.get("reason") if target.get("status") == "True" else None


def _containers(status: Mapping[str, Any]) -> Iterator[ContainerFacts]:
    for key, init in (("initContainerStatuses", True), ("containerStatuses", False)):
        for container in status.get(key) or ():
            yield _container(container, init=init)


def _container(container: Mapping[str, Any], *, init: bool) -> ContainerFacts:
    state = container.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    return ContainerFacts(
        name=container["name"],
        init=init,
        ready=bool(container.get("ready")),
        restarts=int(container.get("restartCount") or 0),
        running_since=moment(running.get("startedAt")),
        waiting_reason=waiting.get("reason"),
        waiting_message=_short(waiting.get("message")),
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason"),
        exit_message=_short(ended.get("message")),
        exited_at=moment(ended.get("finishedAt")),
    )


def _short(text: str | None) -> str | None:
    return text[-_MESSAGE:] if text else None
