"""One task for each resource, woken by whatever concerns it; a bounded number of passes at once.

An edit is answered first, by a status that says what will be done; then the resource waits for its turn to have it done.
A pass that raises is that resource's own affair: it is repeated after a while that doubles, and told in a condition; all
others go on. Wake-ups during a pass, or close together, make one more pass, not many.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from weir_operator.clients.refusals import Conflict, NotLeading
from weir_operator.errors import TemporaryError
from weir_operator.handlers.turns import Turns
from weir_operator.observer.children import JobKey
from weir_operator.reconciler.objects import NameTaken, Unfinished

_log = structlog.get_logger(__name__)

#: Passes over one resource are at least this far apart.
SPACING = 0.25
_FIRST_DELAY, _LONGEST_DELAY = 0.25, 30.0

#: Called after each pass: outcome, seconds, seconds since the first wake-up that it answers.
Listener = Callable[[str, float, float], None]


class Reconciler(Protocol):
    """What a worker calls."""

    def is_unanswered(self, key: JobKey) -> bool:
        """Whether no status answers the last edit."""

    async def answer(self, key: JobKey) -> None:
        """Plan and write the status, and do nothing else; a whole pass follows, and finds again what went wrong here."""

    async def reconcile(self, key: JobKey) -> float | None:
        """One pass; seconds until the next; None: the resource is gone."""

    async def failed(self, key: JobKey, reason: str, message: str) -> None:
        """A pass broke."""

    async def refresh(self, key: JobKey) -> None:
        """What is known of the resource is old."""


class Workers:
    """The tasks of one kind of resource."""

    def __init__(
        self,
        reconciler: Reconciler,
        turns: Turns,
        resync_seconds: float,
        listener: Listener = lambda *_: None,
    ) -> None:
        self._reconciler, self._turns = reconciler, turns
        self._resync_seconds, self._listener = resync_seconds, listener
        self._workers: dict[JobKey, _Worker] = {}

    def __contains__(self, key: JobKey) -> bool:
        return key in self._workers

    def wake(self, key: JobKey) -> None:
        """Something about this resource may have changed."""
        worker = self._workers.get(key)
        if worker is None:
            worker = self._workers[key] = _Worker(asyncio.get_running_loop().time())
            worker.task = asyncio.create_task(self._run(key, worker), name=f"reconcile {'/'.join(key)}")
        worker.wake(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """End all tasks, wherever they are."""
        tasks = [worker.task for worker in self._workers.values() if worker.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._workers.clear()

    async def _run(self, key: JobKey, worker: _Worker) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            woken_at = worker.take(clock())
            entering = asyncio.create_task(self._turns.enter())
            try:
                await self._answer_until(entering, key, worker)
                started = clock()
                outcome, delay = await self._pass(key, worker)
            finally:
                if not entering.cancel() and not entering.cancelled():
                    self._turns.leave()
            self._listener(outcome, clock() - started, clock() - woken_at)
            if delay is None and not worker.woken:
                del self._workers[key]
                return
            await worker.sleep(SPACING if delay is None else min(delay, self._resync()))

    async def _pass(self, key: JobKey, worker: _Worker) -> tuple[str, float | None]:
        """Outcome and seconds until the next pass."""
        try:
            delay = await self._reconciler.reconcile(key)
        except Conflict as error:
            _log.debug("a pass began with old facts", resource="/".join(key), error=str(error))
            await self._aside(self._reconciler.refresh(key))
            failures = worker.failed(str(error))
            return "conflict", 0.0 if failures < 3 else _backoff(failures, 0.0)
        except NotLeading:
            return "stopped", _LONGEST_DELAY
        except Unfinished as error:
            return "waits", error.delay
        except TemporaryError as error:
            _log.info("a pass waits", resource="/".join(key), reason=type(error).__name__, error=str(error))
            failures = worker.failed(str(error))
            if failures >= 2 or isinstance(error, NameTaken):
                await self._aside(self._reconciler.failed(key, type(error).__name__, str(error)))
            return "waits", _backoff(failures, error.delay)
        except Exception as error:  # noqa: BLE001 - one resource that breaks its pass must not stop the others
            _log.exception("a pass broke", resource="/".join(key))
            message = f"{type(error).__name__}: {error}"
            failures = worker.failed(message)
            await self._aside(self._reconciler.failed(key, "ReconcileFailed", message))
            return "broke", _backoff(failures, _FIRST_DELAY)
        worker.succeeded()
        return "done", delay

    async def _answer_until(self, entering: asyncio.Task[None], key: JobKey, worker: _Worker) -> None:
        """Edits are answered as they come, until there is a place for the pass."""
        while True:
            if self._reconciler.is_unanswered(key):
                async with self._turns.answer():
                    await self._answer(key)
            news = asyncio.create_task(worker.news())
            try:
                await asyncio.wait({entering, news}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            if entering.done():
                return
            worker.take(asyncio.get_running_loop().time())

    async def _answer(self, key: JobKey) -> None:
        try:
            await self._reconciler.answer(key)
        except Exception as error:  # noqa: BLE001 - the pass that follows meets it again, and sees to it
            _log.debug("an edit could not be answered ahead", resource="/".join(key), error=str(error))

    async def _aside(self, telling: Awaitable[None]) -> None:
        """What is done about a failure may fail too."""
        try:
            await telling
        except Exception as error:  # noqa: BLE001 - nothing that a failure leads to may end the task
            _log.warning("a failure could not be told", error=str(error))

    def _resync(self) -> float:
        return self._resync_seconds * random.uniform(0.9, 1.1)


class _Worker:
    """One task and its alarm clock."""

    def __init__(self, now: float) -> None:
        self.task: asyncio.Task[None] | None = None
        self._alarm = asyncio.Event()
        self._woken_at: float | None = now
        self._failure: str | None = None
        self._failures = 0

    def failed(self, why: str) -> int:
        """A pass failed; how often it failed like this before. One that came further than the last begins anew."""
        self._failures = self._failures + 1 if why == self._failure else 0
        self._failure = why
        return self._failures

    def succeeded(self) -> None:
        """A pass went through."""
        self._failure, self._failures = None, 0

    @property
    def woken(self) -> bool:
        """Whether something came since the pass began."""
        return self._alarm.is_set()

    def wake(self, now: float) -> None:
        if self._woken_at is None:
            self._woken_at = now
        self._alarm.set()

    def take(self, now: float) -> float:
        """A pass begins: when was it first asked for?"""
        woken_at = now if self._woken_at is None else self._woken_at
        self._alarm.clear()
        self._woken_at = None
        return woken_at

    async def news(self) -> None:
        """Return when somebody wakes us."""
        await self._alarm.wait()

    async def sleep(self, delay: float) -> None:
        """Until the delay is over or somebody wakes us, but for the least distance between passes."""
        await asyncio.sleep(min(SPACING, delay))
        try:
            async with asyncio.timeout(max(0.0, delay - SPACING)):
                await self._alarm.wait()
        except TimeoutError:
            return


def _backoff(failures: int, at_least: float) -> float:
    delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2**failures)
    return float(max(at_least, delay * random.uniform(0.8, 1.2)))
