"""What `kubectl get` prints of a job beside its phase: derived, and never empty, so that no column has holes."""

from __future__ import annotations

from weir_operator.models import StreamJobSpec, StreamJobStatus
from weir_operator.models.stream_job_status import Summary
from weir_operator.observed import Observed
from weir_operator.status.lifecycle import report_of


def summary_of(status: StreamJobStatus, observed: Observed, spec: StreamJobSpec, message: str) -> Summary:
    """The columns; ``message`` is why Ready is what it is."""
    report = report_of(status, observed)
    registered = 0 if report is None else len(report.task_managers)
    wanted = 0 if status.deployed is None else status.deployed.task_managers
    last = status.last_checkpoint
    without = "none" if spec.checkpoints.enabled else "off"
    return Summary(
        task_managers=f"{registered}/{wanted}",
        checkpoint=without if last is None else str(last.id),
        message=message,
    )


def with_checkpoint_of(before: Summary | None, after: Summary | None) -> Summary | None:
    """``after``, with the checkpoint that ``before`` tells of."""
    if before is None or after is None:
        return after
    return after.model_copy(update={"checkpoint": before.checkpoint})
