"""Which old files a new subtask reads when state is restored. Pure.

Keyed state: every old subtask whose key groups overlap; entries of others are dropped while decoding.
Operator state: the own file when nothing changed and all states are split lists, otherwise all of them.
What was in flight: the own file when nothing changed, otherwise those that may hold rows of the new subtask.
"""

from __future__ import annotations

from typing import NamedTuple

from weir.keygroups import key_group_range


class OperatorFiles(NamedTuple):
    """The old subtasks whose operator state is read, in order, and whether nothing is dealt anew."""

    old_subtasks: list[int]
    own_only: bool


def assign_keyed(old_ranges: list[tuple[int, int]], new_range: range) -> list[int]:
    """Indexes of the old ranges (first and last key group, both inclusive) that ``new_range`` overlaps."""
    return [
        index
        for index, (first, last) in enumerate(old_ranges)
        if first < new_range.stop and new_range.start <= last
    ]


def assign_operator(
    old_parallelism: int, new_parallelism: int, index: int, split_only: bool
) -> OperatorFiles:
    """The files that subtask ``index`` of ``new_parallelism`` reads; ``split_only`` is the snapshot's."""
    if old_parallelism == new_parallelism and split_only:
        return OperatorFiles([index], own_only=True)
    return OperatorFiles(list(range(old_parallelism)), own_only=False)


class Receivers(NamedTuple):
    """All subtasks of a vertex."""

    parallelism: int
    max_parallelism: int


def assign_in_flight(old: Receivers, new: Receivers, index: int, *, keyed_only: bool) -> list[int]:
    """The old subtasks that may hold rows for subtask ``index`` of ``new``; it sorts out which.

    ``keyed_only``: all rows come by key, so those of other key groups need not be looked at.
    """
    if old == new:
        return [index]
    if not keyed_only or old.max_parallelism != new.max_parallelism:
        return list(range(old.parallelism))
    groups = [
        key_group_range(old.max_parallelism, old.parallelism, subtask) for subtask in range(old.parallelism)
    ]
    old_ranges = [(found.start, found.stop - 1) for found in groups]
    return assign_keyed(old_ranges, key_group_range(new.max_parallelism, new.parallelism, index))
