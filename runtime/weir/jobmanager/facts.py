"""What REST is made of: a JobManager and a job at one moment, as frozen values. Nothing here acts or asks.

``Dispatcher`` and ``Job`` make these; the views in ``rest`` turn them into answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from weir.checkpoint.history import Kept
from weir.checkpoint.start_directive import StartRefused
from weir.errors import RestoreBlocked
from weir.ids import CheckpointId
from weir.jobmanager.checkpoints.facts import CheckpointFacts
from weir.jobmanager.history.journal import Position
from weir.jobmanager.history.restoring import Skipped
from weir.jobmanager.operations import Operation
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.rescales.rescale_history import NO_RESCALES, RescaleFacts
from weir.rpc.messages import JobSpec
from weir.rpc.requests import CertificateSlot, JobState, JobStatus, TaskManagerStatus


@dataclass(frozen=True)
class ControlFacts:
    """What an operator goes by, besides what people see."""

    #: Where the job's log is; ``None``: nothing is claimed, or there is no log.
    position: Position | None = None
    #: How the job ended, as its log says it; without a log, as this process knows it.
    ending: str | None = None
    #: Of a job that had ended before: its checkpoints, oldest first.
    kept: Mapping[CheckpointId, Kept] = field(default_factory=dict)
    #: Wall time since which all subtasks run; ``None``: not all do.
    running_since_ms: int | None = None
    refused: StartRefused | None = None
    blocked: RestoreBlocked | None = None
    #: Damaged snapshots that what was restored stands in for.
    skipped: tuple[Skipped, ...] = ()
    #: It waits to be told how to begin.
    stands_by: bool = False
    #: Why the claim takes its time; "": it does not.
    waiting: str = ""
    #: Snapshots and rescales that were asked for, oldest first.
    requests: tuple[Operation, ...] = ()


@dataclass(frozen=True)
class JobFacts:
    """One job."""

    status: JobStatus
    spec: JobSpec
    #: Wall time at which it last entered each state.
    entered: Mapping[JobState, int]
    #: ``None``: it is not planned yet, or cannot be.
    planned: PlannedJob | None = None
    #: ``None``: it is not claimed yet.
    checkpoints: CheckpointFacts | None = None
    rescales: RescaleFacts = NO_RESCALES
    #: Milliseconds spent in each state that it left, all times together.
    spent: Mapping[JobState, int] = field(default_factory=dict)
    control: ControlFacts = field(default_factory=ControlFacts)


@dataclass(frozen=True)
class ClusterFacts:
    """A JobManager, its jobs and its TaskManagers."""

    now_ms: int
    version: str
    task_managers: tuple[TaskManagerStatus, ...] = ()
    jobs: tuple[JobFacts, ...] = ()
    #: This process is about to end.
    ending: bool = False
    #: The workloads that this process is in, and the process itself.
    run: str = ""
    instance: str = ""
    #: By which it knows its TaskManagers, and they it; none where gRPC is open.
    certificates: tuple[CertificateSlot, ...] = ()
