"""Completing a snapshot: ``_metadata`` first, then the fence record, which alone makes it count.

``_metadata`` is created if absent, so that a process that was overtaken cannot replace what its successor wrote; the
record is refused to it. ``answer`` carries out the coordinator's ``Publish`` and says how it went as an event.
"""

from __future__ import annotations

from weir import crashpoints
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import paths
from weir.checkpoint.events import Publish, Published, PublishFailed, PublishFault
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import Checkpoint, RestorePoint
from weir.checkpoint.metadata import SnapshotKind, SnapshotMetadata
from weir.errors import Fenced, ObjectExists, SnapshotError, StorageUnavailable, WeirError
from weir.storage import PrefixedStorage, Storage


class NumberTaken(SnapshotError):
    """A process that is gone left a ``_metadata`` under this number; take the next one."""


class PublishUnknown(SnapshotError):
    """Whether the fence has the record is not known; publish again until it is."""

    retryable = True


def answer(
    fence: FenceLog, job: Storage, order: Publish, savepoint: Storage | None
) -> Published | PublishFailed:
    """Carry out ``order`` and tell the coordinator how it went; raises nothing that storage or the fence raise.

    ``job`` is the job's folder, ``savepoint`` the savepoint's own if ``order.target`` is set. Blocks.
    """
    try:
        point = publish(fence, job, order.metadata, savepoint)
    except PublishUnknown as error:
        fault, message = PublishFault.UNKNOWN, str(error)
    except NumberTaken as error:
        fault, message = PublishFault.NUMBER_TAKEN, str(error)
    except Fenced as error:
        fault, message = PublishFault.FENCED, str(error)
    except WeirError as error:
        fault, message = PublishFault.FAILED, str(error)
    else:
        return Published(order.checkpoint_id, point.path, order.metadata.size)
    return PublishFailed(order.checkpoint_id, fault, message)


def answer_unrecorded(order: Publish, savepoint: Storage) -> Published | PublishFailed:
    """As ``answer``, for a savepoint of a job that has no log: nobody else can own the job, ``_metadata`` completes it."""
    try:
        savepoint.create_if_absent(paths.METADATA, _encoded(order.metadata))
    except ObjectExists as error:
        return PublishFailed(order.checkpoint_id, PublishFault.NUMBER_TAKEN, str(error))
    except WeirError as error:
        return PublishFailed(order.checkpoint_id, PublishFault.FAILED, str(error))
    return Published(order.checkpoint_id, savepoint.uri, order.metadata.size)


def publish(
    fence: FenceLog, job: Storage, metadata: SnapshotMetadata, savepoint: Storage | None = None
) -> RestorePoint:
    """Complete a snapshot: write ``_metadata``, then append the fence record.

    ``job`` is the job's folder, ``savepoint`` a savepoint's own. May be repeated as long as it raises
    ``PublishUnknown``, and must be, before anything else is appended. Raises ``Fenced``, ``NumberTaken``, or a
    ``StorageError`` when the snapshot is certainly not complete.
    """
    data = _encoded(metadata)
    folder = savepoint or PrefixedStorage(job, paths.checkpoint_folder(metadata.checkpoint_id))
    point = RestorePoint(
        checkpoint_id=metadata.checkpoint_id,
        path=folder.uri if savepoint else paths.checkpoint_folder(metadata.checkpoint_id),
        metadata_sha256=metadata_format.digest(data),
        kind=SnapshotKind.SAVEPOINT if savepoint else SnapshotKind.CHECKPOINT,
    )
    record = Checkpoint(point=point, has_commits=metadata.has_commits)
    crashpoints.hit("jobmanager.publish.before-metadata")
    if fence.unresolved != record:  # else the metadata is there
        _create_metadata(fence, folder, data)
    crashpoints.hit("jobmanager.publish.after-metadata")
    try:
        fence.append(record, fence.tail)
    except StorageUnavailable as error:
        raise PublishUnknown(str(error)) from error
    crashpoints.hit("jobmanager.publish.after-record")
    return point


def _encoded(metadata: SnapshotMetadata) -> bytes:
    """Raises ``SnapshotError`` when nobody would read it again."""
    data = metadata_format.encode(metadata)
    fault = metadata_format.fault_of_size(len(data))
    if fault is not None:
        raise SnapshotError(f"{paths.METADATA} of snapshot {metadata.checkpoint_id} {fault}")
    return data


def _create_metadata(fence: FenceLog, folder: Storage, data: bytes) -> None:
    try:
        folder.create_if_absent(paths.METADATA, data)
    except ObjectExists:
        if folder.read(paths.METADATA) != data:
            fence.check_owned()  # a successor's, or a predecessor's left-over?
            raise NumberTaken(
                f"{folder.uri}/{paths.METADATA} was written by another process that did not complete it; "
                "the next number is taken"
            ) from None
