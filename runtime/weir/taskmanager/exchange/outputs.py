"""How the rows of an edge are spread over its channels. One object per edge and sending subtask. Hot path.

The sender computes key and channel once for each row of a batch; a memo per distinct key makes the routing cheap.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable, Sequence
from operator import countOf
from typing import Any

from weir.errors import UserCodeError
from weir.graph.logical import Partitioning
from weir.keygroups import KeyRouter
from weir.operators.failures import OperatorFailure, operator_failure
from weir.operators.job_code import EdgeCode
from weir.operators.user_function import WrongUse, stopped_early
from weir.records import Batch, ColumnBatch, RowBatch
from weir.taskmanager.exchange.channels import LocalChannel, OutputChannel
from weir.taskmanager.exchange.edge_output import EdgeOutput
from weir.taskmanager.exchange.fanout import shares


class SingleOutput(EdgeOutput):
    """One channel: forward, global, or only one target."""

    def send(self, batch: Batch) -> None:
        self.channels[0].send_rows(batch)


class RoundRobinOutput(EdgeOutput):
    """Row by row in turn (rebalance, rescale), or from a random start (shuffle); columns batch by batch."""

    def __init__(self, channels: Sequence[OutputChannel], *, shuffle: bool, start: int) -> None:
        super().__init__(channels)
        self._shuffle = shuffle
        self._next = start % len(channels)

    def send(self, batch: Batch) -> None:
        if isinstance(batch, ColumnBatch):
            self.channels[self._next].send_rows(batch)
            self._next = (self._next + 1) % len(self.channels)
            return
        channels, count, rows = self.channels, len(self.channels), len(batch.values)
        start = random.randrange(count) if self._shuffle else self._next
        stamps = batch.timestamps
        for offset in range(min(count, rows)):
            part = RowBatch(batch.values[offset::count], None if stamps is None else stamps[offset::count])
            channels[(start + offset) % count].send_rows(part)
        self._next = (start + rows) % count


class BroadcastOutput(EdgeOutput):
    """Every row to every channel."""

    def send(self, batch: Batch) -> None:
        by_reference = [channel for channel in self.channels if isinstance(channel, LocalChannel)]
        encoded = [channel for channel in self.channels if not isinstance(channel, LocalChannel)]
        # Remote channels may gather rows for a while, but nobody changes theirs: one copy serves all of them.
        copies = shares(batch, len(by_reference) + bool(encoded))
        for channel in encoded:
            channel.send_rows(copies[-1])
        for channel, own in zip(by_reference, copies, strict=False):
            channel.send_rows(own)


class RoutedOutput(EdgeOutput):
    """Each row to the channel that its key says."""

    def __init__(
        self,
        channels: Sequence[OutputChannel],
        key_selector: Callable[[Any], Any],
        label: str,
        location: str = "",
    ) -> None:
        super().__init__(channels)
        self._key_selector = key_selector
        self._label = label
        self._location = location

    def send(self, batch: RowBatch) -> None:
        rows = iter(batch.values)
        try:
            keys = list(map(self._key_selector, rows))
            if len(keys) != len(batch.values):
                raise stopped_early(self._key_selector)
            if len(self.channels) == 1:
                targets = None
                self._check(keys)
            else:
                targets = self._targets(keys)
        except OperatorFailure:
            raise
        except Exception as error:
            raise operator_failure(error, self._label, self._location) from error
        if targets is None:
            self.channels[0].send_rows(RowBatch(batch.values, batch.timestamps, keys))
        else:
            self._split(batch, keys, targets)

    def locate_failure(self, frame: dict[str, Any]) -> dict[str, Any]:
        """The row that the key selector failed on, or the key that the partitioner did."""
        rows, batch = frame.get("rows"), frame.get("batch")
        if rows is None or batch is None or "keys" in frame:
            return {"key": frame["key"]} if "key" in frame else {}
        position = len(batch.values) - rows.__length_hint__() - 1
        return {"record": batch.values[position]} if position >= 0 else {}

    @abstractmethod
    def _targets(self, keys: list[Any]) -> list[int]: ...

    def _check(self, keys: list[Any]) -> None:
        """Refuse keys that could not be routed if there were more channels."""

    def _split(self, batch: RowBatch, keys: list[Any], targets: list[int]) -> None:
        parts: list[tuple[list[Any], list[int], list[Any]]] = [([], [], []) for _ in self.channels]
        if batch.timestamps is None:
            adds = [(part[0].append, part[2].append) for part in parts]
            for target, value, key in zip(targets, batch.values, keys, strict=True):
                add = adds[target]
                add[0](value)
                add[1](key)
        else:
            for target, value, stamp, key in zip(targets, batch.values, batch.timestamps, keys, strict=True):
                part = parts[target]
                part[0].append(value)
                part[1].append(stamp)
                part[2].append(key)
        stamped = batch.timestamps is not None
        for channel, (values, stamps, part_keys) in zip(self.channels, parts, strict=True):
            if values:
                channel.send_rows(RowBatch(values, stamps if stamped else None, part_keys))


class HashOutput(RoutedOutput):
    """By key group, so that a key's rows and state meet in one subtask."""

    def __init__(
        self,
        channels: Sequence[OutputChannel],
        key_selector: Callable[[Any], Any],
        label: str,
        location: str,
        max_parallelism: int,
    ) -> None:
        super().__init__(channels, key_selector, label, location)
        self._router = KeyRouter(max_parallelism, len(channels))

    def _targets(self, keys: list[Any]) -> list[int]:
        return self._router.route(keys)

    def _check(self, keys: list[Any]) -> None:
        # The memo refuses keys without a stable hash; a batch of known keys costs a dict look-up each. To count one type
        # is a third cheaper than to look each up.
        kind = type(keys[0]) if keys else int
        if kind in _PLAIN_KEYS and countOf(map(type, keys), kind) == len(keys):
            return
        if not _PLAIN_KEYS.issuperset(map(type, keys)):
            self._router.route(keys)


_PLAIN_KEYS = frozenset({int, str, bytes, bool, type(None)})


class CustomOutput(RoutedOutput):
    """As the user's partitioner says."""

    def __init__(self, channels: Sequence[OutputChannel], code: EdgeCode, label: str, location: str) -> None:
        assert code.key_selector is not None
        assert code.partitioner is not None
        super().__init__(channels, code.key_selector, label, location)
        self._partitioner = code.partitioner

    def _targets(self, keys: list[Any]) -> list[int]:
        count = len(self.channels)
        targets = [self._partitioner(key, count) for key in keys]
        for key, target in zip(keys, targets, strict=True):  # noqa: B007  the failure's message finds it here
            if target.__class__ is not int or not 0 <= target < count:
                raise WrongUse(
                    self._partitioner,
                    f"the partitioner answered {target!r}; expected an int from 0 to {count - 1}",
                )
        return targets


def make_output(
    partitioning: Partitioning,
    channels: Sequence[OutputChannel],
    code: EdgeCode,
    *,
    label: str,
    max_parallelism: int,
    subtask: int,
    location: str = "",
) -> EdgeOutput:
    """The output for an edge; ``label`` names its target in messages, ``location`` is where the user made that."""
    if partitioning is Partitioning.HASH:
        if code.key_columns:
            from weir.taskmanager.exchange.column_outputs import ColumnHashOutput

            return ColumnHashOutput(channels, code.key_columns, label, location, max_parallelism)
        if code.key_selector is None:
            raise UserCodeError(f"the keyed edge to {label} has no key selector")
        return HashOutput(channels, code.key_selector, label, location, max_parallelism)
    if partitioning is Partitioning.CUSTOM:
        return CustomOutput(channels, code, label, location)
    if partitioning is Partitioning.BROADCAST:
        return BroadcastOutput(channels)
    if len(channels) == 1 or partitioning is Partitioning.GLOBAL:
        return GlobalOutput(channels) if len(channels) > 1 else SingleOutput(channels)
    return RoundRobinOutput(channels, shuffle=partitioning is Partitioning.SHUFFLE, start=subtask)


class GlobalOutput(SingleOutput):
    """All rows to the first subtask; control elements to all."""
