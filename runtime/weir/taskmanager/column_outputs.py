"""How column batches are spread by key: hashed as whole columns, cut by one sort. Hot path.

Rows of one key go where ``HashOutput`` would send them; the receiver takes its keys from the columns again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from weir.columnar.hashing import subtasks
from weir.columnar.keying import row_hashes
from weir.operators.failures import OperatorFailure, operator_failure
from weir.records import ColumnBatch
from weir.taskmanager.channels import OutputChannel
from weir.taskmanager.edge_output import EdgeOutput


class ColumnHashOutput(EdgeOutput):
    """By key group of the key columns."""

    def __init__(
        self,
        channels: Sequence[OutputChannel],
        key_columns: Sequence[str],
        label: str,
        location: str,
        max_parallelism: int,
    ) -> None:
        super().__init__(channels)
        self._keys = tuple(key_columns)
        self._label = label
        self._location = location
        self._max_parallelism = max_parallelism

    def send(self, batch: Any) -> None:
        if len(self.channels) == 1:
            self.channels[0].send_rows(batch)
            return
        try:
            hashes = row_hashes(batch.data, self._keys)
        except OperatorFailure:
            raise
        except Exception as error:
            raise operator_failure(error, self._label, self._location) from error
        targets = subtasks(hashes, self._max_parallelism, len(self.channels)).astype(np.uint16)
        order = np.argsort(targets, kind="stable")
        ends = np.cumsum(np.bincount(targets, minlength=len(self.channels)))
        sorted_data = batch.data.take(pa.array(order))
        stamps = None if batch.timestamps is None else batch.timestamps[order]
        start = 0
        for channel, end in zip(self.channels, ends.tolist(), strict=True):
            if end > start:
                part = None if stamps is None else stamps[start:end]
                channel.send_rows(ColumnBatch(sorted_data.slice(start, end - start), part))
            start = end
