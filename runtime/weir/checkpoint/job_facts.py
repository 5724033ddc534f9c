"""What every snapshot of a job says about the job: who it is, and the operators of its plan. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from weir.ids import Epoch, JobId, OperatorId, VertexId


@dataclass(frozen=True)
class OperatorInfo:
    """What the plan says about one operator of the job."""

    operator_id: OperatorId
    uid: str | None
    name: str
    vertex: VertexId
    parallelism: int
    max_parallelism: int


@dataclass(frozen=True)
class JobFacts:
    """What every snapshot of the job has in common."""

    job_id: JobId
    job_name: str
    epoch: Epoch
    operators: tuple[OperatorInfo, ...]
