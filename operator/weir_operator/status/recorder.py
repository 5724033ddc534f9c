"""Writes status: whole, with the version that it was planned from, so that of two writers one learns that it was late.

What is written before the first action is the intent; it must be there before anything is done. Status that only tells of
progress (the last checkpoint) is written now and then: a thousand jobs with a checkpoint every few seconds
would otherwise keep the API server busy with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weir_operator.clients.kinds import Kind
from weir_operator.clients.kubernetes import Body, Kubernetes
from weir_operator.clients.refusals import Conflict

#: What tells of progress alone, in the status and in its summary.
_PROGRESS, _PROGRESS_IN_SUMMARY = frozenset({"lastCheckpoint", "retainedCheckpoints"}), "checkpoint"


class Recorder:
    """Writes the status of one kind of resource."""

    def __init__(self, kind: Kind, progress_seconds: float, clock: Callable[[], float]) -> None:
        self._kind, self._progress_seconds, self._clock = kind, progress_seconds, clock
        self._written_at: dict[str, float] = {}

    async def write(
        self, client: Kubernetes, body: Mapping[str, Any], status: Mapping[str, Any]
    ) -> Body | None:
        """The resource as it is then; None: there was nothing to write. Raises Conflict, with nothing written."""
        wanted = without_nulls(status)
        present = body.get("status")
        uid = body["metadata"]["uid"]
        if wanted == present or (self._recently(uid) and tells_of_progress_alone(present, wanted)):
            return None
        answers = _generation(wanted) != _generation(present)
        answer = await client.replace(self._kind, {**body, "status": wanted}, "status", ahead=answers)
        if answer["metadata"]["uid"] != uid:
            raise Conflict(f"{self._kind.name} {body['metadata']['name']} is another one by now")
        self._written_at[uid] = self._clock()
        return answer

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._written_at.pop(uid, None)

    def _recently(self, uid: str) -> bool:
        at = self._written_at.get(uid)
        return at is not None and self._clock() - at < self._progress_seconds


def _generation(status: Any) -> Any:
    """Which edit of the resource a status answers."""
    return status.get("observedGeneration") if isinstance(status, Mapping) else None


def tells_of_progress_alone(present: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether nothing differs but how far the job has come."""
    return isinstance(present, Mapping) and _without_progress(present) == _without_progress(wanted)


def _without_progress(status: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in status.items() if name not in _PROGRESS}
    summary = rest.get("summary")
    if isinstance(summary, Mapping):
        rest["summary"] = {name: value for name, value in summary.items() if name != _PROGRESS_IN_SUMMARY}
    return rest


def without_nulls(value: Any) -> Any:
    """The document as the API server keeps it: a field without a value is not there."""
    if isinstance(value, Mapping):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(inner) for inner in value]
    return value
