"""Which old files a new subtask reads when state is restored. Pure.

Keyed state: every old subtask whose key groups overlap; entries of others are dropped while decoding.
Operator state: the own file when nothing changed and all states are split lists, otherwise all of them.
"""

from __future__ import annotations

from typing import NamedTuple


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
