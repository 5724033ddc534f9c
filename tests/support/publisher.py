"""A process that takes a job over and publishes checkpoints; run by tests that freeze or kill it at a crash point.

``python -m tests.support.publisher JOB_FOLDER WRITER COUNT``; what it achieved goes to stdout, one line each.
"""

from __future__ import annotations

import sys

from weir.checkpoint import publishing, recovery, store
from weir.checkpoint.events import Publish, Published, PublishFault
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.metadata import FORMAT_VERSION, SnapshotKind, SnapshotMetadata
from weir.checkpoint.recovery import Restore
from weir.clock import SystemClock
from weir.errors import Fenced
from weir.ids import AttemptId, CheckpointId, JobId
from weir.storage import open_storage


def main(folder, writer, count):
    job = open_storage(folder)
    fence = FenceLog(job, writer, SystemClock())
    started = fence.start("run", _base)
    say("started", fence.epoch)
    number = started.view.highest_checkpoint + 1
    published = []
    while len(published) < count:
        answer = publishing.answer(fence, job, _order(fence, number), None)
        if isinstance(answer, Published):
            published.append(CheckpointId(number))
            say("published", number)
            if len(published) > 1:
                store.delete_checkpoints(fence, job, published[-2:-1])
        elif answer.fault is PublishFault.FENCED:
            raise Fenced(answer.message)
        number += 1


def _base(view):
    decision = recovery.decide(view)
    return decision.point if isinstance(decision, Restore) else None


def _order(fence, number):
    found = SnapshotMetadata(
        format_version=FORMAT_VERSION,
        job_id=JobId("ab" * 16),
        kind=SnapshotKind.CHECKPOINT,
        checkpoint_id=CheckpointId(number),
        epoch=fence.epoch,
        attempt=AttemptId(1),
        triggered_ms=0,
        has_commits=True,
    )
    return Publish(CheckpointId(number), found, None)


def say(*words):
    print(*words, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except Fenced as error:
        say("fenced", error)
        sys.exit(3)
