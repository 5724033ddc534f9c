"""The crash points of the engine and how a run is brought to each; ``test_crash_points`` kills a process at every one.

A run begins disarmed (its marker exists). It is armed when checkpoints have completed and rows flow, so that there is
something to lose; what is only passed at a start or a restore is provoked by a kill, what is only passed at the end
comes by itself.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


class When(enum.Enum):
    """What brings a run to the point once it is armed."""

    RUNNING = "it comes by itself, with rows and checkpoints"
    FIRST_START = "armed before the run begins"
    WORKER_LOST = "a worker is killed"
    JOBMANAGER_LOST = "the JobManager is killed"
    END = "the input ends"


@dataclass(frozen=True)
class Point:
    """One place in the code."""

    name: str
    when: When = When.RUNNING
    #: The hit that kills, from the moment when the run is armed.
    count: int = 1
    #: ``Memory`` keeps state in the metadata, ``FileSystem`` writes objects, ``RocksDB`` stores its files, each once.
    backend: str = "Memory"

    def state_backend(self) -> dict[str, Any]:
        """As the resource has it."""
        return {"type": self.backend} | ({"incremental": True} if self.backend == "RocksDB" else {})

    def __str__(self) -> str:
        return f"{self.name}-{self.when.name.lower()}"


#: Only passed when two processes own one job (``test_frozen_processes``), or after two crashes
#: (``test_a_second_crash_while_the_end_is_cleared_up``).
ELSEWHERE = {"jobmanager.fence.after-refusal", "jobmanager.end.before-clearing"}

POINTS = [
    # ---- a checkpoint: from the trigger to the acknowledgement
    Point("jobmanager.checkpoint.before-trigger"),
    Point("jobmanager.checkpoint.after-trigger"),
    Point("supervisor.trigger.before-pass"),
    Point("supervisor.message.after-pass"),
    Point("worker.enumerator.triggered"),
    Point("worker.enumerator.barrier-sent"),
    Point("worker.task.barrier-sent"),
    Point("worker.sink.prepared"),
    Point("worker.task.state-frozen"),
    Point("file-sink.closed"),
    Point("worker.sink.before-finish-prepare"),
    Point("file-sink.durable"),
    Point("worker.sink.after-finish-prepare"),
    Point("worker.snapshot.before-upload", backend="FileSystem"),
    Point("worker.snapshot.after-upload", backend="FileSystem"),
    Point("worker.increment.before-upload", backend="RocksDB"),
    Point("worker.increment.after-upload", backend="RocksDB"),
    Point("worker.task.before-ack"),
    Point("worker.task.after-ack"),
    Point("supervisor.said.before-pass"),
    Point("jobmanager.checkpoint.before-ack", count=2),
    # ---- publishing, and what may be deleted then
    Point("jobmanager.publish.before-metadata"),
    Point("jobmanager.publish.after-metadata"),
    Point("jobmanager.fence.before-record"),
    Point("jobmanager.fence.after-record"),
    Point("jobmanager.publish.after-record"),
    Point("jobmanager.checkpoint.before-completed"),
    Point("jobmanager.retention.before-delete"),
    Point("jobmanager.retention.after-metadata"),
    Point("jobmanager.retention.after-delete"),
    Point("jobmanager.shared.before-delete", backend="RocksDB"),
    Point("jobmanager.shared.after-delete", backend="RocksDB"),
    # ---- commit
    Point("jobmanager.checkpoint.before-notify"),
    Point("jobmanager.checkpoint.after-notify"),
    Point("supervisor.notify.before-pass"),
    Point("worker.sink.before-commit"),
    Point("file-sink.before-rename"),
    Point("file-sink.renamed"),
    Point("worker.sink.after-commit"),
    # ---- a first start
    Point("jobmanager.claim.before-name", When.FIRST_START),
    Point("jobmanager.claim.after-name", When.FIRST_START),
    Point("jobmanager.start.after-read", When.FIRST_START),
    Point("jobmanager.start.after-record", When.FIRST_START),
    Point("jobmanager.deploy.after-send", When.FIRST_START),
    Point("supervisor.session.before-register", When.FIRST_START),
    # ---- restore: after a worker was lost, and after the JobManager was
    Point("supervisor.worker.before-lost", When.WORKER_LOST),
    Point("supervisor.worker.ready", When.WORKER_LOST),
    Point("jobmanager.deploy.before-send", When.WORKER_LOST),
    Point("jobmanager.deploy.after-send", When.WORKER_LOST),
    Point("supervisor.deploy.before-pass", When.WORKER_LOST),
    Point("worker.restore.before-read", When.WORKER_LOST),
    Point("worker.restore.before-shared", When.WORKER_LOST, backend="RocksDB"),
    Point("worker.restore.after-read", When.WORKER_LOST),
    Point("worker.sink.before-restored-commit", When.WORKER_LOST),
    Point("worker.sink.after-restored-commit", When.WORKER_LOST),
    Point("worker.task.opened", When.WORKER_LOST),
    Point("supervisor.session.registered", When.JOBMANAGER_LOST),
    Point("jobmanager.claim.before-name", When.JOBMANAGER_LOST),
    Point("jobmanager.start.after-read", When.JOBMANAGER_LOST),
    Point("jobmanager.start.after-record", When.JOBMANAGER_LOST),
    Point("jobmanager.claim.after-start", When.JOBMANAGER_LOST),
    Point("jobmanager.deploy.after-send", When.JOBMANAGER_LOST),
    # ---- the end
    Point("jobmanager.end.before-finish", When.END),
    Point("jobmanager.end.before-record", When.END),
    Point("jobmanager.end.after-record", When.END),
    Point("jobmanager.end.after-delete", When.END),
]
