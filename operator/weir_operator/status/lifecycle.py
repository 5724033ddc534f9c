"""The phase of a job: one word for people, derived from everything else and never read back."""

from __future__ import annotations

from weir_operator.models import JobState as Wanted
from weir_operator.models import Phase, StreamJobSpec, StreamJobStatus, UpgradeReason
from weir_operator.observed import Ending, JobManagerReport, JobState, Observed


def phase_of(status: StreamJobStatus, observed: Observed, spec: StreamJobSpec, *, deleting: bool) -> Phase:
    """The word."""
    if deleting:
        return Phase.DELETING
    if status.end is not None:
        return Phase.FINISHED if status.end.ending == Ending.FINISHED else Phase.FAILED
    running = runs(status, observed)
    if status.upgrade is not None:
        if status.upgrade.reason is UpgradeReason.CREATE:
            return Phase.RUNNING if running else Phase.PENDING
        return Phase.RECOVERING if status.upgrade.reason is UpgradeReason.RECOVERY else Phase.UPGRADING
    if status.deployed is None:
        return Phase.SUSPENDED if spec.job.state is Wanted.SUSPENDED else Phase.PENDING
    return Phase.RUNNING if running else Phase.RECOVERING


def runs(status: StreamJobStatus, observed: Observed) -> bool:
    """The job of the live run processes."""
    report = report_of(status, observed)
    return report is not None and report.state is JobState.RUNNING


def report_of(status: StreamJobStatus, observed: Observed) -> JobManagerReport | None:
    """What the live run's JobManager says, if it answers."""
    run = observed.runs.get(status.run)
    return run.report if run is not None and isinstance(run.report, JobManagerReport) else None
