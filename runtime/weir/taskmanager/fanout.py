"""A batch for several consumers: rows go by reference, so every consumer but the first gets copies of mutable ones.

All copies are made before the first consumer is given its own: it may run, and change rows, at once.
"""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import pickle
import uuid
from itertools import chain
from typing import Any

from weir.records import RowBatch

_IMMUTABLE = frozenset(
    {
        int, float, bool, str, bytes, type(None), complex, frozenset, range,
        dt.datetime, dt.date, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID,
    }
)  # fmt: skip


def is_immutable(values: list[Any]) -> bool:
    """Whether no consumer can change these rows (tuples are looked into, one level deep)."""
    kinds = set(map(type, values))
    if kinds <= _IMMUTABLE:
        return True
    if kinds - _IMMUTABLE == {tuple}:
        rows = values if len(kinds) == 1 else [v for v in values if type(v) is tuple]
        return set(map(type, chain.from_iterable(rows))) <= _IMMUTABLE
    return False


def independent(batch: RowBatch) -> RowBatch:
    """The batch itself if its rows cannot change, else one with copies of them."""
    if is_immutable(batch.values):
        return batch
    try:
        values = pickle.loads(pickle.dumps(batch.values, protocol=5))
    except Exception:  # noqa: BLE001  rows that cannot be pickled may still be copied
        values = copy.deepcopy(batch.values)
    return RowBatch(values, batch.timestamps, batch.keys, batch.tag)


def shares(batch: RowBatch, consumers: int) -> list[RowBatch]:
    """One batch for each of ``consumers``; none sees what another does to its rows."""
    if consumers <= 1 or is_immutable(batch.values):
        return [batch] * consumers
    return [independent(batch) for _ in range(consumers - 1)] + [batch]
