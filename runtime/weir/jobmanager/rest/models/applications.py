"""Answers about applications: a run of a program and the jobs in it. Here each job is an application of its own."""

from __future__ import annotations

import msgspec

from weir.jobmanager.rest.models.jobs import JobOverview


class ApplicationOverview(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One of ``/applications/overview``. Times are wall milliseconds, -1 while there is none."""

    id: str
    name: str
    start_time: int
    end_time: int
    duration: int
    status: str
    jobs: dict[str, int]  #: by state


class ApplicationsOverview(msgspec.Struct, frozen=True, kw_only=True):
    """``/applications/overview``."""

    applications: tuple[ApplicationOverview, ...]


class ApplicationDetails(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """``/applications/:id``."""

    id: str
    name: str
    status: str
    start_time: int
    end_time: int
    duration: int
    timestamps: dict[str, int]  #: by state, 0 for those it was never in
    jobs: tuple[JobOverview, ...]


class ApplicationException(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One failure of one of its jobs."""

    exception_name: str
    stacktrace: str
    timestamp: int
    job_id: str


class ApplicationExceptionHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    entries: tuple[ApplicationException, ...]


class ApplicationExceptions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``/applications/:id/exceptions``."""

    exception_history: ApplicationExceptionHistory
