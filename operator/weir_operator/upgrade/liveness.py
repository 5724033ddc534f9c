"""What an old run can still do: the first question of every change, answered from facts alone.

One probe without an answer proves nothing: a JobManager that does not answer is down only after a time, and a job that
restarts gets some patience before it counts as one that will not come back by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from weir_operator.observed import Component, JobManagerReport, JobState, RunFacts, Unreachable

#: A JobManager that does not answer for this long is treated as dead; its pods are removed before anything follows.
SILENCE = timedelta(seconds=60)
#: A job that is between states for this long after a change was asked for is treated as one that does not run.
PATIENCE = timedelta(seconds=30)

_ENDED = frozenset({JobState.FAILED, JobState.CANCELED, JobState.FINISHED, JobState.SUSPENDED})


class Liveness(StrEnum):
    """What a run can still do."""

    RUNNING = "Running"  #: it processes, and can take a savepoint
    UNSURE = "Unsure"  #: it may come back within moments, or just not answer
    DOWN = "Down"  #: it does not process, and will not without help
    ABSENT = "Absent"  #: there is no run


def liveness(run: RunFacts | None, asked: datetime, now: datetime) -> Liveness:
    """Judge a run; ``asked``: when a change of it was first wanted."""
    if run is None or run.gone:
        return Liveness.ABSENT
    match run.report:
        case JobManagerReport() as report:
            return _of_report(report, asked, now)
        case Unreachable(since=since):
            return Liveness.DOWN if now - since >= SILENCE else Liveness.UNSURE
        case None:
            return _after_patience(asked, now)


def down_since(run: RunFacts | None, not_running_since: datetime | None) -> datetime | None:
    """Since when the job of a run does not run: with a JobManager pod that is younger than that, since it is there."""
    pods = run.pods if run is not None else ()
    made = [pod.created for pod in pods if pod.component is Component.JOBMANAGER]
    return None if not_running_since is None else max([not_running_since, *made])


def _of_report(report: JobManagerReport, asked: datetime, now: datetime) -> Liveness:
    if report.ending is not None or report.restore_held or report.start_refused or report.state in _ENDED:
        return Liveness.DOWN
    if report.state is JobState.RUNNING and not report.standby:
        return Liveness.RUNNING
    return _after_patience(asked, now)


def _after_patience(asked: datetime, now: datetime) -> Liveness:
    return Liveness.DOWN if now - asked >= PATIENCE else Liveness.UNSURE
