"""One pass over one StreamJob: what is known (``Moment``), and what is being decided about it (``Draft``).

A situation is a function of both: it reads the moment and adds to the draft. The draft is the only thing in this room
that changes; it lives as long as one call of ``plan``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from weir_operator.models import JobState, StreamJob, StreamJobSpec, StreamJobStatus, UpgradeIntent
from weir_operator.models.execution import Checkpoints
from weir_operator.models.memory import Deployed
from weir_operator.observed import JobManagerReport, Observed, RunFacts
from weir_operator.reconciler.actions import Action, Event
from weir_operator.reconciler.saved_specs import saved_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The resource and the facts about it, at one time."""

    job: StreamJob
    observed: Observed
    now: datetime
    #: What is wrong with the spec as it stands; ``job.spec`` is then the last good one.
    faults: tuple[str, ...] = ()

    @property
    def spec(self) -> StreamJobSpec:
        """What the user asks for."""
        return self.job.spec

    @property
    def uid(self) -> str:
        """Of the resource."""
        return self.job.metadata.uid

    @property
    def deleting(self) -> bool:
        """Somebody deleted the resource; the finalizer still holds it."""
        return self.job.metadata.deletion_timestamp is not None

    @property
    def wanted(self) -> bool:
        """The spec asks for a running job."""
        return self.spec.job.state is JobState.RUNNING

    def run(self, number: int | None) -> RunFacts | None:
        """The facts about one run."""
        return None if number is None else self.observed.runs.get(number)

    def report(self, number: int | None) -> JobManagerReport | None:
        """What that run's JobManager says, if it answers."""
        run = self.run(number)
        return run.report if run is not None and isinstance(run.report, JobManagerReport) else None

    def revision_spec(self, revision: int) -> StreamJobSpec | None:
        """The spec that was saved under a revision."""
        return saved_spec(self.observed.revisions.get(revision))

    def checkpoints_of(self, deployed: Deployed | None) -> Checkpoints:
        """What a run was told about checkpoints: by its own revision, whatever the spec asks for by now."""
        ran = self.revision_spec(deployed.revision) if deployed is not None else None
        return (ran or self.spec).checkpoints


@dataclass(slots=True, kw_only=True)
class Draft:
    """What has been decided so far in this pass."""

    status: StreamJobStatus
    actions: list[Action] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    #: Why the change that is asked for is not made: (condition, reason, message).
    blocked: tuple[str, str, str] | None = None
    #: What is waited for, for the message of Progressing.
    waiting: str | None = None
    wake: timedelta | None = None

    @property
    def upgrade(self) -> UpgradeIntent | None:
        """The change of the run that is under way."""
        return self.status.upgrade

    @property
    def deployed(self) -> Deployed | None:
        """The run that should be there."""
        return self.status.deployed

    def record(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def amend(self, **changes: Any) -> None:
        """Change fields of the change under way."""
        assert self.status.upgrade is not None
        self.record(upgrade=self.status.upgrade.model_copy(update=changes))

    def do(self, *actions: Action) -> None:
        """Ask for actions, after those that were asked for before."""
        self.actions += actions

    def say(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Tell people."""
        self.events.append(Event(reason=reason, message=message, warning=warning))

    def block(self, condition: str, reason: str, message: str) -> None:
        """Say why nothing is done; an event when that is new."""
        known = any(
            held.type == condition and held.status == "True" and held.reason == reason
            for held in self.status.conditions
        )
        if not known:
            self.say(condition, message, warning=True)
        self.blocked = (condition, reason, message)

    def wait(self, what: str, *, at_most: float | None = None) -> None:
        """Say what is waited for, and when to look again if nothing happens before."""
        self.waiting = what
        if at_most is not None:
            self.look_again(timedelta(seconds=at_most))

    def look_again(self, delay: timedelta) -> None:
        """Plan again after ``delay`` at the latest."""
        delay = max(delay, timedelta(seconds=1))
        self.wake = delay if self.wake is None else min(self.wake, delay)
