"""How many TaskManager pods a parallelism needs."""

from __future__ import annotations

from weir_operator.models import StreamJobSpec
from weir_operator.observed import JobManagerReport


def slots_for(parallelism: int, report: JobManagerReport | None) -> int:
    """Slots that the job needs at a parallelism.

    What the running job needs is known from its plan; operators with a parallelism of their own and slot sharing groups
    are in it. For another parallelism the difference is added once, which is never too little for one sharing group, and
    is put right when the job has told its real need.
    """
    if report is None or report.slots_required is None or report.parallelism is None:
        return parallelism
    return max(parallelism, report.slots_required + parallelism - report.parallelism)


def pods_for(spec: StreamJobSpec, slots: int) -> int:
    """Pods that have so many slots."""
    return -(-slots // spec.task_manager.slots)


def task_managers_for(spec: StreamJobSpec, parallelism: int, report: JobManagerReport | None) -> int:
    """Pods for a parallelism: slots that the plan needs over slots of a pod, rounded up."""
    return pods_for(spec, slots_for(parallelism, report))
