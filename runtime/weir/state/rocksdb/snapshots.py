"""A moment of a RocksDB state: layers that were cut and the database below them, to be written beside the processing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from weir.state import statefile
from weir.state.columns import ChunkSize, chunked_entries
from weir.state.native import Increment, Reuse, Upload
from weir.state.registration import TimerCut
from weir.state.rocksdb import native
from weir.state.rocksdb.bases import ListBase
from weir.state.rocksdb.native import Changes, NativeFile
from weir.state.statefile import CHUNK_ENTRIES, Chunk, Section, Writing

if TYPE_CHECKING:
    from weir.state.rocksdb.store import Registered, RocksDBKeyedState


class RocksDBSnapshot:
    """See ``KeyedSnapshot`` and ``IncrementalSnapshot``. Until it lets go, the store drains nothing."""

    def __init__(
        self,
        store: RocksDBKeyedState,
        cuts: dict[str, tuple[dict[Any, Any], ...]],
        timers: list[TimerCut],
        carried: list[Section],
    ) -> None:
        self._store = store
        self._cuts = cuts
        self._timers = timers
        self._carried = carried
        #: By state that expires: when.
        self._moments = {name: life.now() for name, life in store.lives.items()}

    def encode(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        store = self._store
        merged = self._merged()
        view, timers = store.database.view(), self._timer_sections()
        self.release()
        yield from statefile.pieces(store.header(), self._sections(merged, view, timers))

    def increment(self, upload: Upload, reuse: Reuse = Reuse.KNOWN) -> Increment:
        store = self._store
        merged = self._merged()
        with store.files.copied() as moment:
            # Without a view, whose end would let RocksDB rewrite whole tables: nothing is drained until all is read.
            numbers = store.run_numbers()
            changes, timers = list(self._changes(merged, numbers)), self._timer_sections()
            self.release()
            shared = store.files.store(moment, upload, reuse)
            file = NativeFile(
                store.header(),
                store.native_states(numbers),
                moment.tables,
                moment.private(),
                changes,
                [*self._carried, *timers],
            )
            return Increment(native.write(file), tuple(shared))

    def _merged(self) -> dict[str, Any]:
        registered = self._store.registered
        return {name: found.base.merged(self._cuts[name]) for name, found in registered.items()}

    def _changes(self, merged: dict[str, Any], numbers: dict[str, int]) -> Iterator[Changes]:
        """What the layers say, as the database would have it."""
        for name, registered in self._store.registered.items():
            left = iter(merged[name].items())
            while taken := list(islice(left, CHUNK_ENTRIES)):
                if isinstance(registered.base, ListBase):
                    changes = registered.base.changes(taken, numbers[name])
                    numbers[name] += len(changes[0])
                else:
                    changes = registered.base.changes(taken)
                yield changes

    def _timer_sections(self) -> list[Section]:
        """Encoded, while they stand still."""
        return [Section(header, list(chunks)) for header, chunks in self._store.timer_sections(self._timers)]

    def _sections(self, merged: dict[str, Any], view: Any, timers: list[Section]) -> Iterator[Writing]:
        store = self._store
        yield from self._carried
        yield from timers
        for name, registered in store.registered.items():
            entries = registered.base.entries(merged[name], store.key_groups, view)
            if name in self._moments:
                entries = store.fresh(registered.descriptor, entries, self._moments[name])
            yield store.section_header(registered.descriptor), self._chunks(registered, entries)

    def _chunks(self, of: Registered, entries: Iterable[tuple[Any, Any]]) -> Iterator[Chunk]:
        kind, size = of.descriptor.kind, ChunkSize()
        for keys, values in chunked_entries(kind, entries, size.entries):
            chunk = self._store.chunk(of.descriptor.name, of.codec, keys, values)
            size.learn(kind, values, chunk)
            yield chunk

    def release(self) -> None:
        self._store.let_go(self)
        self._cuts = {}
        self._timers = []
