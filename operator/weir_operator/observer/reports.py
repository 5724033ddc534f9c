"""The JobManager's answer to ``GET /jobs/weir`` as facts.

The engine may be older or newer than the operator: what is missing is unknown, what is new is not looked at. Only a
report without a run or a job state is none; that is said, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from weir_operator.observed import (
    CertificateSlot,
    Ending,
    FailureClass,
    FailureFacts,
    JobManagerReport,
    JobState,
    RequestFacts,
    RequestState,
    RestoreHeld,
    SkippedSnapshot,
    SnapshotFacts,
    StartRefused,
)
from weir_operator.observer.moments import from_millis

_E = TypeVar("_E", bound=StrEnum)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Only the newest failures are of interest.
_FAILURES = 10


def job_manager_report(answer: Mapping[str, Any]) -> JobManagerReport:
    """Raises ValueError, KeyError or TypeError for what is no report."""
    refused, standby = answer.get("startRefused"), answer.get("standby")
    return JobManagerReport(
        run=int(answer["run"]),
        state=JobState(answer["state"]),
        epoch=_number(answer.get("epoch")),
        tail=_number(answer.get("tail")),
        ending=_known(Ending, answer.get("ending")),
        parallelism=_number(answer.get("parallelism")),
        max_parallelism=_number(answer.get("maxParallelism")),
        slots_required=_number(answer.get("slotsRequired")),
        task_managers=tuple(map(str, answer.get("taskManagers") or ())),
        idle_task_managers=tuple(map(str, answer.get("idleTaskManagers") or ())),
        running_since=from_millis(answer.get("runningSinceMs")),
        restored=snapshot_facts(answer.get("restored")),
        last_checkpoint=snapshot_facts(answer.get("lastCheckpoint")),
        retained=_snapshots(answer.get("retained")),
        last_savepoint=snapshot_facts(answer.get("lastSavepoint")),
        failures=tuple(_failures(answer.get("failures") or ())),
        restarts=_number(answer.get("restarts")) or 0,
        failed_checkpoints=_number(answer.get("failedCheckpoints")) or 0,
        slow_edge=str(answer.get("slowEdge") or ""),
        start_refused=StartRefused(expected=int(refused["expected"]), found=int(refused["found"]))
        if refused
        else None,
        restore_held=restore_held(answer.get("restoreBlocked")),
        skipped=tuple(_skipped(answer.get("skipped") or ())),
        standby=bool(standby),
        standby_ready=isinstance(standby, Mapping) and bool(standby.get("ready")),
        requests={facts.trigger: facts for facts in map(_request, answer.get("requests") or ())},
        certificates=tuple(_certificates(answer.get("certificates") or ())),
    )


def snapshot_facts(value: Any) -> SnapshotFacts | None:
    """A snapshot in an answer, if it is one that has a path."""
    if not isinstance(value, Mapping) or not value.get("path"):
        return None
    return SnapshotFacts(
        path=str(value["path"]),
        id=_number(value.get("id")),
        completed_at=from_millis(value.get("completedAtMs")),
        bytes=_number(value.get("bytes")),
    )


def restore_held(value: Any) -> RestoreHeld | None:
    """Why the engine will not choose what to restore."""
    if not isinstance(value, Mapping):
        return None
    return RestoreHeld(
        reason=str(value.get("reason") or "unknown"), choices=tuple(map(str, value.get("choices") or ()))
    )


def _certificates(values: Iterable[Any]) -> Iterable[CertificateSlot]:
    for value in values:
        begins, ends = from_millis(value.get("notBeforeMs")), from_millis(value.get("notAfterMs"))
        if begins is not None and ends is not None:
            everywhere = bool(value.get("everywhere"))
            yield CertificateSlot(
                slot=str(value["slot"]), not_before=begins, not_after=ends, everywhere=everywhere
            )


def _skipped(values: Iterable[Any]) -> Iterable[SkippedSnapshot]:
    for value in values:
        if isinstance(value, Mapping) and value.get("path"):
            yield SkippedSnapshot(path=str(value["path"]), reason=str(value.get("reason") or "")[:1000])


def _snapshots(values: Iterable[Any] | None) -> tuple[SnapshotFacts, ...]:
    return tuple(found for found in map(snapshot_facts, values or ()) if found is not None)


def _failures(values: Iterable[Any]) -> Iterable[FailureFacts]:
    for value in list(values)[-_FAILURES:]:
        yield FailureFacts(
            failure_class=_known(FailureClass, value.get("class")) or FailureClass.INFRASTRUCTURE,
            fingerprint=str(value.get("fingerprint") or ""),
            message=str(value.get("message") or "")[-4000:],
            at=from_millis(value.get("atMs")) or _EPOCH,
            task_manager=value.get("taskManager"),
            traceback=str(value.get("traceback") or "")[-4000:] or None,
        )


def _request(value: Mapping[str, Any]) -> RequestFacts:
    return RequestFacts(
        trigger=str(value["trigger"]),
        state=_known(RequestState, value.get("state")) or RequestState.IN_PROGRESS,
        snapshot=snapshot_facts(value.get("snapshot")),
        failure=value.get("failure"),
        failure_class=_known(FailureClass, value.get("failureClass")),
        started_at=from_millis(value.get("startedAtMs")),
    )


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _known(kind: type[_E], value: Any) -> _E | None:
    return next((member for member in kind if member.value == value), None)
