"""Labels and annotations of what the operator makes, and the selectors that go by them: each key is spelled here alone.

Users may add labels to their pods (``pod.labels``); those that are listed here are ours and always win.
"""

from __future__ import annotations

from weir_operator.observed import Component

JOB = "weir.dev/job"
#: Of the resource, since another one of the same name may have left objects behind.
UID = "weir.dev/uid"
RUN = "weir.dev/run"
COMPONENT = "weir.dev/component"
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "weir-operator"

#: A pod with this label may reach the REST port of JobManagers (which still ask for a token).
REST_CLIENT = "weir.dev/rest-client"

#: Annotations.
PURPOSE = "weir.dev/purpose"  #: of an errand's pod: what it was started for
REVISION = "weir.dev/revision"  #: of workloads: the revision that they were made from
TRIGGER = "weir.dev/trigger"  #: of a StreamJobSnapshot of the operator: what the snapshot was taken for
#: Of one that tells of a savepoint which stopped a run: the record of it, as in ``status.lastSavepoint``.
TAKEN = "weir.dev/savepoint"
DELETION_COST = (
    "controller.kubernetes.io/pod-deletion-cost"  #: Kubernetes' own: pods with less of it go first
)
SPARE = (
    "-1"  #: and this much of it has a TaskManager that no subtask is in; what others write there is theirs
)
DOCUMENT = "weir.dev/resource"  #: of an errand's pod: the StreamJob document that it reads


def of_job(job: str) -> dict[str, str]:
    """Labels of what all runs share."""
    return {
        JOB: job,
        MANAGED_BY: OPERATOR,
        "app.kubernetes.io/name": "weir",
        "app.kubernetes.io/instance": job,
    }


def of_run(job: str, run: int) -> dict[str, str]:
    """Labels of what belongs to one run."""
    return of_job(job) | {RUN: str(run)}


def of_component(job: str, run: int, component: Component) -> dict[str, str]:
    """Labels of a run's workload and its pods."""
    return of_run(job, run) | {COMPONENT: component.value, "app.kubernetes.io/component": component.value}


def of_errand(job: str, component: Component) -> dict[str, str]:
    """Labels of a short-lived pod, which belongs to no run."""
    return of_job(job) | {COMPONENT: component.value, "app.kubernetes.io/component": component.value}


def selector(job: str, run: int | None = None, component: Component | None = None) -> dict[str, str]:
    """``matchLabels`` that find pods of a job: only labels that never change."""
    found = {JOB: job}
    if run is not None:
        found[RUN] = str(run)
    if component is not None:
        found[COMPONENT] = component.value
    return found
