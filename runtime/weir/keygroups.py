"""Which subtask owns a key: canonical bytes -> stable hash -> key group -> subtask.

Pure. A sender routes a batch with ``map(router.__getitem__, keys)``; the state room asks for the key group
of each restored key. All of it must give the same answer in every process, for ever: equal keys (``1``,
``1.0`` and ``True``; ``Color.RED`` and its mixed-in value; two spellings of one instant) have equal bytes,
and nothing depends on ``hash()``, on module names or on the interpreter. Golden vectors in the tests hold
:data:`HASH_VERSION` to its word; a change of any byte below is a new version.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import struct
import zlib
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from weir.errors import ConfigError, UserError
from weir.ids import KeyGroup

#: Written into every keyed snapshot; a snapshot with another version cannot be matched to subtasks.
HASH_VERSION: Final = 1
#: Flink's bound; key groups are 15-bit numbers.
MAX_PARALLELISM_LIMIT: Final = 32768
DEFAULT_MAX_PARALLELISM: Final = 128

#: Distinct keys that a router remembers before it starts anew: about 10 MB of small keys.
_MEMO_LIMIT: Final = 100_000
#: An integral Decimal with more digits is refused instead of being written out as an integer.
_MAX_DIGITS: Final = 4300

_SUPPORTED: Final = (
    "None, bool, int, float, str, bytes, tuple, datetime, date, timedelta, UUID, Decimal, Enum, "
    "NamedTuple, frozen dataclasses and frozen msgspec.Structs of these"
)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  naive on purpose: offsets are subtracted by hand
_MICROSECOND: Final = timedelta(microseconds=1)

_pack_int: Final = struct.Struct(">bq").pack
_pack_float: Final = struct.Struct(">bd").pack
_pack_length: Final = struct.Struct(">bI").pack

_Encoder: TypeAlias = "Callable[[Any], bytes]"


def canonical_bytes(key: Any) -> bytes:
    """The encoding of ``key`` that its hash is taken from; equal keys have equal bytes.

    Raises ``UserError`` naming the type when the key cannot be a key (unhashable, NaN, or a type
    without a stable meaning).
    """
    encoder = _ENCODERS.get(type(key))
    return encoder(key) if encoder is not None else _encode_other(key)


def stable_hash(key: Any) -> int:
    """A well-mixed 32-bit hash of ``key`` that never changes within one ``HASH_VERSION``."""
    return hash_of_bytes(canonical_bytes(key))


def hash_of_bytes(canonical: bytes) -> int:
    """The stable hash of the key with these canonical bytes."""
    mixed = zlib.crc32(canonical)
    # The finalizer of MurmurHash3: crc32 is linear, so near keys would land in near key groups.
    mixed = ((mixed ^ (mixed >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return mixed ^ (mixed >> 16)


def key_group(key: Any, max_parallelism: int) -> KeyGroup:
    """The key group of ``key``: 0 <= group < ``max_parallelism``. Raises ``UserError`` as above."""
    return KeyGroup(stable_hash(key) % max_parallelism)


def subtask_of(key_group: int, max_parallelism: int, parallelism: int) -> int:
    """The index of the subtask that owns ``key_group``."""
    return key_group * parallelism // max_parallelism


def key_group_range(max_parallelism: int, parallelism: int, index: int) -> range:
    """The key groups that subtask ``index`` of ``parallelism`` owns; Flink's arithmetic.

    Raises ``ConfigError`` on an impossible parallelism or index.
    """
    check_parallelism(parallelism, max_parallelism)
    if not 0 <= index < parallelism:
        raise ConfigError(
            f"subtask index {index} is outside parallelism {parallelism} (0 to {parallelism - 1})"
        )
    first = (index * max_parallelism + parallelism - 1) // parallelism
    last = ((index + 1) * max_parallelism - 1) // parallelism
    return range(first, last + 1)


def check_parallelism(parallelism: int, max_parallelism: int) -> None:
    """Raises ``ConfigError`` unless 1 <= parallelism <= max parallelism <= 32768."""
    if not 1 <= max_parallelism <= MAX_PARALLELISM_LIMIT:
        raise ConfigError(
            f"max parallelism {max_parallelism} is outside 1 to {MAX_PARALLELISM_LIMIT}; "
            f"the default is {DEFAULT_MAX_PARALLELISM}"
        )
    if not 1 <= parallelism <= max_parallelism:
        raise ConfigError(
            f"parallelism {parallelism} is outside 1 to the max parallelism {max_parallelism}; "
            "lower the parallelism, or raise the max parallelism (only possible without kept state)"
        )


class KeyRouter(dict[Any, int]):
    """Memo from key to subtask index; hot path: ``map(router.__getitem__, keys)`` costs one lookup a key.

    Holds at most ``limit`` keys, then starts anew. A key that is not hashable raises ``TypeError`` from
    ``__getitem__``; :meth:`route` turns it into the ``UserError`` that names the key.
    """

    __slots__ = ("limit", "max_parallelism", "parallelism")

    def __init__(self, max_parallelism: int, parallelism: int, limit: int = _MEMO_LIMIT) -> None:
        check_parallelism(parallelism, max_parallelism)
        super().__init__()
        self.max_parallelism = max_parallelism
        self.parallelism = parallelism
        self.limit = limit

    def __missing__(self, key: Any) -> int:
        index = stable_hash(key) % self.max_parallelism * self.parallelism // self.max_parallelism
        if len(self) >= self.limit:
            self.clear()
        self[key] = index
        return index

    def route(self, keys: Iterable[Any]) -> list[int]:
        """The subtask index of each key, in order. Raises ``UserError`` naming a key that cannot be one."""
        keys = keys if isinstance(keys, list) else list(keys)
        try:
            return list(map(self.__getitem__, keys))
        except TypeError:
            for key in keys:
                canonical_bytes(key)
            raise


def _encode_none(_key: None) -> bytes:
    return b"N"


def _encode_int(key: int) -> bytes:
    if -0x8000000000000000 <= key <= 0x7FFFFFFFFFFFFFFF:
        return _pack_int(105, key)  # "i"
    digits = int.to_bytes(key, key.bit_length() // 8 + 1, "big", signed=True)
    return _pack_length(73, len(digits)) + digits  # "I"


def _encode_float(key: float) -> bytes:
    if key.is_integer():
        return _encode_int(int(key))
    if math.isnan(key):
        raise UserError("NaN cannot be a key: it is not equal to itself; replace it or filter it out")
    return _pack_float(102, key)  # "f"


def _encode_str(key: str) -> bytes:
    # str.encode(key), not key.encode(): a str Enum may override it.
    data = str.encode(key, "utf-8", "surrogatepass")
    return _pack_length(115, len(data)) + data  # "s"


def _encode_bytes(key: bytes) -> bytes:
    return _pack_length(98, len(key)) + key  # "b"


def _encode_tuple(key: tuple[Any, ...]) -> bytes:
    return _pack_length(116, len(key)) + b"".join(map(canonical_bytes, key))  # "t"


def _encode_decimal(key: Decimal) -> bytes:
    if key.is_nan():
        raise UserError(f"{key!r} cannot be a key: it is not equal to itself; replace it or filter it out")
    if key.is_infinite():
        return _encode_float(float(key))
    sign, digits, exponent = key.as_tuple()
    assert isinstance(exponent, int)  # only NaN and Infinity have letters
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    exponent += len(text) - len(stripped)
    if not stripped:
        return _encode_int(0)
    if abs(exponent) + len(stripped) > _MAX_DIGITS:
        raise UserError(f"a Decimal key may have {_MAX_DIGITS} digits, {key!r} has more; use a shorter key")
    if exponent >= 0:
        return _encode_int(int(("-" if sign else "") + stripped) * 10**exponent)
    # Decimal("0.5") == 0.5 are one dict key, Decimal("0.1") != 0.1 are two.
    nearest = float(key)
    if math.isfinite(nearest) and Decimal(nearest) == key:
        return _encode_float(nearest)
    data = f"{'-' if sign else ''}{stripped}e{exponent}".encode()
    return _pack_length(100, len(data)) + data  # "d"


def _encode_datetime(key: datetime) -> bytes:
    # Like datetime's own hash: aware values are instants whatever their zone, fold is ignored.
    key = key.replace(fold=0)
    offset = key.utcoffset()
    micros = (key.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
    if offset is None:
        return _pack_int(108, micros)  # "l"ocal
    return _pack_int(122, micros - offset // _MICROSECOND)  # "z"


def _encode_date(key: date) -> bytes:
    return _pack_int(121, key.toordinal())  # "y"


def _encode_timedelta(key: timedelta) -> bytes:
    return b"D" + _encode_int(key // _MICROSECOND)


def _encode_uuid(key: UUID) -> bytes:
    return b"u" + key.bytes


#: By exact type; subclasses are looked up in ``_BASES`` below.
_ENCODERS: Final[dict[type, _Encoder]] = {
    type(None): _encode_none,
    bool: _encode_int,
    int: _encode_int,
    float: _encode_float,
    str: _encode_str,
    bytes: _encode_bytes,
    tuple: _encode_tuple,
    Decimal: _encode_decimal,
    datetime: _encode_datetime,
    date: _encode_date,
    timedelta: _encode_timedelta,
    UUID: _encode_uuid,
}
#: A datetime is a date, so it comes first. NamedTuple and mixed-in Enums equal their plain values.
_BASES: Final[tuple[type, ...]] = (int, float, str, bytes, tuple, Decimal, datetime, date, timedelta, UUID)


def _encode_other(key: Any) -> bytes:
    """Subclasses, enums and frozen records. Fields only, no class names, so that renaming keeps groups."""
    for base in _BASES:
        if isinstance(key, base):
            return _ENCODERS[base](key)
    cls = type(key)
    if isinstance(key, enum.Enum):
        # A flag without a named member has no name: zero, or bits that nobody declared.
        return b"E" + (_encode_int(key.value) if key.name is None else _encode_str(key.name))
    if dataclasses.is_dataclass(key):
        params = cls.__dataclass_params__
        if params.frozen and params.eq:
            return b"R" + _encode_tuple(
                tuple(getattr(key, field.name) for field in dataclasses.fields(key) if field.compare)
            )
        raise UserError(f"a key of type {cls.__qualname__} can change; write @dataclass(frozen=True)")
    config = getattr(cls, "__struct_config__", None)
    if config is not None and config.frozen and config.eq:
        return b"R" + _encode_tuple(tuple(getattr(key, name) for name in cls.__struct_fields__))
    raise UserError(_unsupported(key))


def _unsupported(key: Any) -> str:
    cls = type(key)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    try:
        hash(key)
    except TypeError:
        return f"a key of type {name} is not hashable: {key!r:.80}; use a tuple or one of: {_SUPPORTED}"
    return f"a key of type {name} has no stable hash: {key!r:.80}; convert it to one of: {_SUPPORTED}"
