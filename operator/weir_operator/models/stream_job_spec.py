"""What a user says of a job: ``spec`` of a StreamJob. Names are fixed; defaults are what happens when nothing is said.

Whether a field was set is in ``model_fields_set``; ``written`` gives back exactly what was.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from annotated_types import MaxLen
from pydantic import Field

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import ChangeRule, DefaultText, Rule
from weir_operator.models.execution import (
    Checkpoints,
    Job,
    JobState,
    Restart,
    StateBackend,
    Storage,
)
from weir_operator.models.operations import DeletionPolicy, Restore, Snapshots, Upgrade, UpgradeMode
from weir_operator.models.texts import Image
from weir_operator.models.values import Setting
from weir_operator.models.workloads import JobManager, TaskManager

_CHECKPOINTING = (
    "has(self.checkpoints) && has(self.checkpoints.interval) && self.checkpoints.interval.matches('[1-9]')"
)
_MODE = "(has(self.upgrade) && has(self.upgrade.mode) ? self.upgrade.mode : 'Savepoint')"
_NEEDS_SAVEPOINTS = (
    f"({_CHECKPOINTING} && {_MODE} == 'Savepoint')"
    " || (has(self.upgrade) && has(self.upgrade.mode) && self.upgrade.mode == 'Savepoint')"
    " || (has(self.upgrade) && has(self.upgrade.savepointNonce) && self.upgrade.savepointNonce > 0)"
    " || (has(self.job.state) && self.job.state == 'Suspended')"
    " || (has(self.snapshots) && has(self.snapshots.schedule))"
    " || (has(self.deletionPolicy) && self.deletionPolicy == 'Savepoint')"
)


def _needs_savepoints(spec: Any) -> bool:
    savepoint_mode = spec.upgrade.mode is UpgradeMode.SAVEPOINT
    return (
        (spec.checkpoints.enabled and savepoint_mode)
        or ("mode" in spec.upgrade.model_fields_set and savepoint_mode)
        or spec.upgrade.savepoint_nonce > 0
        or spec.job.state is JobState.SUSPENDED
        or spec.snapshots.schedule is not None
        or spec.deletion_policy is DeletionPolicy.SAVEPOINT
    )


def _key_groups(job: str) -> str:
    return f"(has({job}.maxParallelism) ? {job}.maxParallelism : 128)"


class StreamJobSpec(SpecModel):
    """What a user says of a job."""

    rules: ClassVar = (
        Rule(
            "checkpoints.interval is {checkpoints.interval}, but storage.checkpoints does not say where they go; set it, such as s3://bucket/checkpoints",
            f"!({_CHECKPOINTING}) || (has(self.storage) && has(self.storage.checkpoints))",
            lambda spec: not spec.checkpoints.enabled or spec.storage.checkpoints is not None,
            at="storage.checkpoints",
        ),
        Rule(
            "storage.savepoints does not say where savepoints go, and they are needed: by upgrade.mode {upgrade.mode} with checkpoints,"
            " upgrade.savepointNonce, job.state Suspended, snapshots.schedule or deletionPolicy Savepoint; set it, such as s3://bucket/savepoints",
            f"(has(self.storage) && has(self.storage.savepoints)) || !({_NEEDS_SAVEPOINTS})",
            lambda spec: spec.storage.savepoints is not None or not _needs_savepoints(spec),
            at="storage.savepoints",
        ),
    )
    change_rules: ClassVar = (
        ChangeRule(
            "maxParallelism cannot change while state is kept, since keys would no longer find their state; set it back,"
            " or give the state up with upgrade.mode Stateless",
            f"{_MODE} == 'Stateless' || {_key_groups('self.job')} == {_key_groups('oldSelf.job')}",
            lambda old, new: (
                new.upgrade.mode is UpgradeMode.STATELESS
                or new.job.max_parallelism == old.job.max_parallelism
            ),
            at="job.maxParallelism",
        ),
    )

    image: Annotated[Image | None, DefaultText("the operator's own image, which has the engine")] = Field(
        default=None,
        description="Image of the job's pods: Weir's own, or one made FROM it with the job's code and packages.",
    )
    paused: bool = Field(
        default=False,
        description="Nothing disruptive is done while true: changes wait, and so does one under way as long as the old job was not asked to"
        " stop; nothing is started anew or rolled back; drift is still reported.",
    )
    job: Job = Field(description="What runs.")
    checkpoints: Checkpoints = Field(
        default=Checkpoints(), description="Checkpoints, from which the job recovers."
    )
    state_backend: StateBackend = Field(
        default=StateBackend(), description="Where keyed state lives while the job runs."
    )
    storage: Storage = Field(default=Storage(), description="Where checkpoints and savepoints are stored.")
    restart: Restart = Field(
        default=Restart(),
        description="What follows a failure of the job: the strategy, and the fields that it has.",
    )
    restore: Restore = Field(default=Restore(), description="What the job starts from.")
    upgrade: Upgrade = Field(default=Upgrade(), description="How a changed spec takes over.")
    snapshots: Snapshots = Field(
        default=Snapshots(), description="Savepoints by schedule, and how many are kept."
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description="What becomes of state when the resource is deleted: Retain keeps it, Savepoint takes one first, Purge deletes what the operator made for this job.",
    )
    job_manager: JobManager = Field(default=JobManager(), description="The JobManager's pod.")
    task_manager: TaskManager = Field(default=TaskManager(), description="The TaskManagers' pods.")
    config: Annotated[dict[str, Setting], MaxLen(128)] = Field(
        default={},
        description="Settings of the engine by key, such as heartbeat.interval: 2s. A field above, the environment and the job's code win over it.",
    )
