"""The journal of a job without checkpoints, whose final round commits output but stores nothing."""

from __future__ import annotations

from collections.abc import Mapping

from weir.checkpoint import events, publishing, store
from weir.checkpoint.start_directive import Admission, Apply, StartDirective, StartRefused
from weir.ids import CheckpointId, Epoch, JobId
from weir.jobmanager.history.journal import AlreadyEnded, Claim, Position
from weir.jobmanager.history.restoring import foreign
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState


class UnstoredJournal:
    """A job without checkpoints. It may still start from a snapshot, and savepoints of it may be taken."""

    root = None

    def __init__(self, spec: JobSpec, job: JobId) -> None:
        self._spec = spec
        self._job = job

    def claim(
        self,
        *,
        recovering: bool,
        directive: StartDirective | None = None,
        damaged: Mapping[str, str] | None = None,
    ) -> Claim | AlreadyEnded | StartRefused:
        restore = None
        note = "checkpointing is off: nothing is stored"
        if self._spec.restore_from is not None:
            restore = foreign(store.load(self._spec.restore_from))
            note = f"restored from {restore.uri}; {note}"
        next_id = CheckpointId(1 + (restore.metadata.checkpoint_id if restore else 0))
        return Claim(Epoch(1), restore, next_id, (), note)

    def admission(self, directive: StartDirective) -> Admission:
        return Apply()

    def position(self) -> Position | None:
        return None

    def publish(self, order: events.Publish) -> events.Published | events.PublishFailed:
        if order.target is None:
            return events.Published(order.checkpoint_id, "")
        folder = store.savepoint_folder(order.target, self._job, order.checkpoint_id)
        return publishing.answer_unrecorded(order, folder)

    def discard(self, checkpoint: CheckpointId, target: str | None) -> None:
        if target is not None:
            store.discard(store.savepoint_folder(target, self._job, checkpoint), "", Epoch(1))

    def check_owned(self) -> None:
        pass

    def delete(self, checkpoints: tuple[CheckpointId, ...]) -> None:
        pass

    def delete_shared(self, kept: tuple[CheckpointId, ...]) -> None:
        pass

    def sweep(self, keep: tuple[CheckpointId, ...], below: CheckpointId) -> None:
        pass

    def end(self, state: JobState, reason: str, *, deletes: bool, stopped: bool = False) -> None:
        pass
