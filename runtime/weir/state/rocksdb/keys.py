"""How keys are spelled in the database: ``<state u16><key group u16><key>``, then a map's entry or a list's number.

Big-endian, so that the entries of a state lie together in the order of their key groups: a rescale cuts ranges. The spelling of
a key is its canonical bytes, from which keys of plain types are read back; the others' records carry the key itself.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Collection
from itertools import chain
from typing import Any, Final

from weir.errors import SnapshotCorrupt
from weir.keygroups import canonical_bytes, hash_of_bytes
from weir.serde.keys import KeySerializer

_HEAD: Final = struct.Struct(">HH")
_STATE: Final = struct.Struct(">H")
_NUMBER: Final = struct.Struct(">Q")
_LENGTH: Final = struct.Struct(">I")
#: Bytes of state and key group.
HEAD_BYTES: Final = _HEAD.size

#: Their canonical bytes tell the value and its type.
PLAIN: Final = frozenset({type(None), int, str, bytes})
#: Their canonical bytes are their spelling.
_SIMPLE: Final = PLAIN | {bool, float}
#: Bytes of what a tag begins; other tags are followed by a length.
_FIXED: Final = {b"N": 1, b"i": 9, b"f": 9, b"l": 9, b"z": 9, b"y": 9, b"u": 17}
_WITH_LENGTH: Final = frozenset({b"s", b"b", b"I", b"d", b"X"})
_KEYS: Final = KeySerializer()


class KeySpelling:
    """Spells the keys of one operator."""

    __slots__ = ("_heads", "_max_parallelism")

    def __init__(self, max_parallelism: int) -> None:
        self._max_parallelism = max_parallelism
        #: By state: of each key group.
        self._heads: dict[int, list[bytes]] = {}

    def prefix(self, state: int, key: Any) -> bytes:
        """Where everything of ``key`` in a state begins. Raises ``UserError`` for what cannot be a key."""
        canonical = canonical_bytes(key)
        group = hash_of_bytes(canonical) % self._max_parallelism
        return _HEAD.pack(state, group) + (canonical if type(key) in _SIMPLE else _spelled(key, canonical))

    def prefixes(self, state: int, found: Collection[Any]) -> list[bytes]:
        """As :meth:`prefix`, of many keys."""
        if not set(map(type, found)) <= _SIMPLE:
            return [self.prefix(state, key) for key in found]
        most = self._max_parallelism
        heads = self._heads.get(state)
        if heads is None:
            heads = self._heads[state] = [_HEAD.pack(state, group) for group in range(most)]
        spelled = map(canonical_bytes, found)
        return [heads[hash_of_bytes(canonical) % most] + canonical for canonical in spelled]


def entry_name(entry: Any) -> bytes:
    """The spelling of an entry's key within a map. Raises ``UserError`` for a type without one."""
    if isinstance(entry, frozenset):
        return _framed(b"F" + b"".join(sorted(map(entry_name, entry))))
    if isinstance(entry, complex):
        # A complex number without an imaginary part equals its real part.
        return _framed(b"C" + repr(entry).encode()) if entry.imag else entry_name(entry.real)
    canonical = canonical_bytes(entry)
    return canonical if type(entry) in _SIMPLE else _spelled(entry, canonical)


def number_name(number: int) -> bytes:
    """The spelling of a run's number within a list."""
    return _NUMBER.pack(number)


def state_range(state: int, groups: range) -> tuple[bytes, bytes]:
    """First key, and the one behind the last, of a state's entries in these key groups."""
    return _HEAD.pack(state, groups.start), _HEAD.pack(state + groups.stop // 65536, groups.stop % 65536)


def respelled(spelled: bytes, state: int) -> bytes:
    """The same key, in another state."""
    return _STATE.pack(state) + spelled[_STATE.size :]


def head_of(spelled: bytes) -> tuple[int, int]:
    """State and key group."""
    state, group = _HEAD.unpack_from(spelled)
    return state, group


def is_plain(key: Any) -> bool:
    """Whether the key can be read back from its spelling."""
    kind = type(key)
    if kind in PLAIN:
        return True
    if kind is tuple:
        return all(map(is_plain, key))
    return kind is float and not key.is_integer()


def skip(spelled: bytes, at: int) -> int:
    """The position behind the key, or entry, that is spelled from ``at`` on."""
    tag = spelled[at : at + 1]
    if tag in _FIXED:
        return at + _FIXED[tag]
    if tag in _WITH_LENGTH:
        return at + 5 + int(_LENGTH.unpack_from(spelled, at + 1)[0])
    if tag == b"D":
        return skip(spelled, at + 1)
    if tag == b"t":
        (count,) = _LENGTH.unpack_from(spelled, at + 1)
        at += 5
        for _ in range(count):
            at = skip(spelled, at)
        return at
    raise SnapshotCorrupt(f"a key in the state database is damaged: {spelled[:64]!r} has {tag!r} at {at}")


def read(spelled: bytes, at: int) -> Any:
    """The plain key, or entry, that is spelled from ``at`` on."""
    tag = spelled[at : at + 1]
    if tag == b"N":
        return None
    if tag == b"i":
        return int.from_bytes(spelled[at + 1 : at + 9], "big", signed=True)
    if tag == b"f":
        return struct.unpack_from(">d", spelled, at + 1)[0]
    if tag == b"t":
        (count,) = _LENGTH.unpack_from(spelled, at + 1)
        at += 5
        items = []
        for _ in range(count):
            items.append(read(spelled, at))
            at = skip(spelled, at)
        return tuple(items)
    body = spelled[at + 5 : skip(spelled, at)]
    if tag == b"s":
        return body.decode("utf-8", "surrogatepass")
    if tag == b"b":
        return body
    if tag == b"I":
        return int.from_bytes(body, "big", signed=True)
    raise SnapshotCorrupt(f"a key in the state database is damaged: {spelled[:64]!r} has {tag!r} at {at}")


def attached(key: Any) -> bytes:
    """The key as its record carries it. Raises ``SerializationError``."""
    return _KEYS.encode([key])


def detached(data: bytes) -> Any:
    """What :func:`attached` was given."""
    return _KEYS.decode(data)[0]


def _spelled(key: Any, canonical: bytes) -> bytes:
    """Canonical bytes leave out the classes of records and Enums, whose instances are not equal to each other's."""
    classes = _classes(key)
    return _framed(canonical + "".join(f"|{name}" for name in classes).encode()) if classes else canonical


def _framed(body: bytes) -> bytes:
    return b"X" + _LENGTH.pack(len(body)) + body


def _classes(key: Any) -> list[str]:
    if isinstance(key, tuple):
        return list(chain.from_iterable(map(_classes, key)))
    tag = canonical_bytes(key)[:1]
    if tag not in (b"E", b"R"):
        return []
    names = [f"{type(key).__module__}.{type(key).__qualname__}"]
    if tag == b"R":
        fields = getattr(key, "__struct_fields__", None) or [
            field.name for field in dataclasses.fields(key) if field.compare
        ]
        names += chain.from_iterable(_classes(getattr(key, name)) for name in fields)
    return names
