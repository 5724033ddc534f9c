"""A table of maps in layers; single entries are read and written without the rest of their map. Hot path.

A layer says of a key which entries were put or removed, and whether everything below was cleared first. The cache holds
entries, also the word that there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
from typing import Any, Final

from weir.state.layered.flat import ABSENT

Layer = dict[Any, "MapChange"]
_MISSING: Final = object()


class MapChange:
    """What happened to one key's map within one layer; ``cleared``: before the entries were put."""

    __slots__ = ("cleared", "entries")

    def __init__(self, *, cleared: bool) -> None:
        self.cleared = cleared
        self.entries: dict[Any, Any] = {}

    def take(self, most: int) -> MapChange:
        """Up to ``most`` entries, out of it, as a change to be made before it; itself if it has no more."""
        if len(self.entries) <= most:
            return self
        taken = MapChange(cleared=self.cleared)
        self.cleared = False
        taken.entries = dict(self.entries.popitem() for _ in range(most))
        return taken

    def __repr__(self) -> str:
        return f"MapChange({self.entries!r}, cleared={self.cleared})"


class MapTable:
    """``load`` asks the base for one entry, ``load_map`` for all of a key, a new dict; ``capacity`` counts entries."""

    __slots__ = ("_held", "_load_base", "_load_map", "capacity", "dirty", "layers", "old", "young")

    def __init__(
        self,
        load: Callable[[Any, Any], Any],
        load_map: Callable[[Any], dict[Any, Any]],
        capacity: int,
    ) -> None:
        self._load_base = load
        self._load_map = load_map
        self.capacity = capacity
        self.young: dict[Any, dict[Any, Any]] = {}
        self.old: dict[Any, dict[Any, Any]] = {}
        self.dirty: Layer = {}
        self.layers: list[Layer] = []
        self._held = 0

    def get(self, key: Any, entry: Any) -> Any:
        """The value of an entry, or ``ABSENT``."""
        entries = self.young.get(key)
        if entries is None:
            entries = self.young[key] = {}
        value = entries.get(entry, _MISSING)
        if value is _MISSING:
            before = self.old.get(key)
            value = _MISSING if before is None else before.get(entry, _MISSING)
            if value is _MISSING:
                value = self.peek(key, entry)
            entries[entry] = value
            self._held += 1
        return value

    def peek(self, key: Any, entry: Any) -> Any:
        """As :meth:`get`, without a look into the caches."""
        for layer in (self.dirty, *reversed(self.layers)):
            change = layer.get(key)
            if change is not None:
                value = change.entries.get(entry, _MISSING)
                if value is not _MISSING:
                    return value
                if change.cleared:
                    return ABSENT
        return self._load_base(key, entry)

    def whole(self, key: Any) -> dict[Any, Any]:
        """All entries of a key, a new dict."""
        changes: list[MapChange] = []
        for layer in (self.dirty, *reversed(self.layers)):
            change = layer.get(key)
            if change is not None:
                changes.append(change)
                if change.cleared:
                    found: dict[Any, Any] = {}
                    break
        else:
            found = self._load_map(key)
        for change in reversed(changes):
            for entry, value in change.entries.items():
                if value is ABSENT:
                    found.pop(entry, None)
                else:
                    found[entry] = value
        return found

    def put(self, key: Any, entry: Any, value: Any) -> None:
        """Set an entry; ``ABSENT`` removes it."""
        change = self.dirty.get(key)
        if change is None:
            change = self.dirty[key] = MapChange(cleared=False)
        change.entries[entry] = value
        entries = self.young.get(key)
        if entries is None:
            entries = self.young[key] = {}
        if entry not in entries:
            self._held += 1
        entries[entry] = value

    def clear(self, key: Any) -> None:
        """Remove all entries of a key."""
        self.dirty[key] = MapChange(cleared=True)
        self.young.pop(key, None)
        self.old.pop(key, None)

    def rotate(self) -> None:
        """Forget what was not used lately, if the cache is full; called between batches."""
        if self._held >= self.capacity:
            self.old, self.young, self._held = self.young, {}, 0

    def cut(self) -> tuple[Layer, ...]:
        """As ``FlatTable.cut``."""
        if self.dirty:
            self.layers.append(self.dirty)
            self.dirty = {}
        return tuple(self.layers)

    def drop(self, layers: tuple[Layer, ...]) -> None:
        """These, the oldest ones, are in the base."""
        self.layers = [layer for layer in self.layers if not any(layer is other for other in layers)]

    def changes(self) -> int:
        """Entries that are not in the base yet, and the keys that they belong to."""
        return sum(1 + len(c.entries) for layer in (self.dirty, *self.layers) for c in layer.values())

    def sample(self, most: int) -> list[tuple[Any, Any]]:
        """Up to ``most`` cached entries."""
        return list(islice(chain.from_iterable(map(dict.items, self.young.values())), most))

    def take(self, most: int) -> list[tuple[Any, MapChange]]:
        """Changes of the oldest layer for the base, of up to ``most`` entries. No snapshot may be reading the layer."""
        taken: list[tuple[Any, MapChange]] = []
        layer = self.layers[0]
        while layer and most > 0:
            key, change = layer.popitem()
            part = change.take(most)
            if part is not change:
                layer[key] = change
            taken.append((key, part))
            most -= max(1, len(part.entries))
        if not layer:
            del self.layers[0]
        return taken
