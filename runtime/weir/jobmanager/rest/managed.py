"""Jobs that an operator steers: what people may not do to them here, and the field of the StreamJob to edit instead.

The operator would undo it: start the job again, scale it back. Its own requests say for which StreamJob they are.
"""

from __future__ import annotations

import enum
from typing import Final

from weir.jobmanager.facts import JobFacts
from weir.jobmanager.rest.exchange import Refusal, Request

OPERATOR_HEADER: Final = "Weir-Operator"


class Steer(enum.Enum):
    """What is asked, and what to do instead."""

    END = "set spec.job.state: Suspended there (or delete it)"
    SCALE = "set spec.job.parallelism there (kubectl scale sj/{name} --replicas=N)"


def check_operator(job: JobFacts, request: Request) -> None:
    """Raises ``Refusal`` (409) unless it is the job's operator that asks."""
    if request.operator != job.spec.managed_by or not request.operator:
        raise Refusal(
            409,
            f"job {job.status.name} is begun by the operator of StreamJob {job.spec.managed_by or '(none)'} only; edit that",
        )


def check_unmanaged(job: JobFacts, request: Request, steer: Steer) -> None:
    """Raises ``Refusal`` (409) where the job is an operator's and the request is not."""
    managed = job.spec.managed_by
    if managed and request.operator != managed:
        instead = steer.value.format(name=managed.rpartition("/")[2])
        raise Refusal(
            409,
            f"job {job.status.name} is managed by StreamJob {managed}, whose operator steers it; {instead}",
        )
