"""PodDisruptionBudgets: a drain takes one TaskManager at a time, and never waits for ever.

A budget spans all runs of the job. ``maxUnavailable: 1`` lets every drain go on (a minimum of pods could not be met by
a job with one TaskManager), and pods that are not ready may always be evicted, so that a job that does not come up
keeps no node from being emptied.
"""

from __future__ import annotations

from weir_operator.observed import Component
from weir_operator.resources import labels, names
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.subject import Subject


def budgets(subject: Subject) -> tuple[Manifest, ...]:
    """One for the JobManager, one for the TaskManagers."""
    return tuple(
        manifest(
            subject,
            "policy/v1",
            "PodDisruptionBudget",
            name,
            labels=labels.of_job(subject.name),
            spec={
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": labels.selector(subject.name, component=component)},
            },
        )
        for name, component in (
            (names.of_jobmanagers(subject.name), Component.JOBMANAGER),
            (names.of_taskmanagers(subject.name), Component.TASKMANAGER),
        )
    )
