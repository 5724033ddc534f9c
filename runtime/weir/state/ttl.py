"""State with a time to live, on any backend: what is kept is a pair of a stamp and a value, for each value, element and entry.

The handles here stand before a backend's own, which keeps the pairs; a value whose time is over is removed when it is met.
``is_fresh`` tells snapshots and sweeps what to leave out. Pairs written with and values written without a time to live are
turned into each other when they are restored (``reading``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from weir.clock import Clock
from weir.errors import SerializationError
from weir.records import MIN_TIMESTAMP
from weir.serde import Description
from weir.state.columns import Codec
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ReducingStateDescriptor,
    Stamped,
    StateDescriptor,
    StateKind,
)
from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, State, ValueState
from weir.state.heap import KeyCell
from weir.state.ttl_config import StateTtlConfig, StateVisibility, TtlTimeCharacteristic, UpdateType

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
IN = TypeVar("IN")
OUT = TypeVar("OUT")


class StateTime:
    """What time it is for state: the machine's, and the watermark that the operator has seen."""

    __slots__ = ("_cell", "_clock", "_watermark", "begin")

    def __init__(self, cell: KeyCell, clock: Clock) -> None:
        self._cell = cell
        self._clock = clock
        self._watermark = MIN_TIMESTAMP
        #: The first watermark here: from then on what had no time before lives.
        self.begin = MIN_TIMESTAMP

    @property
    def watermark(self) -> int:
        """Event time."""
        return self._watermark

    @watermark.setter
    def watermark(self, timestamp: int) -> None:
        if self.begin == MIN_TIMESTAMP:
            self.begin = timestamp  # first: snapshots read both beside this thread
        self._watermark = timestamp

    def now(self, config: StateTtlConfig) -> int:
        """The moment by which values expire, milliseconds; ``MIN_TIMESTAMP``: event time has not begun."""
        if config.ttl_time_characteristic is TtlTimeCharacteristic.EventTime:
            return self._watermark
        return self._clock.wall_ms()

    def monotonic(self) -> float:
        """Seconds; for pauses."""
        return self._clock.monotonic()

    def stamp(self, config: StateTtlConfig) -> int:
        """The stamp of what is written now: in event time that of the element, as far as it has one."""
        if config.ttl_time_characteristic is TtlTimeCharacteristic.EventTime:
            own = getattr(self._cell, "ts", None)
            return self._watermark if own is None else max(own, self._watermark)
        return self._clock.wall_ms()


class Lifetime:
    """The rule of one state."""

    __slots__ = ("_config", "_time", "_ttl", "on_read", "shows_expired")

    def __init__(self, config: StateTtlConfig, time: StateTime) -> None:
        self._config = config
        self._time = time
        self._ttl = config.milliseconds
        self.on_read = config.update_type is UpdateType.OnReadAndWrite
        self.shows_expired = config.state_visibility is StateVisibility.ReturnExpiredIfNotCleanedUp

    def stamped(self, value: Any) -> tuple[int, Any]:
        """What is kept of a value that is written now."""
        return self._time.stamp(self._config), value

    def is_fresh(self, pair: tuple[int, Any], now: int | None = None) -> bool:
        """Whether its time is not over at ``now``, or at present. What was stamped before event time began lives from then on."""
        if now is None:
            now = self._time.now(self._config)
        stamp = pair[0]
        if stamp == MIN_TIMESTAMP:
            stamp = self._time.begin
        return now == MIN_TIMESTAMP or now - stamp < self._ttl

    def now(self) -> int:
        """The present, for many calls of :meth:`is_fresh`."""
        return self._time.now(self._config)

    def remains(self, kind: StateKind, kept: Any, now: int) -> Any:
        """What is left of a key's pair, list or map of pairs; ``None``: nothing."""
        if kind is StateKind.LIST:
            return [pair for pair in kept if self.is_fresh(pair, now)] or None
        if kind is StateKind.MAP:
            return {entry: pair for entry, pair in kept.items() if self.is_fresh(pair, now)} or None
        return kept if self.is_fresh(kept, now) else None


class _Mortal:
    __slots__ = ("_inner", "_life")

    def __init__(self, inner: Any, life: Lifetime) -> None:
        self._inner = inner
        self._life = life

    def clear(self) -> None:
        self._inner.clear()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._inner!r}>"


class _Single(_Mortal):
    """One pair a key."""

    __slots__ = ()

    def _read(self) -> Any:
        """The pair that a read sees, or ``None``."""
        pair = self._inner.value()
        if pair is None:
            return None
        if not self._life.is_fresh(pair):
            self._inner.clear()
            return pair if self._life.shows_expired else None
        if self._life.on_read:
            self._inner.update(self._life.stamped(pair[1]))
        return pair

    def _fresh(self) -> Any:
        """The pair that a fold goes on from, or ``None``."""
        pair = self._inner.value()
        return pair if pair is not None and self._life.is_fresh(pair) else None


class MortalValueState(_Single, ValueState[T]):
    """One value a key."""

    __slots__ = ()

    def value(self) -> T | None:
        pair = self._read()
        return None if pair is None else pair[1]

    def update(self, value: T) -> None:
        if value is None:
            self._inner.clear()
        else:
            self._inner.update(self._life.stamped(value))


class MortalReducingState(_Single, ReducingState[T]):
    """A folded value a key; what has expired is not folded in."""

    __slots__ = ("_reduce",)

    def __init__(self, inner: Any, life: Lifetime, descriptor: ReducingStateDescriptor[T]) -> None:
        super().__init__(inner, life)
        self._reduce = descriptor.reduce_fn

    def get(self) -> T | None:
        pair = self._read()
        return None if pair is None else pair[1]

    def add(self, value: T) -> None:
        pair = self._fresh()
        self._inner.update(self._life.stamped(value if pair is None else self._reduce(pair[1], value)))


class MortalAggregatingState(_Single, AggregatingState[IN, OUT], Generic[IN, OUT]):
    """An accumulator a key; an expired one is replaced."""

    __slots__ = ("_function",)

    def __init__(
        self, inner: Any, life: Lifetime, descriptor: AggregatingStateDescriptor[IN, Any, OUT]
    ) -> None:
        super().__init__(inner, life)
        self._function = descriptor.aggregate_function

    def get(self) -> OUT | None:
        pair = self._read()
        return None if pair is None else self._function.get_result(pair[1])

    def add(self, value: IN) -> None:
        pair = self._fresh()
        accumulator = self._function.create_accumulator() if pair is None else pair[1]
        self._inner.update(self._life.stamped(self._function.add(value, accumulator)))


class MortalListState(_Mortal, ListState[T]):
    """Each element lives by itself."""

    __slots__ = ()

    def get(self) -> list[T]:
        pairs = self._inner.get()
        life, now = self._life, self._life.now()
        fresh = [pair for pair in pairs if life.is_fresh(pair, now)]
        if life.on_read and fresh:
            self._inner.update([life.stamped(value) for _, value in fresh])
        elif len(fresh) < len(pairs):
            self._inner.update(fresh)
        return [value for _, value in (pairs if life.shows_expired else fresh)]

    def add(self, value: T) -> None:
        self._inner.add(self._life.stamped(value))

    def add_all(self, values: Iterable[T]) -> None:
        self._inner.add_all([self._life.stamped(value) for value in values])

    def update(self, values: Iterable[T]) -> None:
        self._inner.update([self._life.stamped(value) for value in values])


class MortalMapState(_Mortal, MapState[K, V]):
    """Each entry lives by itself."""

    __slots__ = ()

    def get(self, key: K) -> V | None:
        pair = self._inner.get(key)
        if pair is None:
            return None
        if not self._life.is_fresh(pair):
            self._inner.remove(key)
            if not self._life.shows_expired:
                return None
        elif self._life.on_read:
            self._inner.put(key, self._life.stamped(pair[1]))
        found: V = pair[1]
        return found

    def contains(self, key: K) -> bool:
        pair = self._inner.get(key)
        return pair is not None and (self._life.shows_expired or self._life.is_fresh(pair))

    def put(self, key: K, value: V) -> None:
        self._inner.put(key, self._life.stamped(value))

    def put_all(self, entries: Mapping[K, V]) -> None:
        self._inner.put_all({key: self._life.stamped(value) for key, value in entries.items()})

    def remove(self, key: K) -> None:
        self._inner.remove(key)

    def keys(self) -> Iterable[K]:
        return [key for key, _ in self.items()]

    def values(self) -> Iterable[V]:
        return [value for _, value in self.items()]

    def items(self) -> Iterable[tuple[K, V]]:
        life, now = self._life, self._life.now()
        seen: list[tuple[K, V]] = []
        for key, pair in self._inner.items():
            fresh = life.is_fresh(pair, now)
            if fresh or life.shows_expired:
                seen.append((key, pair[1]))
            if not fresh:
                self._inner.remove(key)
            elif life.on_read:
                self._inner.put(key, life.stamped(pair[1]))
        return seen

    def is_empty(self) -> bool:
        now = self._life.now()
        return not any(
            self._life.shows_expired or self._life.is_fresh(pair, now) for _, pair in self._inner.items()
        )


def mortal(descriptor: StateDescriptor, inner: State, life: Lifetime) -> State:
    """The handle that a user is given; ``inner`` keeps pairs: of folding kinds as values."""
    match descriptor.kind:
        case StateKind.LIST:
            return MortalListState(inner, life)
        case StateKind.MAP:
            return MortalMapState(inner, life)
    if isinstance(descriptor, ReducingStateDescriptor):
        return MortalReducingState(inner, life, descriptor)
    if isinstance(descriptor, AggregatingStateDescriptor):
        return MortalAggregatingState(inner, life, descriptor)
    return MortalValueState(inner, life)


class _Turning:
    """Reads one form and gives the other."""

    def __init__(self, written: Codec, kind: StateKind, life: Lifetime | None) -> None:
        """``life``: what is read has no stamps and gets them; ``None``: it has, and loses them."""
        self._written = written
        self._kind = kind
        self._turn: Any = (lambda pair: pair[1]) if life is None else life.stamped

    def pack(self, values: list[Any]) -> list[bytes]:
        raise SerializationError("a form that is read only")

    def unpack(self, columns: list[bytes]) -> list[Any]:
        found, turn = self._written.unpack(columns), self._turn
        if self._kind is StateKind.LIST:
            return [list(map(turn, items)) for items in found]
        if self._kind is StateKind.MAP:
            return [{key: turn(value) for key, value in entries.items()} for entries in found]
        return list(map(turn, found))


def reading(
    descriptor: StateDescriptor,
    written: Description | None,
    codec: Codec,
    other: Codec,
    life: Lifetime | None,
) -> Codec:
    """The codec for a section whose values were written as ``written``: ``codec`` is the descriptor's own.

    ``other`` is its codec with a time to live if it has none, and without one if it has.
    """
    stamped = is_stamped(written)
    if stamped == (life is not None):
        return codec
    return _Turning(other, descriptor.kind, life)


def is_stamped(description: Description | None) -> bool:
    """Whether values were written with a time to live."""
    return description is not None and description.get("serializer") == Stamped.name
