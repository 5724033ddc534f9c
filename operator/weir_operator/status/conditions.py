"""The conditions of a StreamJob, as ``kubectl wait`` and tools that follow kstatus read them.

Ready: the resource is as this generation of its spec asks: the job runs, or it is suspended as asked, or it came to the
end of its input. Progressing: something is under way towards that. Degraded: it is not, and that is not a matter of
moments. Suspended: no job runs because the spec says so. ``UpgradeBlocked``, ``RestoreBlocked`` and ``Stalled`` are there
while they hold; ``Stalled`` tells kstatus that waiting does not help. A spec with faults is not obeyed: Ready is False for it even
while the job goes on by the last good one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from weir_operator.models import (
    Condition,
    Phase,
    Pin,
    PinReason,
    StreamJobSpec,
    StreamJobStatus,
    UpgradePhase,
)
from weir_operator.models.execution import Checkpoints
from weir_operator.models.stream_job_status import Summary
from weir_operator.observed import Observed, Unreachable
from weir_operator.status.causes import root_cause
from weir_operator.status.lifecycle import phase_of, report_of, runs
from weir_operator.status.summary import summary_of

Blocked = tuple[str, str, str]

INVALID_SPEC = "InvalidSpec"
_MAX_MESSAGE = 2000


class _Says(NamedTuple):
    holds: bool
    reason: str
    message: str = ""


def describe(
    status: StreamJobStatus,
    observed: Observed,
    *,
    name: str,
    generation: int,
    spec: StreamJobSpec,
    checkpoints: Checkpoints,
    deleting: bool,
    faults: Sequence[str] = (),
    blocked: Blocked | None,
    waiting: str | None,
    now: datetime,
) -> StreamJobStatus:
    """The status with its phase and conditions; ``checkpoints``: as the live run was told to make them."""
    phase = phase_of(status, observed, spec, deleting=deleting)
    ready = _ready(status, observed, checkpoints, phase, waiting)
    invalid = _invalid(faults) if faults and not deleting else None
    if invalid is not None and ready.holds:
        ready = invalid._replace(holds=False)
    said: dict[str, _Says] = {
        "Ready": ready,
        "Progressing": _progressing(status, ready, waiting, blocked),
        "Degraded": _degraded(status, observed, phase, blocked),
        "Suspended": _suspended(phase),
    }
    if invalid is not None:
        said["Degraded"] = said["Stalled"] = invalid
    if blocked is not None and blocked[0] not in said:
        said[blocked[0]] = _Says(True, blocked[1], blocked[2])
    if said["Degraded"].holds and (phase is Phase.FAILED or "RestoreBlocked" in said):
        said["Stalled"] = said["Degraded"]
    if spec.paused and observed.drifted and not deleting:
        changed = ", ".join(observed.drifted)
        said["Drifted"] = _Says(
            True, "Paused", f"{changed}: not as the operator applied it; put back when paused is false"
        )
    before = {condition.type: condition for condition in status.conditions}
    return status.model_copy(
        update={
            "phase": phase,
            "summary": summary_of(status, observed, spec, ready.message or ready.reason),
            "run": status.run,
            "selector": f"weir.dev/job={name},weir.dev/run={status.run},weir.dev/component=taskmanager",
            "root_cause": None
            if deleting
            else root_cause(observed.runs.get(status.run), status.root_cause, now),
            "observed_generation": generation,
            "conditions": tuple(
                _condition(kind, says, before.get(kind), generation, now) for kind, says in said.items()
            ),
        }
    )


def refused(
    status: StreamJobStatus, faults: Sequence[str], *, generation: int, now: datetime
) -> StreamJobStatus:
    """The status of a resource whose spec cannot be read and that has no good one before it: nothing is done."""
    invalid = _invalid(faults)
    said = {
        "Ready": invalid._replace(holds=False),
        "Progressing": _Says(False, INVALID_SPEC),
        "Degraded": invalid,
        "Suspended": _Says(False, "NotSuspended"),
        "Stalled": invalid,
    }
    before = {condition.type: condition for condition in status.conditions}
    summary = status.summary or Summary()
    return status.model_copy(
        update={
            "phase": status.phase or Phase.PENDING,
            "summary": summary.model_copy(update={"message": invalid.message}),
            "observed_generation": generation,
            "conditions": tuple(
                _condition(kind, says, before.get(kind), generation, now) for kind, says in said.items()
            ),
        }
    )


def is_told(status: StreamJobStatus, faults: Sequence[str]) -> bool:
    """Whether the status says just these faults."""
    invalid = _invalid(faults)
    return any(held.reason == INVALID_SPEC and held.message == invalid.message for held in status.conditions)


def _invalid(faults: Sequence[str]) -> _Says:
    message = f"the spec is not obeyed, and what there is stays as it is: {'; '.join(faults)}"
    return _Says(True, INVALID_SPEC, message[:_MAX_MESSAGE])


def _condition(kind: str, says: _Says, before: Condition | None, generation: int, now: datetime) -> Condition:
    value: Literal["True", "False"] = "True" if says.holds else "False"
    unchanged = before is not None and before.status == value
    return Condition(
        type=kind,
        status=value,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before is not None and unchanged else now,
        reason=says.reason,
        message=says.message,
    )


def _ready(
    status: StreamJobStatus, observed: Observed, checkpoints: Checkpoints, phase: Phase, waiting: str | None
) -> _Says:
    message = f"waits for {waiting}" if waiting else ""
    match phase:
        case Phase.FINISHED:
            return _Says(True, "Finished", "the job came to the end of its input")
        case Phase.SUSPENDED:
            return _Says(True, "Suspended", "the job is suspended as the spec asks")
        case Phase.FAILED:
            assert status.end is not None
            return _Says(False, status.end.ending, status.end.message)
        case Phase.DELETING:
            return _Says(False, "Deleting", message)
        case Phase.PENDING:
            return _Says(False, "Starting", message)
    upgrade = status.upgrade
    if upgrade is not None and upgrade.phase is not UpgradePhase.STABILIZING:
        return _Says(False, "Upgrading", message)
    if not runs(status, observed):
        return _Says(False, "NotRunning", message)
    if status.pin is not None and status.pin.reason is PinReason.ROLLBACK:
        return _Says(False, "RolledBack", _rolled_back(status.pin))
    report = report_of(status, observed)
    if upgrade is not None and checkpoints.enabled and (report is None or not report.has_own_checkpoint):
        return _Says(False, "FirstCheckpoint", message)
    return _Says(True, "Running", f"run {status.run} of revision {status.revision} runs")


def _progressing(
    status: StreamJobStatus, ready: _Says, waiting: str | None, blocked: Blocked | None
) -> _Says:
    if status.upgrade is not None:
        return _Says(True, f"{status.upgrade.phase}", f"waits for {waiting}" if waiting else "")
    if waiting is not None and blocked is None:
        return _Says(True, "Waiting", f"waits for {waiting}")
    return _Says(False, ready.reason)


def _degraded(status: StreamJobStatus, observed: Observed, phase: Phase, blocked: Blocked | None) -> _Says:
    if phase is Phase.FAILED and status.end is not None:
        return _Says(True, status.end.ending, status.end.message)
    if blocked is not None:
        return _Says(True, blocked[1], blocked[2])
    if status.pin is not None and status.pin.reason is PinReason.ROLLBACK:
        return _Says(True, "RolledBack", _rolled_back(status.pin))
    run = observed.runs.get(status.run)
    if run is not None and isinstance(run.report, Unreachable):
        return _Says(True, "JobManagerUnreachable", run.report.reason)
    return _Says(False, "AsExpected")


def _rolled_back(pin: Pin) -> str:
    why = f": {pin.message}. Change the spec" if pin.message else ""
    return f"revision {pin.revision} runs instead of what the spec describes{why}"


def _suspended(phase: Phase) -> _Says:
    if phase is Phase.SUSPENDED:
        return _Says(True, "Suspended", "job.state is Suspended; set it to Running to go on")
    return _Says(False, "NotSuspended")
