"""Whether a new run is stable: it ran through the window and, with checkpointing on, completed a checkpoint of its own.

A run that came up once and then fails again and again is not stable, and neither is one that cannot checkpoint. What its own code or
settings do to it needs no waiting: once that is a storm, it had its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from weir_operator.models.execution import Checkpoints
from weir_operator.models.operations import Upgrade
from weir_operator.observed import Ending, FailureClass, JobManagerReport, JobState
from weir_operator.upgrade.storms import storm

_LOST = frozenset({JobState.FAILED, JobState.CANCELED})
#: Failures that time does not mend.
_OWN = frozenset({FailureClass.USER, FailureClass.CONFIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stable:
    """It is."""

    reason: str
    wants_checkpoint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """It is too early to say."""

    reason: str
    wants_checkpoint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hopeless:
    """It had its time."""

    reason: str
    wants_checkpoint: bool = False


Verdict = Stable | Waiting | Hopeless


def judge(
    upgrade: Upgrade,
    checkpoints: Checkpoints,
    report: JobManagerReport | None,
    began: datetime,
    now: datetime,
) -> Verdict:
    """Judge the run that was begun at ``began``; ``checkpoints``: as this run was told to make them."""
    window, timeout = upgrade.stability_window.delta, checkpoints.timeout.delta
    checkpointing = checkpoints.enabled
    checkpointed = not checkpointing or (report is not None and report.has_own_checkpoint)
    if report is not None and report.ending is Ending.FINISHED:
        return Stable(reason="its job came to the end of its input")
    if report is not None and report.state in _LOST:
        return Hopeless(reason=f"its job is {report.state}{_last_failure(report)}")
    own_fault = report is not None and report.failures and report.failures[-1].failure_class in _OWN
    if report is not None and own_fault and (why := storm(report, now)) is not None:
        return Hopeless(reason=why)
    running_since = report.running_since if report is not None and report.state is JobState.RUNNING else None
    if running_since is not None and now - running_since >= window and checkpointed:
        done = ", and completed a checkpoint" if checkpointing else ""
        return Stable(reason=f"it ran for upgrade.stabilityWindow {upgrade.stability_window}{done}")
    if now - began > window + timeout:
        return Hopeless(
            reason=f"it is not stable within upgrade.stabilityWindow {upgrade.stability_window} and checkpoints.timeout "
            f"{checkpoints.timeout}: {_lack(report, checkpointed=checkpointed)}"
        )
    return Waiting(reason=_lack(report, checkpointed=checkpointed), wants_checkpoint=not checkpointed)


def _lack(report: JobManagerReport | None, *, checkpointed: bool) -> str:
    if report is None:
        return "its JobManager does not answer yet"
    if report.state is not JobState.RUNNING:
        return f"its job is {report.state} after {report.restarts} restarts{_last_failure(report)}"
    return "the stability window" if checkpointed else "a checkpoint of its own"


def _last_failure(report: JobManagerReport) -> str:
    return f" ({report.failures[-1].message})" if report.failures else ""
