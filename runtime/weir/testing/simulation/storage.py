"""The storage of a simulated cluster: in memory, slow, failing as the weather says, and watched.

Each call on a parked thread pauses twice: before it takes effect and before its answer is there, so a process can die
between any two calls, and between a call and its answer. Observers see every effect at the moment it happens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from weir.clock import Clock
from weir.errors import ObjectExists, ObjectNotFound, StorageUnavailable
from weir.storage.base import ObjectInfo, Upload
from weir.storage.faults import Operation
from weir.storage.memory import MemoryStorage
from weir.testing.simulation.blocking_calls import current_call
from weir.testing.simulation.trace import Trace
from weir.testing.simulation.weather import Weather

_T = TypeVar("_T")

_CHANGING = frozenset({Operation.WRITE, Operation.CREATE, Operation.DELETE, Operation.RENAME})


@dataclass(frozen=True)
class Effect:
    """A change that took effect."""

    operation: Operation
    name: str
    #: What was written; ``None`` for a deletion.
    data: bytes | None
    #: What was there before; ``None``: nothing.
    before: bytes | None
    process: str


class StorageObserver(Protocol):
    """Sees each change. What it raises does not reach the engine; it is kept as a fault of the run."""

    def changed(self, effect: Effect) -> None:
        """``effect`` happened just now."""
        ...


class SimulatedStorage:
    """A ``Storage``; ``inner`` is what is really there."""

    def __init__(
        self, name: str, clock: Clock, weather: Weather, chance: random.Random, trace: Trace
    ) -> None:
        self.inner = MemoryStorage(name, clock)
        self.observers: list[StorageObserver] = []
        self._weather = weather
        self._chance = chance
        self._trace = trace

    @property
    def uri(self) -> str:
        return self.inner.uri

    def read(self, name: str) -> bytes:
        return self._call(Operation.READ, name, lambda: self.inner.read(name))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        return self._call(Operation.READ_RANGE, name, lambda: self.inner.read_range(name, start, length))

    def size(self, name: str) -> int:
        return self._call(Operation.SIZE, name, lambda: self.inner.size(name))

    def write(self, name: str, data: bytes) -> None:
        self._call(Operation.WRITE, name, lambda: self.inner.write(name, data), data)

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        self.write(name, b"".join(pieces))

    def create_if_absent(self, name: str, data: bytes) -> None:
        self._call(Operation.CREATE, name, lambda: self.inner.create_if_absent(name, data), data)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from self._call(Operation.LIST, prefix, lambda: tuple(self.inner.list(prefix)))

    def delete(self, name: str) -> None:
        self._call(Operation.DELETE, name, lambda: self.inner.delete(name))

    def rename(self, source: str, target: str) -> None:
        """As an object store does it: a copy, and then a deletion."""
        data: list[bytes] = []
        self._call(Operation.READ, source, lambda: data.append(self.inner.read(source)))
        self._call(Operation.RENAME, target, lambda: self.inner.write(target, data[0]), data[0])
        self.delete(source)

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        """None: objects appear as a whole."""
        return iter(())

    def abort(self, upload: Upload) -> None:
        """There is none."""

    def _call(
        self, operation: Operation, name: str, effect: Callable[[], _T], data: bytes | None = None
    ) -> _T:
        self._pause()
        if self._happens(self._weather.storage_errors):
            self._note(operation, name, "fails")
            raise StorageUnavailable(f"{self.uri}/{name}: {operation} failed (simulated)")
        before = self._peek(name) if operation in _CHANGING else None
        try:
            result = effect()
        except (ObjectExists, ObjectNotFound) as error:
            self._note(operation, name, type(error).__name__)
            self._pause()
            raise
        if operation in _CHANGING:
            self._note(operation, name, "" if data is None else f"{len(data)} bytes")
            self._tell(operation, name, data, before)
        if self._happens(self._weather.storage_lost):
            self._note(operation, name, "answer lost")
            raise StorageUnavailable(f"{self.uri}/{name}: the answer to {operation} was lost (simulated)")
        self._pause()
        return result

    def _pause(self) -> None:
        call = current_call()
        if call is not None:
            call.sleep(self._weather.of_storage(self._chance))

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self._chance.random() < rate

    def _peek(self, name: str) -> bytes | None:
        try:
            return self.inner.read(name)
        except ObjectNotFound:
            return None

    def _tell(self, operation: Operation, name: str, data: bytes | None, before: bytes | None) -> None:
        effect = Effect(operation, name, data, before, _who())
        for observer in self.observers:
            try:
                observer.changed(effect)
            except Exception as error:  # noqa: BLE001  the engine, which calls here, has no part in it
                self._trace.faults.append(f"{type(observer).__name__} failed at {effect}: {error!r}")

    def _note(self, operation: Operation, name: str, what: Any) -> None:
        self._trace.add(_who(), f"storage {operation} {name} {what}".rstrip())


def _who() -> str:
    call = current_call()
    return "world" if call is None else call.process.name
