"""What an old run can still do: the first question of every change, answered from facts alone.

One probe without an answer proves nothing: a JobManager that does not answer is down only after a time, and a job that
restarts gets some patience before it counts as one that will not come back by itself. Each restart gets its own: a change may be
asked for, and blocked, for hours before one comes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from weir_operator.observed import Component, JobManagerReport, JobState, RunFacts, Unreachable
from weir_operator.upgrade.storms import storm

#: A JobManager that does not answer for this long is treated as dead; its pods are removed before anything follows.
SILENCE = timedelta(seconds=60)
#: A job that is between states for this long while a change is asked for is treated as one that does not run.
PATIENCE = timedelta(seconds=30)
#: A job that does not run for this long will not without help.
STUCK = timedelta(minutes=5)

_ENDED = frozenset({JobState.FAILED, JobState.CANCELED, JobState.FINISHED, JobState.SUSPENDED})


class Liveness(StrEnum):
    """What a run can still do."""

    RUNNING = "Running"  #: it processes, and can take a savepoint
    UNSURE = "Unsure"  #: it may come back within moments, or just not answer
    DOWN = "Down"  #: it does not process, and will not without help
    ABSENT = "Absent"  #: there is no run


def liveness(
    run: RunFacts | None, asked: datetime, not_running_since: datetime | None, now: datetime
) -> Liveness:
    """Judge a run; ``asked``: when a change of it was first wanted, ``not_running_since``: when it was last seen to run no more."""
    if run is None or run.gone:
        return Liveness.ABSENT
    patience_from = max(asked, down_since(run, not_running_since) or asked)
    match run.report:
        case JobManagerReport() as report if is_over(report):
            return Liveness.DOWN
        case JobManagerReport() as report if report.state is JobState.RUNNING and not report.standby:
            return Liveness.RUNNING
        case JobManagerReport() as report if storm(report, now) is not None:
            return _after_patience(asked, now)  # that it runs in between is no help
        case Unreachable(since=since):
            return Liveness.DOWN if now - since >= SILENCE else Liveness.UNSURE
        case _:
            return _after_patience(patience_from, now)


def may_come_back(run: RunFacts | None, not_running_since: datetime | None, now: datetime) -> bool:
    """Whether the engine and Kubernetes may still help a job that does not run: it is not over, and away for moments only."""
    if run is None or run.gone or (isinstance(run.report, JobManagerReport) and is_over(run.report)):
        return False
    silent = run.report.since if isinstance(run.report, Unreachable) else now
    return now - min(silent, down_since(run, not_running_since) or now) < STUCK


def is_over(report: JobManagerReport) -> bool:
    """Whether its job will not go on by itself: it has ended, or waits for somebody to choose."""
    held = report.restore_held is not None or report.start_refused is not None
    return report.ending is not None or held or report.state in _ENDED


def down_since(run: RunFacts | None, not_running_since: datetime | None) -> datetime | None:
    """Since when the job of a run does not run: with a JobManager pod that is younger than that, since it is there."""
    pods = run.pods if run is not None else ()
    made = [pod.created for pod in pods if pod.component is Component.JOBMANAGER]
    return None if not_running_since is None else max([not_running_since, *made])


def _after_patience(since: datetime, now: datetime) -> Liveness:
    return Liveness.DOWN if now - since >= PATIENCE else Liveness.UNSURE
