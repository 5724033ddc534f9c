"""A job that fails again and again, however often the engine restarts it."""

from __future__ import annotations

from datetime import datetime, timedelta

from weir_operator.observed import JobManagerReport

#: A job that fails so often in that time is in a storm.
STORM, STORM_FAILURES = timedelta(minutes=10), 10


def storm(report: JobManagerReport, now: datetime) -> str | None:
    """What to say of the storm that the job is in; None: it is in none."""
    recent = [failure for failure in report.failures if now - failure.at < STORM]
    if len(recent) < STORM_FAILURES:
        return None
    return f"the job failed {len(recent)} times within {STORM}: {recent[-1].message}"
