"""Crash points on the way of what people ask for; ``test_crashes_while_steered`` kills a process at every one.

The job takes no checkpoints by itself here, so the first hit after the run is armed belongs to what was asked for.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Asked(enum.Enum):
    """What a person does."""

    SAVEPOINT = "takes a savepoint"
    STOP = "stops the job with a savepoint"
    DRAIN = "drains it"
    RESCALE = "gives it another parallelism"
    START = "starts a new job from the savepoint with which another one stopped"


@dataclass(frozen=True)
class Crash:
    """A process dies there."""

    asked: Asked
    point: str
    backend: str = "Memory"

    def __str__(self) -> str:
        return f"{self.asked.name.lower()}-{self.point}"


#: What begins with the request of a person: it is lost with the JobManager, the job is not.
ASKED_FOR = {
    "jobmanager.savepoint.before-trigger",
    "jobmanager.stop.before-savepoint",
    "jobmanager.rescale.before-restart",
}
_SNAPSHOT = [
    "worker.enumerator.triggered",
    "worker.enumerator.barrier-sent",
    "worker.task.barrier-sent",
    "worker.task.state-frozen",
    "worker.sink.after-finish-prepare",
    "worker.task.before-ack",
    "worker.task.after-ack",
    "jobmanager.checkpoint.before-ack",
    "jobmanager.publish.before-metadata",
    "jobmanager.publish.after-metadata",
    "jobmanager.fence.before-record",
    "jobmanager.publish.after-record",
    "jobmanager.checkpoint.before-completed",
    "jobmanager.checkpoint.before-notify",
    "jobmanager.checkpoint.after-notify",
    "worker.sink.before-commit",
    "file-sink.before-rename",
    "worker.sink.after-commit",
]
_FILES = ["worker.snapshot.before-upload", "worker.snapshot.after-upload"]
_END = [
    "jobmanager.end.before-finish",
    "jobmanager.end.before-record",
    "jobmanager.end.after-record",
    "jobmanager.end.after-delete",
]
_RESTORE = [
    "jobmanager.deploy.before-send",
    "jobmanager.deploy.after-send",
    "worker.restore.before-read",
    "worker.restore.after-read",
    "worker.sink.before-restored-commit",
    "worker.task.opened",
]
_CLAIM = [
    "jobmanager.claim.before-name",
    "jobmanager.claim.after-name",
    "jobmanager.start.after-read",
    "jobmanager.start.after-record",
    "jobmanager.claim.after-start",
]

CRASHES = [
    *(Crash(Asked.STOP, point) for point in ["jobmanager.stop.before-savepoint", *_SNAPSHOT, *_END]),
    *(Crash(Asked.STOP, point, "FileSystem") for point in _FILES),
    *(
        Crash(Asked.DRAIN, point)
        for point in ("worker.task.barrier-sent", "worker.task.before-ack", "jobmanager.end.before-record")
    ),
    *(
        Crash(Asked.SAVEPOINT, point)
        for point in (
            "jobmanager.savepoint.before-trigger",
            "worker.task.before-ack",
            "jobmanager.publish.before-metadata",
            "jobmanager.publish.after-metadata",
            "jobmanager.publish.after-record",
            "jobmanager.checkpoint.before-notify",
            "worker.sink.before-commit",
        )
    ),
    Crash(Asked.SAVEPOINT, "worker.snapshot.after-upload", "FileSystem"),
    *(Crash(Asked.RESCALE, point) for point in ["jobmanager.rescale.before-restart", *_RESTORE]),
    *(Crash(Asked.START, point) for point in [*_CLAIM, *_RESTORE[:5], "worker.task.opened"]),
]
