"""Which snapshots are yet to read a database, and what they wrote into it: where the data thread and the I/O threads meet."""

from __future__ import annotations

import threading
from typing import Any

#: Layers of one table.
Cut = tuple[dict[Any, Any], ...]


class HeldSnapshots:
    """Of one store. The data thread adds; every other method may be called from any thread."""

    def __init__(self) -> None:
        #: Oldest first.
        self._held: dict[object, None] = {}
        self._changed = threading.Condition()
        self._written: list[dict[str, Cut]] = []
        #: Held by an increment that writes into the database, or copies it and reads what else belongs to that moment.
        self.moving = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, snapshot: object) -> None:
        """It reads layers and database from now on."""
        with self._changed:
            self._held[snapshot] = None

    def let_go(self, snapshot: object) -> None:
        """It reads neither any more."""
        with self._changed:
            self._held.pop(snapshot, None)
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Until all have let go; whether they have."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._held, timeout)

    def is_oldest(self, snapshot: object) -> bool:
        """Whether no older one is yet to read the database."""
        with self._changed:
            return next(iter(self._held), None) is snapshot

    def was_written(self, cuts: dict[str, Cut]) -> None:
        """These layers, by state, lie in the database; said before the snapshot that wrote them lets go."""
        with self._changed:
            self._written.append(cuts)

    def take_written(self) -> list[dict[str, Cut]]:
        """What was written since the last call, for the data thread to drop."""
        if not self._written:
            return []
        with self._changed:
            written, self._written = self._written, []
            return written
