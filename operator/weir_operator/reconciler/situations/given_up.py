"""Pods that will not be seen to end: their node does not answer. The fence log keeps what they still do from counting.

Deployments are deleted in the foreground, so theirs stays as long as they do: it is waited for as little as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from weir_operator.observed import Component, RunFacts
from weir_operator.reconciler.moment import Moment

#: A pod that should be gone for this long counts as gone.
AFTER = timedelta(seconds=60)


def given_up(moment: Moment) -> tuple[str, ...]:
    """UIDs of pods that should be gone for long."""
    return tuple(
        pod.uid
        for run in moment.observed.runs.values()
        for pod in run.pods
        if pod.deleted_by is not None and moment.now - pod.deleted_by >= AFTER
    )


def pods_left(run: RunFacts, lost: Collection[str]) -> list[str]:
    """Names of a run's pods that are still to go; ``lost``: UIDs of those that are given up."""
    return [pod.name for pod in run.pods if pod.uid not in lost]


def deployments_left(run: RunFacts, lost: Collection[str]) -> list[str]:
    """Names of a run's Deployments that are still to go, but for those that only wait for lost pods."""
    both = ((run.jobmanager, Component.JOBMANAGER), (run.taskmanager, Component.TASKMANAGER))
    left = []
    for deployment, component in both:
        pods = [pod.uid for pod in run.pods if pod.component is component]
        if deployment is not None and not (deployment.deleting and waits_for_lost(pods, lost)):
            left.append(deployment.name)
    return left


def waits_for_lost(pods: Collection[str], lost: Collection[str]) -> bool:
    """Whether what is left of a Deployment that is being deleted are lost pods alone."""
    return bool(pods) and set(pods) <= set(lost)
