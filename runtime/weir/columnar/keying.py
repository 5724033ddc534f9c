"""Keys of column batches: their hashes for the exchange, and their slots for the state. Hot path.

A key is one column or several. One column of whole numbers takes a way of its own, as it is; any other key is first reduced
to the distinct values of the batch, which are few where a key is worth grouping by. A null is no key, as in the row
path of Flink: such a row is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weir.columnar.hashing import Uint32s, hash_integers, hash_values, key_groups
from weir.columnar.key_index import IntegerKeyIndex, ObjectKeyIndex, Slots
from weir.errors import UserCodeError, UserError

Int64s = npt.NDArray[np.int64]


class Distinct(NamedTuple):
    """Keys of a batch: the different ones, and by row which it is."""

    values: list[Any]
    codes: Int64s


def key_columns(data: pa.RecordBatch, names: Sequence[str]) -> list[pa.Array]:
    """The columns of the key. Raises ``UserCodeError`` for one that is not there or holds a null."""
    found = []
    for name in names:
        index = data.schema.get_field_index(name)
        if index < 0:
            raise UserCodeError(
                f"key_by: there is no column {name!r}; there are {', '.join(data.schema.names)}"
            )
        column = data.column(index)
        if pa.types.is_dictionary(column.type) and column.dictionary.null_count:
            column = column.dictionary_decode()
        if column.null_count:
            row = pc.index(column.is_null(), value=True).as_py()
            raise UserCodeError(
                f"key_by: column {name!r} is null in row {row} of a batch; a null is no key: filter it out before, or "
                "fill it in"
            )
        found.append(column)
    return found


def is_whole(columns: Sequence[pa.Array]) -> bool:
    """Whether the key is one column of whole numbers that fit 64 bits with a sign."""
    return (
        len(columns) == 1 and pa.types.is_integer(columns[0].type) and not pa.types.is_uint64(columns[0].type)
    )


def integers(column: pa.Array) -> Int64s:
    """A column of whole numbers without nulls."""
    values: Int64s = column.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    return values


def distinct(columns: Sequence[pa.Array], names: Sequence[str]) -> Distinct:
    """The distinct keys; those of several columns are tuples. Raises ``UserCodeError`` for a NaN, which is no key."""
    first, *others = parts = [_codes(column) for column in columns]
    for column, part in zip(columns, parts, strict=True):
        if pa.types.is_floating(_plain_type(column.type)):
            with _of_key(names):
                hash_values([value for value in part.values if math.isnan(value)])
    if not others:
        return first
    keys, codes = [(value,) for value in first.values], first.codes
    for part in others:
        # Of what occurs only, after each column: so the numbers stay below the square of the rows.
        found, codes = np.unique(codes * len(part.values) + part.codes, return_inverse=True)
        before, added = np.divmod(found, len(part.values))
        keys = [
            (*keys[left], part.values[right])
            for left, right in zip(before.tolist(), added.tolist(), strict=True)
        ]
    return Distinct(keys, codes)


def _codes(column: pa.Array) -> Distinct:
    """Values that occur, and by row which it is."""
    theirs = pa.types.is_dictionary(column.type)
    if not theirs:
        column = column.dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    values = column.dictionary
    if theirs:  # a dictionary that others made may be of more rows than these
        occurring, codes = np.unique(codes, return_inverse=True)
        values = values.take(pa.array(occurring))
    values = values.to_pylist()
    if len(set(values)) < len(values):  # Arrow tells apart what Python's equality does not: 0.0 and -0.0
        first: dict[Any, int] = {}
        codes = np.array([first.setdefault(value, len(first)) for value in values])[codes]
        values = list(first)
    return Distinct(values, codes)


@contextmanager
def _of_key(names: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserCodeError(f"key_by({', '.join(map(repr, names))}): {error}") from error


def row_hashes(data: pa.RecordBatch, names: Sequence[str]) -> Uint32s:
    """``stable_hash`` of each row's key. Raises ``UserCodeError``."""
    columns = key_columns(data, names)
    if is_whole(columns):
        return hash_integers(integers(columns[0]))
    keys = distinct(columns, names)
    with _of_key(names):
        return hash_values(keys.values)[keys.codes]


class KeySlots:
    """Slots of the keys that a keyed operator has seen."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._index: IntegerKeyIndex | ObjectKeyIndex | None = None
        self._types: list[pa.DataType] = []

    def __len__(self) -> int:
        return 0 if self._index is None else len(self._index)

    def slots(self, data: pa.RecordBatch) -> Slots:
        """The slot of each row's key. Raises ``UserCodeError``."""
        columns = key_columns(data, self.names)
        if self._index is None:
            self._begin(columns)
        for name, column, known in zip(self.names, columns, self._types, strict=True):
            if _plain_type(column.type) != known:
                raise UserCodeError(
                    f"key_by: column {name!r} is {column.type} now, but was {known} before; keep one type, or start "
                    "without state"
                )
        if isinstance(self._index, IntegerKeyIndex):
            return self._index.slots(integers(columns[0]))
        assert self._index is not None
        keys = distinct(columns, self.names)
        return self._index.slots(keys.values)[keys.codes]

    def columns(self, slots: Slots | None = None) -> list[pa.Array]:
        """The key columns of these slots, in their order; ``None``: of all."""
        if self._index is None:
            return []
        if isinstance(self._index, IntegerKeyIndex):
            whole = self._index.keys if slots is None else self._index.keys[slots]
            return [pa.array(whole).cast(self._types[0])]
        keys = self._index.keys
        if slots is not None:
            keys = [keys[slot] for slot in slots.tolist()]
        if len(self.names) == 1:
            return [pa.array(keys, type=self._types[0])]
        parts = list(zip(*keys, strict=True)) if keys else [() for _ in self.names]
        return [pa.array(part, type=kind) for part, kind in zip(parts, self._types, strict=True)]

    def key_groups(self, max_parallelism: int) -> npt.NDArray[np.int32]:
        """The key group of each slot."""
        if self._index is None:
            return np.empty(0, dtype=np.int32)
        if isinstance(self._index, IntegerKeyIndex):
            return key_groups(hash_integers(self._index.keys), max_parallelism)
        return key_groups(hash_values(self._index.keys), max_parallelism)

    def _begin(self, columns: list[pa.Array]) -> None:
        self._types = [_plain_type(column.type) for column in columns]
        self._index = IntegerKeyIndex() if is_whole(columns) else ObjectKeyIndex()


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
