"""Logs of the engine's processes: one line an event on stderr, a constant message and ``key=value`` pairs.

The newest part is kept in memory too, for REST: a pod's root file system is read-only, and a log file that grows needs
somebody who turns it. What came before is in the pod's log.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from typing import Final, TextIO, cast

import structlog

#: Bytes that are kept of a process's log.
KEPT: Final = 1024 * 1024


class LogTail:
    """The newest bytes that a process logged; any thread may add."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._parts: deque[bytes] = deque()
        self._size = 0
        self.modified_ms = round(time.time() * 1000)  #: wall time

    @property
    def size(self) -> int:
        """Bytes that ``read`` gives."""
        return self._size

    def add(self, data: bytes) -> None:
        """Keep ``data``, and forget whole parts that are too old."""
        data = data[-self._limit :]
        with self._lock:
            self._parts.append(data)
            self._size += len(data)
            while self._size > self._limit:
                self._size -= len(self._parts.popleft())
            self.modified_ms = round(time.time() * 1000)

    def read(self) -> bytes:
        """All that is kept."""
        with self._lock:
            return b"".join(self._parts)


#: What this process logged, and in a supervisor what its workers wrote to stderr.
OWN: Final = LogTail()


class _Kept:
    """A stream whose text is kept in ``OWN`` too."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        OWN.add(text.encode(errors="replace"))
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def log_to_stderr() -> None:
    """Send this process's log to stderr, and keep its end in ``OWN``; ``WEIR_LOG_LEVEL`` (default ``INFO``) is the least level shown."""
    level = logging.getLevelNamesMapping().get(os.environ.get("WEIR_LOG_LEVEL", "INFO").upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "event"], drop_missing=True
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Kept(sys.stderr))),
    )
