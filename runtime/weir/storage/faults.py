"""A storage that fails on purpose: wraps any other one, for tests and simulations.

Faults are rules that are looked at in order for each call; the first that matches and is not used up acts. What a
run does is given by the rules and the order of calls alone, so a failing run can be repeated. ``journal`` holds
every call, for checks such as "nothing referenced was deleted".
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from weir.errors import StorageUnavailable
from weir.storage.base import ObjectInfo, Storage, Upload


class Operation(enum.StrEnum):
    """The calls of a storage."""

    READ = "read"
    READ_RANGE = "read_range"
    SIZE = "size"
    WRITE = "write"
    CREATE = "create_if_absent"
    LIST = "list"
    DELETE = "delete"
    RENAME = "rename"


@dataclass(frozen=True)
class Fail:
    """Raise instead of doing the call."""

    error: Exception = field(default_factory=lambda: StorageUnavailable("injected fault"))


@dataclass(frozen=True)
class LoseResponse:
    """Do the call, then raise: the caller cannot know that it took effect."""

    error: Exception = field(
        default_factory=lambda: StorageUnavailable("injected fault: the response was lost")
    )


@dataclass(frozen=True)
class ShortRead:
    """Give only the first ``keep`` bytes."""

    keep: int


@dataclass(frozen=True)
class FlipByte:
    """Give the object with one byte changed; a negative index counts from the end."""

    at: int = 0


@dataclass(frozen=True)
class StaleList:
    """Give a listing without the objects whose names ``hides`` accepts: one from before they were written."""

    hides: Callable[[str], bool]


@dataclass(frozen=True)
class Call:
    """Run ``action`` before the call, then do it: for what happens elsewhere at that moment."""

    action: Callable[[], None]


Effect = Fail | LoseResponse | ShortRead | FlipByte | StaleList | Call


@dataclass
class Rule:
    """``effect`` for calls that ``matches`` accepts, after ``skip`` of them, ``times`` times (None: always)."""

    matches: Callable[[Operation, str], bool]
    effect: Effect
    skip: int = 0
    times: int | None = 1

    def takes(self, operation: Operation, name: str) -> bool:
        """Whether the rule acts on this call; counts it."""
        if self.times == 0 or not self.matches(operation, name):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class FaultInjector:
    """The inner storage, with faults."""

    def __init__(self, inner: Storage, rules: list[Rule] | None = None) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self.rules = list(rules or [])
        #: (operation, name) of every call, also of those that failed.
        self.journal: list[tuple[Operation, str]] = []

    def inject(
        self,
        operation: Operation,
        effect: Effect,
        name: str | Callable[[str], bool] = "",
        *,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        """Add a rule for calls of ``operation`` whose name contains ``name`` (or satisfies it)."""
        accepts = name if callable(name) else lambda called: name in called
        self.rules.append(Rule(lambda op, called: op is operation and accepts(called), effect, skip, times))

    @property
    def uri(self) -> str:
        return self._inner.uri

    def read(self, name: str) -> bytes:
        return self._reading(Operation.READ, name, lambda: self._inner.read(name))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        return self._reading(Operation.READ_RANGE, name, lambda: self._inner.read_range(name, start, length))

    def size(self, name: str) -> int:
        with self._around(Operation.SIZE, name):
            return self._inner.size(name)

    def write(self, name: str, data: bytes) -> None:
        with self._around(Operation.WRITE, name):
            self._inner.write(name, data)

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        with self._around(Operation.WRITE, name):
            self._inner.write_pieces(name, pieces)

    def create_if_absent(self, name: str, data: bytes) -> None:
        with self._around(Operation.CREATE, name):
            self._inner.create_if_absent(name, data)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        around = self._around(Operation.LIST, prefix)
        with around:
            found = list(self._inner.list(prefix))
        if isinstance(around.effect, StaleList):
            hides = around.effect.hides
            found = [info for info in found if not hides(info.name)]
        yield from found

    def delete(self, name: str) -> None:
        with self._around(Operation.DELETE, name):
            self._inner.delete(name)

    def rename(self, source: str, target: str) -> None:
        with self._around(Operation.RENAME, source):
            self._inner.rename(source, target)

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        return self._inner.uploads(prefix)

    def abort(self, upload: Upload) -> None:
        self._inner.abort(upload)

    def _reading(self, operation: Operation, name: str, read: Callable[[], bytes]) -> bytes:
        around = self._around(operation, name)
        with around:
            data = read()
        match around.effect:
            case ShortRead(keep):
                return data[:keep]
            case FlipByte(at) if data:
                at %= len(data)
                return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        return data

    def _around(self, operation: Operation, name: str) -> _Around:
        with self._lock:
            self.journal.append((operation, name))
            rule = next((rule for rule in self.rules if rule.takes(operation, name)), None)
        return _Around(rule.effect if rule else None)


class _Around:
    """What an effect does before and after its call."""

    def __init__(self, effect: Effect | None) -> None:
        self.effect = effect

    def __enter__(self) -> None:
        match self.effect:
            case Fail(error):
                raise error
            case Call(action):
                action()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(self.effect, LoseResponse) and kind is None:
            raise self.effect.error
