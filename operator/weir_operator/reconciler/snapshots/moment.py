"""One pass over one StreamJobSnapshot: what is known (``SnapshotMoment``), and what is being decided (``SnapshotDraft``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from weir_operator.models import StreamJob, StreamJobSnapshot, StreamJobSnapshotStatus
from weir_operator.observed import JobManagerReport, Observed
from weir_operator.reconciler.actions import Action, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotMoment:
    """The resource and the facts about it, at one time."""

    snapshot: StreamJobSnapshot
    #: What is wrong with its spec, one line each.
    faults: tuple[str, ...] = ()
    #: The StreamJob that it names; None: there is none, or its spec cannot be obeyed.
    job: StreamJob | None = None
    observed: Observed = field(default_factory=Observed)
    #: StreamJobs that start from where it lies.
    used_by: tuple[str, ...] = ()
    now: datetime

    @property
    def name(self) -> str:
        """Of the resource."""
        return self.snapshot.metadata.name

    @property
    def report(self) -> JobManagerReport | None:
        """What the JobManager of the job's live run says, if it answers."""
        deployed = self.job.status.deployed if self.job is not None else None
        run = self.observed.runs.get(deployed.run) if deployed is not None else None
        return run.report if run is not None and isinstance(run.report, JobManagerReport) else None


@dataclass(slots=True, kw_only=True)
class SnapshotDraft:
    """What has been decided so far in this pass."""

    status: StreamJobSnapshotStatus
    actions: list[Action] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    #: Look again after this; None: only when something happens.
    wake: timedelta | None = None

    def record(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def do(self, *actions: Action) -> None:
        """Ask for actions, after those that were asked for before."""
        self.actions += actions

    def say(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Tell people."""
        self.events.append(Event(reason=reason, message=message, warning=warning))

    def wait(self, message: str, seconds: float) -> None:
        """Say what is waited for, and look again."""
        self.record(message=message)
        self.wake = timedelta(seconds=max(seconds, 1.0))
