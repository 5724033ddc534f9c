"""``LocalCluster``: a cluster on this machine as an ordinary, blocking context manager.

Its event loop runs in a thread of its own, where ``processes.Keeper`` starts and watches the processes; the methods here
may be called from any other thread. Leaving the block ends every process that was started.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Self, TypeVar

from weir.config.options import PARALLELISM
from weir.errors import WeirError, WrongState
from weir.ids import JobId
from weir.local.folder_lock import FolderLock
from weir.local.processes import ClusterOptions, Keeper
from weir.rpc.client import JobManagerClient, Unreachable
from weir.rpc.messages import JobSpec
from weir.rpc.requests import ClusterAnswer, JobStatus, SavepointAnswer

_T = TypeVar("_T")

#: Seconds for which a call waits for a JobManager that is being replaced.
CALL_PATIENCE: Final = 60.0


class LocalCluster:
    """A JobManager and TaskManagers of this machine.

    ``slots`` a TaskManager (default: one TaskManager with as many slots as the jobs need), ``task_managers`` to begin
    with, ``environment`` for all processes. ``rest``: where its JobManager serves REST (``HOST:PORT``, or ``default`` for
    127.0.0.1:8081 or the next free port); without it there is none. Everything ends with the ``with`` block; running
    jobs are suspended.
    """

    def __init__(
        self,
        slots: int | None = None,
        task_managers: int = 1,
        environment: Mapping[str, str] | None = None,
        rest: str | None = None,
        rest_token_file: str | None = None,
    ) -> None:
        self._options = ClusterOptions(
            slots, task_managers, dict(environment or {}), rest=rest, rest_token_file=rest_token_file
        )
        #: By folder, namespace and name.
        self._locks: dict[tuple[str, str, str], FolderLock] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="local-cluster", daemon=True)
        self._keeper: Keeper | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._keeper = self._call(self._start())
        except BaseException:
            self.close(at_once=True)
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close(at_once=False)

    # ---- jobs -----------------------------------------------------------------------------------------------------

    def submit(self, spec: JobSpec, restore_policy: str = "Resume") -> JobId:
        """Hand a job in. Raises ``FolderLocked``, or whatever the JobManager refuses it for."""
        if spec.checkpoint_storage is not None:
            place = (spec.checkpoint_storage, spec.namespace, spec.name)
            lock = None if place in self._locks else FolderLock.acquire(*place)
            if lock is not None:
                self._locks[place] = lock
        hint = _parallelism_hint(spec)
        return self._call(self._running.submit(spec, slots_hint=hint, restore_policy=restore_policy))

    def status(self, job: JobId) -> JobStatus:
        """How the job fares. Waits for a JobManager that is being replaced."""
        return self._call(self._patiently(lambda client: client.status(job)))

    def wait(self, job: JobId, timeout: float | None = None, poll: float = 0.1) -> JobStatus:
        """The job's status once it is settled. Raises ``TimeoutError``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            status = self.status(job)
            if status.state.is_settled:
                self.forget(job)
                return status
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(
                    f"job {status.name} is {status.state} after {timeout:g} s: {status.failure}"
                )
            time.sleep(poll)

    def forget(self, job: JobId) -> None:
        """The job is settled: a JobManager that is started anew need not know it."""
        self._loop.call_soon_threadsafe(self._running.forget, job)

    def suspend(self, job: JobId) -> None:
        """Stop the job at its last completed checkpoint."""
        self._call(self._patiently(lambda client: client.suspend(job)))

    def cancel(self, job: JobId) -> None:
        """Stop the job for good."""
        self._call(self._patiently(lambda client: client.cancel(job)))

    def savepoint(self, job: JobId, target: str | None = None) -> str:
        """Take a savepoint below ``target`` (default: the configured folder); its URI. Raises ``WrongState``, ``ConfigError``."""
        return self._saved(job, lambda client, trigger: client.savepoint(job, target, trigger))

    def stop(self, job: JobId, target: str | None = None, *, drain: bool = False) -> str:
        """Stop the job with a savepoint; its URI, when nothing runs any more. The job goes on when that fails.

        ``drain``: end the input first, so that every event-time timer fires. Raises ``WrongState``, ``ConfigError``.
        """
        return self._saved(
            job, lambda client, trigger: client.stop(job, target, drain=drain, trigger=trigger)
        )

    def rescale(self, job: JobId, parallelism: int) -> None:
        """Give the job another parallelism, from a checkpoint taken for it; returns when it runs again."""
        trigger = secrets.token_hex(16)
        self._call(self._patiently(lambda client: client.rescale(job, parallelism, trigger)))

    def _saved(
        self,
        job: JobId,
        begin: Callable[[JobManagerClient, str], Coroutine[Any, Any, SavepointAnswer]],
    ) -> str:
        trigger = secrets.token_hex(16)
        answer = self._call(self._patiently(lambda client: begin(client, trigger)))
        while not answer.done:
            answer = self._call(self._patiently(lambda client: client.savepoint_outcome(job, trigger)))
        if answer.failure is not None or answer.path is None:
            raise WrongState(answer.failure or "there is no savepoint")
        return answer.path

    # ---- the cluster ----------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """``host:port`` of the JobManager."""
        return self._running.client.address

    @property
    def rest_address(self) -> str | None:
        """``host:port`` of REST, the same for as long as the cluster lives; ``None``: it serves none."""
        return self._running.rest_address

    @property
    def jobmanager_pid(self) -> int | None:
        """The JobManager process, for those who want to disturb it."""
        process = self._running.jobmanager
        return process.pid if process is not None else None

    @property
    def taskmanager_pids(self) -> list[int]:
        """The TaskManager processes, likewise."""
        return self._running.taskmanager_pids

    def cluster(self) -> ClusterAnswer:
        """All TaskManagers and jobs."""
        return self._call(self._patiently(lambda client: client.cluster()))

    def close(self, *, at_once: bool) -> None:
        """End all processes: in order, with running jobs suspended, or by ``SIGKILL``. May be called again."""
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            self._call(keeper.stop(at_once=at_once))
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    # ---- the thread -----------------------------------------------------------------------------------------------

    @property
    def _running(self) -> Keeper:
        if self._keeper is None:
            raise WeirError("the local cluster is not running; use it in a with block")
        return self._keeper

    async def _start(self) -> Keeper:
        keeper = Keeper(self._options)
        await keeper.start()
        return keeper

    async def _patiently(self, call: Callable[[JobManagerClient], Coroutine[Any, Any, _T]]) -> _T:
        keeper = self._running
        deadline = self._loop.time() + CALL_PATIENCE
        while True:
            await keeper.wait_ready()
            try:
                return await call(keeper.client)
            except Unreachable:
                if self._loop.time() > deadline:
                    raise
                await asyncio.sleep(0.1)

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


def _parallelism_hint(spec: JobSpec) -> int:
    for settings in (spec.overrides, spec.defaults):
        if PARALLELISM.key in settings:
            return int(settings[PARALLELISM.key])
    return spec.parallelism
