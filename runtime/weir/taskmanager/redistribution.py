"""Which rows that were on their way become whose after a restore, and in which order. Pure.

At the same parallelism on both sides of an edge each channel gets back what it held, watermarks and idleness included. Else
rows go to the subtask that gets such rows now: by key group, by the user's partitioner, or dealt by old subtask where it does
not matter; in the order of each old channel. Watermarks then stay behind: those of one old channel say nothing about the
rows of another, and the senders say theirs again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weir.errors import SnapshotMismatch
from weir.graph.logical import Partitioning
from weir.keygroups import KeyRouter
from weir.operators.job_code import EdgeCode
from weir.records import BATCHES, Batch, ColumnBatch, RowBatch, StreamElement, StreamStatus
from weir.taskmanager.in_flight import ChannelName, EdgeName, InFlight
from weir.taskmanager.receiving import unknown_edge

#: An element and its bytes.
Costly = tuple[StreamElement, int]


@dataclass(frozen=True)
class Receiver:
    """A subtask as it is now."""

    label: str  #: how messages name its first operator
    index: int
    parallelism: int
    max_parallelism: int


@dataclass(frozen=True)
class ReceivingEdge:
    """One of its edges as it is now; ``channels``: their positions by sending subtask."""

    partitioning: Partitioning
    code: EdgeCode
    channels: Sequence[int]


def redistribute(
    found: Iterable[tuple[int, InFlight]], receiver: Receiver, edges: Mapping[EdgeName, ReceivingEdge]
) -> dict[int, list[Costly]]:
    """What each channel begins with, by its position. ``found``: of old subtasks, by their index.

    Raises ``SnapshotMismatch`` when there is no such edge any more: the rows would be lost.
    """
    given: dict[int, list[Costly]] = {}
    for old_subtask, in_flight in sorted(found, key=lambda one: one[0]):
        for channel in in_flight.channels:
            edge = edges.get(channel.name.edge)
            if edge is None:
                raise SnapshotMismatch(unknown_edge(channel.name, receiver.label))
            kept = _kept(channel.decoded(), channel.name, edge, old_subtask, in_flight, receiver)
            position = edge.channels[channel.name.sender % len(edge.channels)]
            given.setdefault(position, []).extend(kept)
    return {position: _awake(elements) for position, elements in given.items() if elements}


def redistribute_chained(
    found: Iterable[tuple[int, InFlight]], receiver: Receiver, source: str, side_tag: str | None
) -> list[StreamElement]:
    """The same for an operator that is chained now to ``source``, since both have the same parallelism.

    Raises ``SnapshotMismatch`` for rows of another operator.
    """
    edge = ReceivingEdge(Partitioning.FORWARD, EdgeCode(), (0,))
    given: list[StreamElement] = []
    for old_subtask, in_flight in sorted(found, key=lambda one: one[0]):
        for channel in in_flight.channels:
            of = channel.name.edge
            if (of.source, of.side_tag) != (source, side_tag):
                raise SnapshotMismatch(unknown_edge(channel.name, receiver.label))
            kept = _kept(channel.decoded(), channel.name, edge, old_subtask, in_flight, receiver)
            given += [element for element, _ in kept if isinstance(element, BATCHES)]
    return given


def _kept(
    elements: Iterable[Costly],
    name: ChannelName,
    edge: ReceivingEdge,
    old_subtask: int,
    old: InFlight,
    receiver: Receiver,
) -> Iterator[Costly]:
    same_keys = old.max_parallelism == receiver.max_parallelism or edge.partitioning is not Partitioning.HASH
    if old.parallelism == receiver.parallelism and same_keys:
        if old_subtask != receiver.index:
            return
        whole = name.senders == len(edge.channels)
        yield from (one for one in elements if whole or isinstance(one[0], BATCHES))
        return
    for element, cost in elements:
        if not isinstance(element, BATCHES):
            continue
        mine = _mine(element, edge, old_subtask, receiver)
        if mine is not None:
            yield mine, cost * len(mine) // len(element)


def _mine(batch: Batch, edge: ReceivingEdge, old_subtask: int, receiver: Receiver) -> Batch | None:
    """The rows of a batch that the receiver gets now."""
    if edge.partitioning is Partitioning.HASH:
        if isinstance(batch, ColumnBatch):
            return _columns(batch, edge.code, receiver)
        router = KeyRouter(receiver.max_parallelism, receiver.parallelism)
        return _rows(batch, router.route(batch.keys or ()), receiver.index)
    if edge.partitioning is Partitioning.CUSTOM and isinstance(batch, RowBatch):
        assert edge.code.partitioner is not None
        targets = [edge.code.partitioner(key, receiver.parallelism) for key in batch.keys or ()]
        return _rows(batch, targets, receiver.index)
    if edge.partitioning is Partitioning.GLOBAL:
        return batch if receiver.index == 0 else None
    return batch if old_subtask % receiver.parallelism == receiver.index else None


def _rows(batch: RowBatch, targets: list[int], index: int) -> RowBatch | None:
    chosen = [position for position, target in enumerate(targets) if target == index]
    if not chosen:
        return None

    def of(values: list[Any] | None) -> list[Any] | None:
        return None if values is None else [values[position] for position in chosen]

    return RowBatch(of(batch.values) or [], of(batch.timestamps), of(batch.keys), batch.tag)


def _columns(batch: ColumnBatch, code: EdgeCode, receiver: Receiver) -> ColumnBatch | None:
    import numpy as np

    from weir.columnar.hashing import subtasks
    from weir.columnar.keying import row_hashes
    from weir.columnar.taking import taken

    hashes = row_hashes(batch.data, tuple(code.key_columns))
    chosen = np.flatnonzero(
        subtasks(hashes, receiver.max_parallelism, receiver.parallelism) == receiver.index
    )
    if not len(chosen):
        return None
    found = taken(batch, chosen)
    found.tag = batch.tag
    return found


def _awake(elements: list[Costly]) -> list[Costly]:
    """A sender begins active, and does not say so: its channel must not stay idle."""
    said = [element.idle for element, _ in elements if isinstance(element, StreamStatus)]
    return [*elements, (StreamStatus(idle=False), 0)] if said and said[-1] else elements
