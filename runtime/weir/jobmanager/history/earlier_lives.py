"""State that an earlier job of the same name left, when a job starts for the first time: who goes on, and how the other ends.

In a cluster a StreamJob that is deleted and made anew is another job under the same name. Going on from its state closes the
earlier log for ever, before it is read: whoever still runs the earlier job can complete nothing from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

from weir.checkpoint import fence_records as records
from weir.checkpoint import store
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import LogView
from weir.checkpoint.start_directive import RestorePolicy
from weir.clock import Clock
from weir.errors import RestoreBlocked
from weir.ids import JobId
from weir.rpc.messages import JobSpec
from weir.storage import Storage


@dataclass(frozen=True)
class EarlierLife:
    """A job whose log is closed in favour of this one."""

    job: JobId
    folder: Storage
    view: LogView


@dataclass(frozen=True)
class EarlierLives:
    """Finds it; ``job`` is the one that starts, ``writer`` names this process in logs."""

    checkpoints: Storage
    spec: JobSpec
    job: JobId
    writer: str
    clock: Clock

    def take_over(self, policy: RestorePolicy) -> EarlierLife | str:
        """The newest job of this name that may go on, closed; or why none does. Raises ``RestoreBlocked``, ``SnapshotCorrupt``."""
        found = store.jobs_of_name(self.checkpoints, self.spec.namespace, self.spec.name)
        for job in reversed(found):
            if job == self.job:
                continue
            folder = store.job_folder(self.checkpoints, job)
            fence = FenceLog(folder, self.writer, self.clock)
            view = fence.read()
            ended = view.ended
            if not view.entries or (isinstance(ended, records.Superseded) and ended.by != self.job):
                continue
            if isinstance(ended, records.Finished):
                return f"job {job} of this name finished before; this is a new run"
            if policy is RestorePolicy.REFUSE:
                raise refused(job, self.spec.name, self.checkpoints.uri)
            if policy is RestorePolicy.FRESH:
                return f"state of job {job} under this name is left aside: restore.policy is Fresh"
            return EarlierLife(job, folder, fence.supersede(self.job))
        return "the job is new"


def refused(job: JobId, name: str, root: str) -> RestoreBlocked:
    """There is state, and the policy forbids to use it and to leave it."""
    return RestoreBlocked(
        f"there is state of job {job} under the name {name!r} in {root}, and restore.policy is Refuse; "
        "use Resume to go on with it, Fresh to leave it aside, or another name",
        (f"Resume: go on with job {job}", "Fresh: leave its state aside and start without any"),
    )
