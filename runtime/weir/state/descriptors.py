"""Descriptors: the name, kind and types of a piece of state, as users declare them in ``open()``.

Names and arguments are PyFlink's, except that a type is an ordinary Python type (or a serializer) and may be
left out: then values of builtin types are kept exactly and others are refused. The stores turn a descriptor
into a handle; its signature is what a snapshot is compared with.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias

import msgspec

from weir.errors import SerializationError, StateAccessError
from weir.serde import Description, Serializer, check_allowed, serializer_for
from weir.state.ttl_config import StateTtlConfig

if TYPE_CHECKING:
    # With a default, an undeclared type is Any and needs no annotation; at run time typing is enough.
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
    IN = TypeVar("IN", default=Any)
    ACC = TypeVar("ACC", default=Any)
    OUT = TypeVar("OUT", default=Any)
    IN_contra = TypeVar("IN_contra", contravariant=True, default=Any)
    OUT_co = TypeVar("OUT_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    T, K, V = TypeVar("T"), TypeVar("K"), TypeVar("V")
    IN, ACC, OUT = TypeVar("IN"), TypeVar("ACC"), TypeVar("OUT")
    IN_contra, OUT_co = TypeVar("IN_contra", contravariant=True), TypeVar("OUT_co", covariant=True)

_MAX_NAME_LENGTH = 255

_encode_stamps = msgspec.msgpack.Encoder().encode
_Columns = tuple[list[int], bytes]
_decode_columns = msgspec.msgpack.Decoder(_Columns).decode


class Stamped:
    """Serializer of pairs of a stamp (milliseconds) and a value: of state with a time to live."""

    __slots__ = ("values",)
    name = "stamped"
    version = 1

    def __init__(self, values: Serializer) -> None:
        self.values = values

    def encode(self, values: list[Any]) -> bytes:
        """Raises ``SerializationError`` as the values' own serializer does."""
        data = self.values.encode([value for _, value in values])
        return _encode_stamps(([stamp for stamp, _ in values], data))

    def decode(self, data: bytes) -> list[Any]:
        """Raises ``SerializationError``."""
        try:
            stamps, below = _decode_columns(data)
        except msgspec.DecodeError as error:
            raise SerializationError(f"the bytes are no stamped values: {error}") from error
        return list(zip(stamps, self.values.decode(below), strict=True))

    def describe(self) -> Description:
        return {"serializer": self.name, "version": self.version, "values": self.values.describe()}

    def __repr__(self) -> str:
        return f"{self.values!r} with a time to live"


class StateKind(enum.StrEnum):
    """What a handle offers. The values are part of the snapshot format."""

    VALUE = "value"
    LIST = "list"
    MAP = "map"
    REDUCING = "reducing"
    AGGREGATING = "aggregating"


class Reducer(Protocol[T]):
    """A ``ReduceFunction`` object."""

    def reduce(self, value1: T, value2: T, /) -> T: ...


class Aggregator(Protocol[IN_contra, ACC, OUT_co]):
    """An ``AggregateFunction`` object."""

    def create_accumulator(self) -> ACC: ...

    def add(self, value: IN_contra, accumulator: ACC, /) -> ACC: ...

    def get_result(self, accumulator: ACC, /) -> OUT_co: ...

    def merge(self, a: ACC, b: ACC, /) -> ACC: ...


ReduceLike: TypeAlias = "Callable[[T, T], T] | Reducer[T]"


class StateDescriptor:
    """Name, kind and serializers of one piece of state; equal when all of them are."""

    __slots__ = ("_serializers", "name", "ttl")

    kind: StateKind

    def __init__(self, name: str, serializers: dict[str, Serializer]) -> None:
        self.name = _checked_name(name)
        #: By role: ``value``; for maps ``key`` and ``value``.
        self._serializers = serializers
        #: How long values live; ``None``: for ever.
        self.ttl: StateTtlConfig | None = None

    def enable_time_to_live(self, ttl_config: StateTtlConfig) -> None:
        """Let each value, list element or map entry live as long as ``ttl_config`` says."""
        self.ttl = ttl_config

    def get_name(self) -> str:
        """The name, unique within one operator."""
        return self.name

    def serializer(self, role: str = "value") -> Serializer:
        """The serializer of what is kept: values, list elements or accumulators, with stamps if they expire; or of a map's keys."""
        return self._stamped(role) if role == "value" and self.ttl is not None else self._serializers[role]

    def other_serializer(self) -> Serializer:
        """That of values with stamps if they do not expire, without if they do."""
        return self._stamped("value") if self.ttl is None else self._serializers["value"]

    def declared(self, role: str = "value") -> Serializer:
        """The serializer of what the user gives."""
        return self._serializers[role]

    def _stamped(self, role: str) -> Serializer:
        return Stamped(self._serializers[role])

    def check_serializers(self, what: str) -> None:
        """Raises ``SerializationError`` if ``what``, the state of this descriptor, would be pickled and must not be."""
        for role, serializer in self._serializers.items():
            check_allowed(serializer, what if role == "value" else f"the {role} of {what}")

    def signature(self) -> Description:
        """Kind and types as data, for comparing and for snapshots."""
        return {"kind": str(self.kind)} | {
            role: self.serializer(role).describe() for role in self._serializers
        }

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, StateDescriptor)
            and self.name == other.name
            and self.signature() == other.signature()
            and self.ttl == other.ttl
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    def __repr__(self) -> str:
        types = ", ".join(repr(serializer) for serializer in self._serializers.values())
        return f"{type(self).__name__}({self.name!r}, {types})"


class ValueStateDescriptor(StateDescriptor, Generic[T]):
    """One value per key: ``ValueStateDescriptor("seen", int)``."""

    __slots__ = ()
    kind = StateKind.VALUE

    def __init__(self, name: str, type: type[T] | Serializer | None = None) -> None:  # noqa: A002  short in user code
        super().__init__(name, {"value": serializer_for(type)})


class ListStateDescriptor(StateDescriptor, Generic[T]):
    """A list per key, or per operator instance; ``type`` is the type of one element."""

    __slots__ = ()
    kind = StateKind.LIST

    def __init__(self, name: str, type: type[T] | Serializer | None = None) -> None:  # noqa: A002
        super().__init__(name, {"value": serializer_for(type)})


class MapStateDescriptor(StateDescriptor, Generic[K, V]):
    """A map per key, or a broadcast map."""

    __slots__ = ()
    kind = StateKind.MAP

    def __init__(
        self,
        name: str,
        key_type: type[K] | Serializer | None = None,
        value_type: type[V] | Serializer | None = None,
    ) -> None:
        super().__init__(name, {"key": serializer_for(key_type), "value": serializer_for(value_type)})


class ReducingStateDescriptor(StateDescriptor, Generic[T]):
    """One value per key, folded with ``reduce_fn``: a callable of two values, or a ``ReduceFunction``."""

    __slots__ = ("reduce_fn",)
    kind = StateKind.REDUCING

    def __init__(
        self,
        name: str,
        reduce_fn: ReduceLike[T],
        type: type[T] | Serializer | None = None,  # noqa: A002
    ) -> None:
        super().__init__(name, {"value": serializer_for(type)})
        function: Any = getattr(reduce_fn, "reduce", reduce_fn)
        if not callable(function):
            raise StateAccessError(
                f"reducing state {name!r} needs a callable of two values or a ReduceFunction, got {reduce_fn!r}"
            )
        self.reduce_fn: Callable[[T, T], T] = function


class AggregatingStateDescriptor(StateDescriptor, Generic[IN, ACC, OUT]):
    """One accumulator per key; ``accumulator_type`` is the type of what ``create_accumulator`` gives."""

    __slots__ = ("aggregate_function",)
    kind = StateKind.AGGREGATING

    def __init__(
        self,
        name: str,
        aggregate_function: Aggregator[IN, ACC, OUT],
        accumulator_type: type[ACC] | Serializer | None = None,
    ) -> None:
        super().__init__(name, {"value": serializer_for(accumulator_type)})
        missing = [
            method
            for method in ("create_accumulator", "add", "get_result", "merge")
            if not callable(getattr(aggregate_function, method, None))
        ]
        if missing:
            raise StateAccessError(
                f"aggregating state {name!r} needs an AggregateFunction object; "
                f"{aggregate_function!r} has no {', '.join(missing)}"
            )
        self.aggregate_function = aggregate_function


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise StateAccessError(f"the name of a state must be a str, got {type(name).__name__}: {name!r}")
    if not name or len(name) > _MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise StateAccessError(
            f"{name!r:.80} cannot name a state: 1 to {_MAX_NAME_LENGTH} printable characters, "
            "without spaces at either end"
        )
    return name
