"""A moment of a RocksDB state: layers that were cut and the database below them, to be written beside the processing.

An increment writes its layers into the database itself, in slices, before it copies the files, unless an older snapshot is yet to
read the database: so what changed is in memory once, and stored once. Lists are the exception, whose runs in a layer would be read
twice as long as the layer stands: they go with the state file, as everything does where an older snapshot is in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from weir.state import statefile
from weir.state.columns import ChunkSize, chunked_entries
from weir.state.native import Increment, Reuse, Upload
from weir.state.registration import TimerCut
from weir.state.rocksdb import native
from weir.state.rocksdb.bases import ListBase
from weir.state.rocksdb.held import Cut
from weir.state.rocksdb.native import Changes, NativeFile
from weir.state.statefile import Chunk, Section, Writing

if TYPE_CHECKING:
    from weir.state.rocksdb.store import Registered, RocksDBKeyedState

#: Keys, or entries of maps, that are encoded at once.
_SLICE: Final = 500


class RocksDBSnapshot:
    """See ``KeyedSnapshot`` and ``IncrementalSnapshot``. Until it lets go, the store drains nothing."""

    def __init__(
        self,
        store: RocksDBKeyedState,
        cuts: dict[str, Cut],
        timers: list[TimerCut],
        carried: list[Section],
    ) -> None:
        self._store = store
        self._cuts = cuts
        self._timers = timers
        self._carried = carried
        self._header = store.header()
        #: By state that expires: when.
        self._moments = {name: life.now() for name, life in store.lives.items()}

    def encode(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        store = self._store
        merged = self._merged()
        view, timers = store.database.view(), self._timer_sections()
        self.release()
        yield from statefile.pieces(self._header, self._sections(merged, view, timers))

    def increment(self, upload: Upload, reuse: Reuse = Reuse.KNOWN) -> Increment:
        store = self._store
        with ExitStack() as copied:
            with store.held.moving:
                left = self._moved(self._merged())
                # Without a view, whose end would let RocksDB rewrite whole tables: nothing is drained until all is read.
                moment = copied.enter_context(store.files.copied())
                numbers = store.run_numbers()
                changes = [native.chunk(each) for each in self._changes(left, numbers)]
                timers = self._timer_sections()
                states = store.native_states(numbers)
                self.release()
            shared = store.files.store(moment, upload, reuse)
            others = [*self._carried, *timers]
            file = NativeFile(self._header, states, moment.tables, moment.private(), changes, others)
            return Increment(native.pieces(file), tuple(shared))

    def _merged(self) -> dict[str, Any]:
        registered = self._store.registered
        return {name: found.base.merged(self._cuts[name]) for name, found in registered.items()}

    def _moved(self, merged: dict[str, Any]) -> dict[str, Any]:
        """What is not in the database after as much of it was written there as may be."""
        if not self._store.held.is_oldest(self):
            return merged
        found = self._store.registered
        stay = {name: each for name, each in merged.items() if isinstance(found[name].base, ListBase)}
        for name in merged.keys() - stay.keys():
            base = found[name].base
            for taken in base.slices(merged.pop(name), _SLICE):
                base.write(taken)
        self._store.held.was_written({name: cut for name, cut in self._cuts.items() if name not in stay})
        return stay

    def _changes(self, merged: dict[str, Any], numbers: dict[str, int]) -> Iterator[Changes]:
        """What the layers say, as the database would have it."""
        for name, of_state in merged.items():
            base = self._store.registered[name].base
            for taken in base.slices(of_state, _SLICE):
                if isinstance(base, ListBase):
                    changes = base.changes(taken, numbers[name])
                    numbers[name] += len(changes[0])
                else:
                    changes = base.changes(taken)
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
        self._store.held.let_go(self)
        self._cuts = {}
        self._timers = []
