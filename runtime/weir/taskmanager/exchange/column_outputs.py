"""How column batches are spread by key: routed as whole columns, cut by a pass for each of a few channels, or by one sort. Hot path.

Rows of one key go where ``HashOutput`` would send them; the receiver takes its keys from the columns again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from weir.columnar.routing import KeyRoutes, Targets
from weir.columnar.taking import taken
from weir.operators.failures import OperatorFailure, operator_failure
from weir.records import ColumnBatch
from weir.taskmanager.exchange.channels import OutputChannel
from weir.taskmanager.exchange.edge_output import EdgeOutput


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
        for channel, part in zip(self.channels, split(batch, targets, len(self.channels)), strict=True):
            if len(part):
                channel.send_rows(part)


#: Up to so many parts a pass over the targets for each is cheaper than to sort them.
_PASSES: Final = 8


def split(batch: ColumnBatch, targets: Targets, count: int) -> Iterator[ColumnBatch]:
    """The rows of each of ``count`` targets, in their order."""
    if count <= _PASSES:
        for target in range(count):
            yield taken(batch, np.flatnonzero(targets == target))
        return
    whole = taken(batch, np.argsort(targets, kind="stable"))
    start = 0
    for rows in np.bincount(targets, minlength=count).tolist():
        stamps = None if whole.timestamps is None else whole.timestamps[start : start + rows]
        yield ColumnBatch(whole.data.slice(start, rows), stamps)
        start += rows
