"""What REST is made of: a JobManager and a job at one moment, as frozen values. Nothing here acts or asks.

``Dispatcher`` and ``Job`` make these; the views in ``rest`` turn them into answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from weir.jobmanager.checkpoint_facts import CheckpointFacts
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.rescale_history import NO_RESCALES, RescaleFacts
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus, TaskManagerStatus


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


@dataclass(frozen=True)
class ClusterFacts:
    """A JobManager, its jobs and its TaskManagers."""

    now_ms: int
    version: str
    task_managers: tuple[TaskManagerStatus, ...] = ()
    jobs: tuple[JobFacts, ...] = ()
    #: This process is about to end.
    ending: bool = False
