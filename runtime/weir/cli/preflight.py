"""``weir preflight``: does the job of this image load, and does its plan fit a snapshot? Asked before the old job stops."""

from __future__ import annotations

import asyncio

from weir.checkpoint import paths, store
from weir.cli.restore_preview import RestorePreview, preview
from weir.cli.served_job import cluster_job
from weir.errors import SnapshotError
from weir.jobmanager.care.answers import Verdict
from weir.jobmanager.planning import PlannedJob, PlanningError, plan_job
from weir.storage import open_storage


def verdict(resource: str, snapshot: str | None, *, exact: bool = False) -> Verdict:
    """Plan the job of the StreamJob document, and compare. Raises ``ConfigError``, ``StorageError``: no verdict then."""
    spec, _ = cluster_job(resource)
    try:
        planned = asyncio.run(plan_job(spec))
    except PlanningError as error:
        message, trace = error.failure.message, error.failure.traceback.rstrip()
        message = f"spec.job.entrypoint {spec.entrypoint} gives no job: {message}"
        return Verdict(fits=False, message=f"{message}\n{trace}" if trace else message)
    refused, message = None, f"job {spec.name} can be loaded and planned"
    if snapshot is not None:
        try:
            found = preview(planned, snapshot) if exact else _beside(planned, snapshot)
        except SnapshotError as error:
            refused = str(error)
        else:
            refused = found.refused
            message += f", and fits {found.snapshot}"
    return Verdict(
        fits=refused is None,
        message=message if refused is None else refused,
        slots_required=planned.slots,
        parallelism=planned.options.pipeline.parallelism,
        max_parallelism=planned.options.pipeline.max_parallelism,
    )


def _beside(planned: PlannedJob, snapshot: str) -> RestorePreview:
    """The job beside the snapshot; retention may have taken a checkpoint meanwhile, then a newer one speaks for it."""
    try:
        return preview(planned, snapshot)
    except SnapshotError:
        folder, _, name = snapshot.rstrip("/").rpartition("/")
        named = paths.split_checkpoint(f"{name}/_metadata")
        if named is None:
            raise
        for checkpoint in reversed(store.existing_checkpoints(open_storage(folder))):
            if checkpoint > named[0]:
                try:
                    return preview(planned, f"{folder}/{paths.checkpoint_folder(checkpoint)}")
                except SnapshotError:  # not complete yet, or gone too
                    continue
        raise
