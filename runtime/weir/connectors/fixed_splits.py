"""An enumerator for sources that know all their splits at the start: collections and generators.

Splits are given out when readers ask: one at a time to whoever is free, or, with ``share_of``, each reader its
fixed share at once, which endless splits need, since their reader never asks again. The state is the list of
splits that nobody has yet; ``collection`` and ``datagen`` take over from there with their readers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from weir.connectors.source import Assignment, SplitEnumerator

SplitT = TypeVar("SplitT")


class FixedSplits(SplitEnumerator[SplitT]):
    """Hands out a list of splits that grows only by splits that come back, before anybody asks."""

    def __init__(self, splits: Sequence[SplitT], share_of: Callable[[SplitT], int] | None = None) -> None:
        """``share_of`` names the reader of a split; ``None``: whoever asks first."""
        self._unassigned = list(splits)
        self._share_of = share_of

    def handle_request(self, reader: int) -> list[Assignment]:
        if self._share_of is None:
            taken, self._unassigned = self._unassigned[:1], self._unassigned[1:]
            return [Assignment(reader, taken, no_more=not self._unassigned)]
        taken = [split for split in self._unassigned if self._share_of(split) == reader]
        self._unassigned = [split for split in self._unassigned if self._share_of(split) != reader]
        return [Assignment(reader, taken, no_more=True)]

    def add_splits_back(self, splits: Sequence[SplitT], reader: int) -> list[Assignment]:
        self._unassigned.extend(splits)
        return []

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._unassigned)


def unassigned_in(state: bytes, split_type: type[SplitT]) -> list[SplitT]:
    """The splits of ``FixedSplits.snapshot``."""
    found: list[SplitT] = msgspec.msgpack.decode(state, type=list[split_type])  # type: ignore[valid-type]
    return found
