"""The in-process twin of a storage, for tests and simulations, and for jobs that need no durability.

It holds to the same contract as the others. :meth:`MemoryStorage.crash_clone` gives what a crash at this moment
would leave behind, so that a test can go on with it while the original "process" still writes to its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from weir.clock import Clock, SystemClock
from weir.errors import ObjectExists, ObjectNotFound
from weir.storage.base import ObjectInfo, Storage, Upload
from weir.storage.names import check_name, check_prefix

_spaces: dict[str, MemoryStorage] = {}
#: What stands behind ``memory://<name>`` instead.
_mounted: dict[str, Storage] = {}
_spaces_lock = threading.Lock()


def mount(name: str, storage: Storage) -> None:
    """Let ``memory://<name>`` be ``storage`` in this process, until ``unmount``: one with faults, for example."""
    _mounted[name] = storage


def unmount(name: str) -> None:
    """``memory://<name>`` is again what it was."""
    _mounted.pop(name, None)


def mounted(name: str) -> Storage:
    """What stands behind ``memory://<name>``."""
    return _mounted.get(name) or MemoryStorage.named(name)


class MemoryStorage:
    """Objects in a dictionary; safe for use by several threads."""

    def __init__(self, name: str = "test", clock: Clock | None = None) -> None:
        self._name = name
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[bytes, int]] = {}

    @staticmethod
    def named(name: str) -> MemoryStorage:
        """The one storage of this process behind ``memory://<name>``."""
        with _spaces_lock:
            return _spaces.setdefault(name, MemoryStorage(name))

    @property
    def uri(self) -> str:
        return f"memory://{self._name}"

    def read(self, name: str) -> bytes:
        return self._get(name)[0]

    def read_range(self, name: str, start: int, length: int) -> bytes:
        return self._get(name)[0][start : start + length]

    def size(self, name: str) -> int:
        return len(self._get(name)[0])

    def write(self, name: str, data: bytes) -> None:
        with self._lock:
            self._objects[check_name(name)] = (bytes(data), self._clock.wall_ms())

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        self.write(name, b"".join(pieces))

    def create_if_absent(self, name: str, data: bytes) -> None:
        with self._lock:
            if check_name(name) in self._objects:
                raise ObjectExists(f"{self.uri}/{name} exists already")
            self._objects[name] = (bytes(data), self._clock.wall_ms())

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        with self._lock:
            found = [
                ObjectInfo(name, len(data), modified)
                for name, (data, modified) in self._objects.items()
                if name.startswith(prefix)
            ]
        yield from sorted(found)

    def delete(self, name: str) -> None:
        with self._lock:
            self._objects.pop(check_name(name), None)

    def rename(self, source: str, target: str) -> None:
        check_name(target)
        with self._lock:
            if check_name(source) not in self._objects:
                raise ObjectNotFound(f"no object {self.uri}/{source}")
            self._objects[target] = self._objects.pop(source)

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        """None: objects appear as a whole."""
        return iter(())

    def abort(self, upload: Upload) -> None:
        """There is none."""

    def crash_clone(self) -> MemoryStorage:
        """A storage of its own with everything that is durable now."""
        clone = MemoryStorage(self._name, self._clock)
        with self._lock:
            clone._objects = dict(self._objects)
        return clone

    def _get(self, name: str) -> tuple[bytes, int]:
        with self._lock:
            found = self._objects.get(check_name(name))
        if found is None:
            raise ObjectNotFound(f"no object {self.uri}/{name}")
        return found
