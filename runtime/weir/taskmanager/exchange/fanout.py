"""A batch for several consumers: rows go by reference, so every consumer but the first gets copies of mutable ones.

All copies are made before the first consumer is given its own: it may run, and change rows, at once.
"""

from __future__ import annotations

import copy
import pickle

from weir.records import Batch, ColumnBatch, RowBatch
from weir.state.isolation import all_immutable


def independent(batch: RowBatch) -> RowBatch:
    """The batch itself if its rows cannot change, else one with copies of them."""
    if all_immutable(batch.values):
        return batch
    try:
        values = pickle.loads(pickle.dumps(batch.values, protocol=5))
    except Exception:  # noqa: BLE001  rows that cannot be pickled may still be copied
        values = copy.deepcopy(batch.values)
    return RowBatch(values, batch.timestamps, batch.keys, batch.tag)


def shares(batch: Batch, consumers: int) -> list[Batch]:
    """One batch for each of ``consumers``; none sees what another does to its rows."""
    if consumers <= 1 or isinstance(batch, ColumnBatch) or all_immutable(batch.values):
        return [batch] * consumers
    return [*(independent(batch) for _ in range(consumers - 1)), batch]
