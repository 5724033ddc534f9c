"""Stable hashes of whole key columns; equal to ``weir.keygroups.stable_hash`` of each value. Hot path.

A columnar and a row operator agree so on the subtask of a key, and a snapshot of one has the key groups of the other.
Integers are hashed vectorised: the CRC of their nine canonical bytes is a sum over tables, one per byte, since CRC is
linear. All other types are hashed once for each distinct value of the batch.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir.keygroups import stable_hash

Int64s = npt.NDArray[np.int64]
Uint32s = npt.NDArray[np.uint32]

_CANONICAL_INT: Final = b"i"


def _byte_tables() -> tuple[np.uint32, Uint32s]:
    """The CRC of an all-zero integer, and by byte position (big endian) and value what that byte changes of it."""
    zero = zlib.crc32(_CANONICAL_INT + bytes(8))
    tables = np.empty((8, 256), dtype=np.uint32)
    for position in range(8):
        for value in range(256):
            data = bytes(position) + bytes((value,)) + bytes(7 - position)
            tables[position, value] = zlib.crc32(_CANONICAL_INT + data) ^ zero
    return np.uint32(zero), tables


_ZERO, _TABLES = _byte_tables()


def hash_integers(keys: Int64s) -> Uint32s:
    """``stable_hash`` of each key."""
    as_bytes = keys.astype(">i8").view(np.uint8).reshape(-1, 8)
    mixed = np.full(len(keys), _ZERO, dtype=np.uint32)
    for position in range(8):
        column = as_bytes[:, position]
        # Small numbers have the same leading bytes: one look-up serves the batch.
        if len(column) and (first := column[0]) == column.max() and first == column.min():
            mixed ^= _TABLES[position, first]
        else:
            mixed ^= _TABLES[position][column]
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    return mixed ^ (mixed >> np.uint32(16))


def hash_values(distinct: list[Any]) -> Uint32s:
    """``stable_hash`` of each value. Raises ``UserError`` naming one that cannot be a key."""
    return np.fromiter(map(stable_hash, distinct), dtype=np.uint32, count=len(distinct))


def key_groups(hashes: Uint32s, max_parallelism: int) -> npt.NDArray[np.int32]:
    """The key group of each hash."""
    return (hashes % np.uint32(max_parallelism)).astype(np.int32)


def subtasks(hashes: Uint32s, max_parallelism: int, parallelism: int) -> npt.NDArray[np.int32]:
    """The subtask that owns each hash."""
    return key_groups(hashes, max_parallelism) * np.int32(parallelism) // np.int32(max_parallelism)
