"""Which subtask the key of each row belongs to. Hot path.

Hashing an integer costs more than everything else that an exchange does with it. So as long as the integers of a stream lie
near each other their subtasks are computed once, for the whole range, and looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weir.columnar.hashing import hash_integers, subtasks
from weir.columnar.keying import integers, is_whole, key_columns, row_hashes

Int64s = npt.NDArray[np.int64]
Targets = npt.NDArray[np.uint16]

#: How far apart the integers of a table may be: a quarter of a megabyte, computed in a few milliseconds.
_NEAR: Final = 1 << 17


class KeyRoutes:
    """The subtasks of one keyed edge."""

    def __init__(self, names: Sequence[str], max_parallelism: int, parallelism: int) -> None:
        self._names = tuple(names)
        self._max_parallelism = max_parallelism
        self._parallelism = parallelism
        self._low = 0
        self._table: Targets = np.empty(0, dtype=np.uint16)

    def targets(self, data: pa.RecordBatch) -> Targets:
        """The subtask of each row, of a batch that is not empty. Raises ``UserCodeError``."""
        columns = key_columns(data, self._names)
        if not is_whole(columns):
            return subtasks(row_hashes(data, self._names), self._max_parallelism, self._parallelism).astype(
                np.uint16
            )
        keys = integers(columns[0])
        if self._reach(int(keys.min()), int(keys.max()) + 1):
            return self._table[keys - self._low]
        return self._computed(keys)

    def _reach(self, low: int, end: int) -> bool:
        """Whether the table holds these integers, now that it was made larger if it had to be."""
        held = self._low + len(self._table)
        if self._low <= low and end <= held:
            return True
        if len(self._table):
            low, end = min(low, self._low), max(end, held)
        if end - low > _NEAR:
            return False
        # Twice the range, so that keys that grow do not make it anew with each batch; never beyond 64 bits.
        end = min(end + (end - low), 1 << 63)
        self._low, self._table = low, self._computed(np.arange(low, end, dtype=np.int64))
        return True

    def _computed(self, keys: Int64s) -> Targets:
        return subtasks(hash_integers(keys), self._max_parallelism, self._parallelism).astype(np.uint16)
