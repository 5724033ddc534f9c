"""Uploads in parts that processes of a job did not live to end: no listing has them, and the store keeps, and charges for, their parts.

Only names that a job's own processes give are looked at; what else is begun in its folder is somebody else's.
"""

from __future__ import annotations

from typing import NamedTuple

from weir.checkpoint import paths
from weir.ids import CheckpointId, Epoch
from weir.storage import Storage, Upload, begun_uploads


class _Target(NamedTuple):
    checkpoint: CheckpointId
    epoch: Epoch


def _target(name: str) -> _Target | None:
    """Of which checkpoint, and whose, the object would be; ``None`` for a name that is not ours."""
    shared, split = paths.parse_shared(name), paths.split_checkpoint(name)
    if shared is not None:
        return _Target(shared.checkpoint, shared.epoch)
    state = paths.parse_state_name(split[1]) if split is not None else None
    return _Target(split[0], state.epoch) if split is not None and state is not None else None


def left_behind(folder: Storage, below: CheckpointId, epoch: Epoch) -> list[Upload]:
    """In a job's folder: of checkpoints with numbers below that, begun by no epoch after this one. Nobody is at work at them."""
    found: list[Upload] = []
    for upload in begun_uploads(folder):
        target = _target(upload.name)
        if target is not None and target.checkpoint < below and target.epoch <= epoch:
            found.append(upload)
    return found


def left_by_job(folder: Storage, before_ms: int) -> list[Upload]:
    """In the folder of a job that has ended: begun at that time or earlier."""
    return [
        upload
        for upload in begun_uploads(folder)
        if upload.begun_ms <= before_ms and _target(upload.name) is not None
    ]


def left_of_savepoints(root: Storage, folder: str, before_ms: int) -> list[Upload]:
    """Of a job that has ended, in folders below ``root`` whose names begin with ``folder``: begun at that time or earlier."""
    return [
        upload
        for upload in begun_uploads(root, folder)
        if upload.begun_ms <= before_ms and paths.is_state(upload.name.partition("/")[2])
    ]
