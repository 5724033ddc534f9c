"""Deletes savepoints that a person asks to delete; Weir itself never does. Asked for by id, polled for, as in Flink.

A path is checked first: there must be the record of a savepoint (a checkpoint belongs to its job), and no job here may
have started from it. Only files with the names of state go, the record before them.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from weir.checkpoint import paths, store
from weir.checkpoint.metadata import SnapshotKind
from weir.errors import WeirError, WrongState
from weir.jobmanager.checkpoints.checkpointing import Blocking
from weir.jobmanager.operations import Operation, OperationKind, Operations


class Disposals:
    """The disposals of one JobManager."""

    def __init__(self, blocking: Blocking, user_of: Callable[[str], str | None]) -> None:
        """``user_of``: the name of a job that needs the snapshot at a URI, if there is one."""
        self.operations = Operations()
        self._blocking = blocking
        self._user_of = user_of
        self._work: set[asyncio.Task[None]] = set()

    def dispose(self, path: str, trigger: str | None = None) -> Operation:
        """Delete the savepoint in that folder. Raises ``WrongState`` if a job needs it."""
        folder = path.rstrip("/").removesuffix("/" + paths.METADATA)
        user = self._user_of(folder)
        if user is not None:
            raise WrongState(f"job {user} started from {folder}; dispose of it when the job has ended")
        operation, new = self.operations.begin(OperationKind.DISPOSAL, trigger)
        if new:
            task = asyncio.ensure_future(self._dispose(operation, folder))
            self._work.add(task)
            task.add_done_callback(self._work.discard)
        return operation

    async def _dispose(self, operation: Operation, folder: str) -> None:
        failure: str | None = None
        try:
            await self._blocking(functools.partial(delete_savepoint, folder))
        except WeirError as error:
            failure = str(error)
        except Exception as error:
            self.operations.finish(operation, failure=f"a fault of Weir: {error!r}")
            raise
        self.operations.finish(operation, failure=failure)


def delete_savepoint(uri: str) -> None:
    """Delete a savepoint. Raises ``SnapshotCorrupt`` where there is none, ``WrongState`` for a checkpoint."""
    found = store.load(uri)
    if found.metadata.kind is not SnapshotKind.SAVEPOINT:
        raise WrongState(
            f"{uri} is checkpoint {found.metadata.checkpoint_id} of job {found.metadata.job_name} and no savepoint; the "
            "job deletes its checkpoints itself"
        )
    store.delete_snapshot(found.folder)
