"""How column batches are spread by key: routed as whole columns, cut by a pass for each of a few channels, or by one sort. Hot path.

Rows of one key go where ``HashOutput`` would send them; the receiver takes its keys from the columns again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weir.columnar.routing import KeyRoutes, Targets
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
        self._routes = KeyRoutes(key_columns, max_parallelism, len(channels))
        self._label = label
        self._location = location

    def send(self, batch: Any) -> None:
        if len(self.channels) == 1 or not len(batch):
            self.channels[0].send_rows(batch)
            return
        try:
            targets = self._routes.targets(batch.data)
        except OperatorFailure:
            raise
        except Exception as error:
            raise operator_failure(error, self._label, self._location) from error
        for channel, rows in zip(self.channels, rows_by_target(targets, len(self.channels)), strict=True):
            if len(rows):
                stamps = None if batch.timestamps is None else batch.timestamps[rows]
                channel.send_rows(ColumnBatch(batch.data.take(pa.array(rows)), stamps))


#: Up to so many channels a pass over the targets for each is cheaper than to sort them.
_PASSES: Final = 8


def rows_by_target(targets: Targets, count: int) -> list[npt.NDArray[np.int64]]:
    """For each of ``count`` targets the numbers of its rows, in their order."""
    if count <= _PASSES:
        return [np.flatnonzero(targets == target) for target in range(count)]
    order = np.argsort(targets, kind="stable")
    ends = np.cumsum(np.bincount(targets, minlength=count))
    return np.split(order, ends[:-1])
