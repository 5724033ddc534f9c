"""Applications as REST shows them: one a job, with the job's id and name. Pure."""

from __future__ import annotations

from typing import Final

from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rest.models import applications as models
from weir.jobmanager.rest.views import jobs
from weir.jobmanager.rest.views.exceptions import exceptions as exceptions_of_job
from weir.rpc.requests import JobState

#: Flink's states of an application. One that is suspended goes on elsewhere, or later: here it is over.
_STATES: Final = {
    JobState.CREATED: "CREATED",
    JobState.RUNNING: "RUNNING",
    JobState.RESTARTING: "RUNNING",
    JobState.FAILING: "FAILING",
    JobState.FAILED: "FAILED",
    JobState.CANCELLING: "CANCELING",
    JobState.CANCELED: "CANCELED",
    JobState.SUSPENDED: "CANCELED",
    JobState.FINISHED: "FINISHED",
}


def overview(cluster: ClusterFacts) -> models.ApplicationsOverview:
    """Every application in a few figures."""
    return models.ApplicationsOverview(
        applications=tuple(_overview(job, cluster.now_ms) for job in cluster.jobs)
    )


def _overview(job: JobFacts, now_ms: int) -> models.ApplicationOverview:
    shown = jobs.job_overview(job, now_ms)
    return models.ApplicationOverview(
        id=shown.jid,
        name=shown.name,
        start_time=shown.start_time,
        end_time=shown.end_time,
        duration=shown.duration,
        status=_STATES[job.status.state],
        jobs={shown.state: 1},
    )


def details(job: JobFacts, now_ms: int) -> models.ApplicationDetails:
    """One application with its job."""
    shown = jobs.job_overview(job, now_ms)
    entered = dict.fromkeys(_STATES.values(), 0)
    for state, at_ms in job.entered.items():
        entered[_STATES[state]] = max(entered[_STATES[state]], at_ms)
    return models.ApplicationDetails(
        id=shown.jid,
        name=shown.name,
        status=_STATES[job.status.state],
        start_time=shown.start_time,
        end_time=shown.end_time,
        duration=shown.duration,
        timestamps=entered,
        jobs=(shown,),
    )


def exceptions(job: JobFacts, cluster: ClusterFacts) -> models.ApplicationExceptions:
    """What failed, newest first."""
    return models.ApplicationExceptions(
        exception_history=models.ApplicationExceptionHistory(
            entries=tuple(
                models.ApplicationException(
                    exception_name=entry.exception_name,
                    stacktrace=entry.stacktrace,
                    timestamp=entry.timestamp,
                    job_id=job.status.job_id,
                )
                for entry in exceptions_of_job(job, cluster).exception_history.entries
            )
        )
    )
