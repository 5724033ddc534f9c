"""The data thread: runs the tasks of one deployment, one step at a time, and everything that is posted to it.

All that touches a task happens here, so user code is never called concurrently. The thread gives up the GIL every four
milliseconds of work, else the I/O thread starves behind a busy loop exactly when barriers and acknowledgements
matter (performance rule 1). It never waits for credit, only for something to happen. Hot path.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from msgspec import structs

from weir.clock import Clock
from weir.rpc import messages
from weir.taskmanager.enumerators import EnumeratorTask
from weir.taskmanager.task import Task

AnyTask = Task | EnumeratorTask
#: Seconds between two looks at tasks that wait for something outside: a backstop, everything wakes the loop.
LONG_WAIT = 1.0
#: Seconds of work after which the GIL is given up: before the 5 ms after which it is taken.
YIELD_SECONDS = 0.004
#: Seconds of work after which what gathered leaves: as every message costs, a busy thread does not send with each yield.
FLUSH_SECONDS = 0.008


class Progress(Protocol):
    """Where the loop says that it moves, for the supervisor's stall check."""

    def busy(self, label: str) -> None: ...

    def idle(self) -> None: ...


class NoProgress:
    """Nobody watches."""

    def busy(self, label: str) -> None:
        """Ignored."""

    def idle(self) -> None:
        """Ignored."""


class DataLoop:
    """The mailbox and the tasks of one worker."""

    def __init__(self, clock: Clock, progress: Progress | None = None) -> None:
        self.tasks: list[AnyTask] = []
        #: Called with what a task or a posted call raised; must not raise.
        self.on_failure: Callable[[AnyTask | None, BaseException], None] = lambda _, __: None
        #: Called on the data thread when it is about to let the I/O thread run: with a yield each ``FLUSH_SECONDS``, and
        #: after each round that found no work. What was gathered for others leaves here.
        self.before_pause: Callable[[], None] = lambda: None
        self._clock = clock
        self._progress: Progress = progress or NoProgress()
        self._mailbox: deque[Callable[[], None]] = deque()
        self._event = threading.Event()
        self._sleeping = False
        self._stopped = False
        self._yield_at = 0.0
        self._flush_at = 0.0
        #: When the first of the calls that wait was posted, and the longest wait since the last report; seconds.
        self._posted_at = 0.0
        self._waited = 0.0

    def post(self, call: Callable[[], None]) -> None:
        """Run ``call`` on the data thread soon; from any thread."""
        if not self._mailbox:
            self._posted_at = self._clock.monotonic()
        self._mailbox.append(call)
        if self._sleeping:
            self._event.set()

    def wake(self) -> None:
        """Look at the tasks again soon; from any thread."""
        self.post(_nothing)

    def stop(self) -> None:
        """End ``run`` after the current piece of work."""
        self._stopped = True
        self.wake()

    def take_mailbox(self) -> tuple[int, float]:
        """Calls that wait now, and milliseconds that one waited at most since this was asked last."""
        waited, self._waited = self._waited, 0.0
        return len(self._mailbox), round(waited * 1000, 3)

    def run(self) -> None:
        """Run until ``stop``."""
        while not self._stopped:
            if self.round():
                continue
            self._wait()

    def round(self) -> bool:
        """Everything posted, then one step of each task; whether there was any work."""
        worked = self._drain()
        now = self._clock.monotonic()
        tasks = self.tasks
        for task in tasks:
            if not task.started:
                continue
            try:
                self._label(task)
                stepped = task.step(now)
                if not stepped:
                    task.flush()
                    continue
            except BaseException as error:
                self.on_failure(task, error)
                if isinstance(error, KeyboardInterrupt):
                    raise
                return True
            worked = True
            after = self._clock.monotonic()
            task.busy_seconds += after - now
            now = after
            if after >= self._yield_at:
                self._yield_at = after + YIELD_SECONDS
                if after >= self._flush_at:
                    self._flush_at = after + FLUSH_SECONDS
                    self.before_pause()
                time.sleep(0)
            if self._mailbox:
                self._drain()
                if self.tasks is not tasks:
                    # Deployed, stopped or failed meanwhile: the others of the old list are closed.
                    return True
        if not worked:
            self.before_pause()
        return worked

    def _label(self, task: AnyTask) -> None:
        self._progress.busy(task.identity.vertex.name)

    def _drain(self) -> bool:
        mailbox = self._mailbox
        found = bool(mailbox)
        if found:
            self._waited = max(self._waited, self._clock.monotonic() - self._posted_at)
        while mailbox:
            call = mailbox.popleft()
            try:
                call()
            except BaseException as error:
                self.on_failure(None, error)
                if isinstance(error, KeyboardInterrupt):
                    raise
        return found

    def _wait(self) -> None:
        """Sleep until something is posted or the next deadline."""
        self._progress.idle()
        timeout = self.idle_timeout()
        if timeout <= 0:
            return
        self._sleeping = True
        if not self._mailbox:
            self._event.wait(timeout)
        self._sleeping = False
        self._event.clear()

    def idle_timeout(self) -> float:
        """Seconds until some task has work although nothing arrives."""
        now = self._clock.monotonic()
        deadline = now + LONG_WAIT
        for task in self.tasks:
            if not task.started:
                continue
            due = task.next_deadline(now)
            if due is not None:
                deadline = min(deadline, due)
        return deadline - now


def _nothing() -> None:
    """The call that only wakes."""


def metrics_report(
    execution: messages.Execution, tasks: list[AnyTask], loop: DataLoop
) -> messages.MetricsReport:
    """The counters of all tasks; of the mailbox each says the same."""
    size, latency_ms = loop.take_mailbox()
    found = []
    for task in tasks:
        metrics = task.metrics()
        shared = structs.replace(metrics.gauges, mailbox_size=size, mailbox_latency_ms=latency_ms)
        found.append(structs.replace(metrics, gauges=shared))
    return messages.MetricsReport(execution=execution, tasks=tuple(found))
