"""Time that stands still while user code is stopped at a breakpoint.

Monotonic time goes on for ``GRACE`` seconds of one piece of work and then waits for its end, so a person who looks
around in a debugger makes no checkpoint expire and no heartbeat late. It is also the data loop's ``Progress``: each
piece of work begins with ``busy``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Seconds of one piece of work that still count.
GRACE = 1.0


class DebugClock:
    """A ``Clock`` and a ``Progress``; used from the data thread and the control plane's thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lost = 0.0
        #: When the present piece of work began; ``None``: the loop waits.
        self._began: float | None = None

    def wall_ms(self) -> int:
        """Milliseconds since the epoch; goes on."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds without those that a breakpoint took."""
        with self._lock:
            return self._now() - self._lost

    def busy(self, _label: str) -> None:
        """A piece of work begins, and with it the last one has ended."""
        self._turn(self._monotonic())

    def idle(self) -> None:
        """Nothing to do."""
        self._turn(None)

    def _now(self) -> float:
        now = self._monotonic()
        return now if self._began is None else min(now, self._began + GRACE)

    def _turn(self, began: float | None) -> None:
        with self._lock:
            if self._began is not None:
                self._lost += max(0.0, self._monotonic() - self._began - GRACE)
            self._began = began
