"""A moment of heap state, encoded beside the processing: small tables when it begins, large ones while they stand still.

A large one is encoded in small pieces, so that whoever does it holds the interpreter for no longer than a batch takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from weir.state import statefile
from weir.state.columns import ChunkSize, Codec, chunked, chunked_entries, present
from weir.state.descriptors import StateDescriptor, StateKind
from weir.state.registration import KeyedStates
from weir.state.standing import StandingTable, Still
from weir.state.statefile import Chunk, FileHeader, Writing
from weir.state.sweep import Mortal

#: Bytes of one piece of a table that stands still, about, and entries at most.
_PIECE_BYTES: Final = 64 * 1024
_PIECE_ENTRIES: Final = 4096


class HeapSnapshot:
    """See ``KeyedSnapshot`` and ``PiecewiseSnapshot``."""

    def __init__(
        self,
        header: FileHeader,
        sections: Iterable[Writing],
        cuts: Sequence[Still],
        let_go: Callable[[HeapSnapshot], None],
    ) -> None:
        """``cuts``: what stands still for it. ``let_go``: nothing needs to any more; called from any thread."""
        self._header = header
        self._sections = sections
        self._cuts = cuts
        self._let_go = let_go

    def encode(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        return statefile.pieces(self._header, self._sections)

    def release(self) -> None:
        self._sections = ()
        for cut in self._cuts:
            cut.over = True
        self._let_go(self)


class Written(NamedTuple):
    """One state of a store in a snapshot; ``mortal``: it expires."""

    store: KeyedStates
    descriptor: StateDescriptor
    codec: Codec
    mortal: Mortal | None

    def at_once(self, still: Still) -> list[Chunk]:
        """The chunks of a small table."""
        parts = self._parts(still, None if self.mortal is None else self.mortal.life.now(), None, None)
        return [self._chunk(keys, values) for keys, values in parts]

    def beside(self, still: Still, met: deque[tuple[Mortal, Any]] | None) -> Iterator[Chunk]:
        """The chunks of a table that stands still, each made when it is asked for; ``met`` is told what has expired by now."""
        return self._made(still, None if self.mortal is None else self.mortal.life.now(), met)

    def _made(self, still: Still, now: int | None, met: deque[tuple[Mortal, Any]] | None) -> Iterator[Chunk]:
        size = ChunkSize(_PIECE_BYTES, _PIECE_ENTRIES)
        for keys, values in self._parts(still, now, met, size):
            chunk = self._chunk(keys, values)
            size.learn(self.descriptor.kind, values, chunk)
            yield chunk

    def _chunk(self, keys: list[Any], values: list[Any]) -> Chunk:
        return self.store.chunk(self.descriptor.name, self.codec, keys, values)

    def _parts(
        self,
        still: Still,
        now: int | None,
        met: deque[tuple[Mortal, Any]] | None,
        size: ChunkSize | None,
    ) -> Iterator[tuple[list[Any], list[Any]]]:
        kind = self.descriptor.kind
        most = (lambda: statefile.CHUNK_ENTRIES) if size is None else size.entries
        if self.mortal is not None and now is not None:
            return chunked_entries(kind, self.mortal.entries(still.entries(), now, met), most)
        if still.layers:
            if kind is StateKind.LIST or kind is StateKind.MAP:
                return chunked_entries(kind, still.entries(), most)
            return (part for found in still.parts(most) for part in present(kind, *found))
        return chunked(kind, still.base, most)


def is_small(kind: StateKind, table: StandingTable, most: int) -> bool:
    """Whether a table has up to ``most`` elements, and all in its base."""
    if not table.whole or len(table.base) > most:
        return False
    if kind is StateKind.LIST or kind is StateKind.MAP:
        return sum(map(len, table.base.values())) <= most
    return True
