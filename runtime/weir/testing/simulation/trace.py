"""What happened in a simulation, line by line with its virtual time; the same seed gives the same bytes.

It is also where the engine's log lines go, so that a replay reads as a story; a line that the engine itself calls
its own fault is kept as one.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn

import structlog

#: What tells one writer of a fence log from the next: host and random digits.
_WRITER = re.compile(r"[\w.-]+-[0-9a-f]{16}(?![0-9a-f])")
#: Keys of log lines whose values differ between runs.
_RANDOM_KEYS = frozenset({"session", "exc_info", "event"})


class Trace:
    """Lines, and their running hash; ``now`` gives virtual seconds."""

    def __init__(self, now: Callable[[], float], *, show: Callable[[str], None] | None = None) -> None:
        """``show`` gets each line at once, for a person who replays."""
        #: Log lines that carry an exception: the engine expects none.
        self.faults: list[str] = []
        self.lines = 0
        self._closed = False
        self._now = now
        self._show = show
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The hash of all lines."""
        return self._hash.hexdigest()

    def add(self, who: str, what: str) -> None:
        """One line."""
        if self._closed:
            return
        line = f"{self._now():12.6f} {who:<12} {what}"
        self.lines += 1
        self._hash.update(line.encode(errors="backslashreplace") + b"\n")
        if self._show is not None:
            self._show(line)

    def close(self) -> None:
        """Nothing that follows counts."""
        self._closed = True

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the engine's log lines in; how logs were shown before comes back at the end."""
        before: Mapping[str, Any] = structlog.get_config()
        structlog.configure(processors=[self._log_line])
        try:
            yield
        finally:
            structlog.configure(**before)

    def _log_line(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> NoReturn:
        details = " ".join(f"{key}={value}" for key, value in event.items() if key not in _RANDOM_KEYS)
        line = _WRITER.sub("(writer)", f"{event['event']} {details}".rstrip())
        self.add(f"log.{method}", line)
        if event.get("exc_info") and not self._closed:
            story = traceback.format_exc(limit=-6)
            self.faults.append(f"{line}\n{story}")
            if self._show is not None:
                self._show(story)
        raise structlog.DropEvent
