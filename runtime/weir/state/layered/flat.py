"""A table of one value per key in layers. Hot path: a read of a cached key is one dict operation, a write is two.

``young`` and ``old`` are two generations of a cache of decoded values; when ``young`` is full it becomes ``old``, and what
is not asked for again is forgotten. ``dirty`` holds what changed since the last cut, ``layers`` what changed between
earlier cuts, oldest first. Whatever the caches forget is found in these or in the base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

Layer = dict[Any, Any]


class _Absent:
    """No value: also a layer's word that a key was removed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
_MISSING: Final = object()
#: One key of so many is not cached: from there on, reading a batch's keys together costs less than it saves.
_OFTEN: Final = 4


class _ReadThrough(Layer):
    """A generation of the cache; ``table[key]`` of a key that it lacks asks the layers below."""

    __slots__ = ("_load",)

    def __init__(self, load: Callable[[Any], Any]) -> None:
        super().__init__()
        self._load = load

    def __missing__(self, key: Any) -> Any:
        return self._load(key)


class FlatTable:
    """``load`` asks the base for one key and answers ``ABSENT`` where it has none, ``load_many`` for many; ``capacity`` counts cached keys."""

    __slots__ = ("_asked", "_load_base", "_load_many", "capacity", "dirty", "layers", "old", "young")

    def __init__(
        self, load: Callable[[Any], Any], load_many: Callable[[list[Any]], list[Any]], capacity: int
    ) -> None:
        self._load_base = load
        self._load_many = load_many
        #: Keys that the base was asked for since the last batch was foreseen.
        self._asked = 0
        self.capacity = capacity
        self.young = _ReadThrough(self.load)
        self.old: Layer = {}
        self.dirty: Layer = {}
        self.layers: list[Layer] = []

    def load(self, key: Any) -> Any:
        """The value of a key that ``young`` lacks, which it then has."""
        value = self.old.get(key, _MISSING)
        if value is _MISSING:
            value = self.peek(key)
        self.young[key] = value
        return value

    def peek(self, key: Any) -> Any:
        """The value of a key without a look into the caches."""
        value = self.dirty.get(key, _MISSING)
        if value is not _MISSING:
            return value
        for layer in reversed(self.layers):
            value = layer.get(key, _MISSING)
            if value is not _MISSING:
                return value
        self._asked += 1
        return self._load_base(key)

    def load_all(self, keys: Iterable[Any]) -> Layer:
        """``young`` with all of ``keys`` in it; the base is asked once for all that nothing above it has."""
        young, above = self.young, (self.old, self.dirty, *reversed(self.layers))
        wanted = []
        for key in set(keys).difference(young):
            for layer in above:
                if key in layer:
                    young[key] = layer[key]
                    break
            else:
                wanted.append(key)
        if wanted:
            self._asked += len(wanted)
            young.update(zip(wanted, self._load_many(wanted), strict=True))
        return young

    def foresee(self, keys: list[Any]) -> None:
        """These keys come next. They are read together if the base was asked for many of those that came before."""
        asked, self._asked = self._asked, 0
        if asked * _OFTEN > len(keys):
            self.load_all(keys)

    def rotate(self) -> None:
        """Forget what was not used lately, if the cache is full; called between batches."""
        if len(self.young) >= self.capacity:
            self.old = self.young
            self.young = _ReadThrough(self.load)

    def cut(self) -> tuple[Layer, ...]:
        """End the present layer; all that are not in the base yet, oldest first, not to be changed while they are read."""
        if self.dirty:
            self.layers.append(self.dirty)
            self.dirty = {}
        return tuple(self.layers)

    def drop(self, layers: tuple[Layer, ...]) -> None:
        """These, the oldest ones, are in the base."""
        self.layers = [layer for layer in self.layers if not any(layer is other for other in layers)]

    def changes(self) -> int:
        """Entries that are not in the base yet; one that changed in several layers counts each time."""
        return len(self.dirty) + sum(map(len, self.layers))

    def sample(self, most: int) -> list[tuple[Any, Any]]:
        """Up to ``most`` cached entries."""
        return list(islice(self.young.items(), most))

    def take(self, most: int) -> list[tuple[Any, Any]]:
        """Up to ``most`` entries of the oldest layer for the base; what changed again since is left to the newer layer.

        The layer loses them: no snapshot may be reading it.
        """
        layer = self.layers[0]
        newer = [other for other in (*self.layers[1:], self.dirty) if other]
        taken = [layer.popitem() for _ in range(min(most, len(layer)))]
        for other in newer:
            taken = [entry for entry in taken if entry[0] not in other]
        if not layer:
            del self.layers[0]
        return taken
