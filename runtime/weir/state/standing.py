"""A table on the heap that can stand still while a snapshot of it is written: changes go into an overlay before it. Hot path.

``front`` is what handles and operators read and write: the table's own dict, ``base``, as long as nothing stands still. ``cut``
puts an overlay before it, which costs the same for tables of any size, and gives what stands still now; another cut meanwhile
puts one more before that. When nobody reads the old ones any more, ``merge`` brings them back into the base, slice by slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from weir.state.isolation import IMMUTABLE, isolated
from weir.state.layered.flat import ABSENT

#: Elements of a table that is encoded when a snapshot begins; a larger one stands still.
SMALL: Final = 16384
#: Changes that are brought back between two batches.
MERGED: Final = 4096
#: Overlays before one table, at most.
MOST_LAYERS: Final = 8

Table = dict[Any, Any]
_MISSING: Final = object()
_held: Final = dict.get  # of an overlay: what it has itself
_own_items: Final = dict.items


class Overlay(Table):
    """What changed in a table since it stands still: a dict of the keys that were written, which is all that hits touch.

    Its methods of a dict are those that handles, operators and timers use; the others see the changes alone. Nothing that Python's own
    ``table[key]`` and ``table[key] = value`` do is overridden, ``del`` included, which would slow down writes: that is :meth:`remove`.
    """

    __slots__ = ("_base", "_copy", "_under", "removed", "thawed")

    def __init__(self, base: Table, under: tuple[Overlay, ...], copy: Callable[[Any], Any] | None) -> None:
        """``under``: older ones, newest first. ``copy``: of values that ``overlay[key]`` gives and whoever asks may change in place."""
        super().__init__()
        self._base = base
        self._under = under
        self._copy = copy
        #: What is below is read by nobody else any more, and may be changed in place.
        self.thawed = False
        #: Keys whose values below count no more; a key may have been written again since.
        self.removed: set[Any] = set()

    def beneath(self, key: Any) -> Any:
        """What stands still has, or ``ABSENT``."""
        if key in self.removed:
            return ABSENT
        for layer in self._under:
            value = _held(layer, key, _MISSING)
            if value is not _MISSING:
                return value
            if key in layer.removed:
                return ABSENT
        return self._base.get(key, ABSENT)

    def settled(self, under: tuple[Overlay, ...]) -> None:
        """Something older was merged; ``under`` is left."""
        self._under = under

    def __missing__(self, key: Any) -> Any:
        value = self.beneath(key)
        if value is ABSENT:
            return None
        copy = self._copy
        if copy is None or self.thawed or value.__class__ in IMMUTABLE:
            return value
        return self._taken(key, value, copy)

    def get(self, key: Any, default: Any = None) -> Any:
        """For operators, which may change in place what they get."""
        value = _held(self, key, _MISSING)
        if value is not _MISSING:
            return value
        value = self.beneath(key)
        if value is ABSENT:
            return default
        if self.thawed or value.__class__ in IMMUTABLE:
            return value
        return self._taken(key, value, self._copy or isolated)

    def _taken(self, key: Any, value: Any, copy: Callable[[Any], Any]) -> Any:
        own = copy(value)
        if own is not value:
            self[key] = own
        return own

    def peek(self, key: Any) -> Any:
        """What a key has, or ``ABSENT``; it may stand in a snapshot, and is only to be read."""
        value = _held(self, key, _MISSING)
        return self.beneath(key) if value is _MISSING else value

    def remove(self, key: Any) -> None:
        """The key has nothing any more."""
        if self.__class__ is not Overlay:
            self.__class__ = Overlay  # misses are no longer the base's word
        self.removed.add(key)
        self.pop(key, None)

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(key) or self.beneath(key) is not ABSENT


class Still(NamedTuple):
    """A table of one moment, which nobody changes; read beside the processing."""

    base: Table
    #: What changed since, oldest first.
    layers: tuple[Overlay, ...]

    def entries(self) -> Iterator[tuple[Any, Any]]:
        """Keys and values, in the order in which the keys came."""
        if not self.layers:
            return iter(self.base.items())
        return self._merged()

    def _merged(self) -> Iterator[tuple[Any, Any]]:
        said: Table = {}
        for layer in self.layers:
            for key in layer.removed:
                said[key] = ABSENT
            for key, value in _own_items(layer):
                said[key] = value
        for key, value in self.base.items():
            if said:
                value = said.pop(key, value)  # noqa: PLW2901  what was said of it
            if value is not ABSENT:
                yield key, value
        for key, value in said.items():
            if value is not ABSENT:
                yield key, value


class StandingTable:
    """See the module. One thread, but for what is read of a :class:`Still`."""

    __slots__ = ("_copy", "_first", "_layers", "_weigh", "base", "front", "on_front")

    def __init__(
        self, copy: Callable[[Any], Any] | None = None, weigh: Callable[[Any], int] | None = None
    ) -> None:
        """``copy``: of a value that whoever reads ``front[key]`` may change in place; ``None``: nobody does. ``weigh``: for how many
        changes that of a value counts, by default one.
        """
        self._copy = copy
        self._weigh = weigh
        self.base: Table = {}
        #: Of the overlay before the base; made with the first cut.
        self._first: type[Overlay] | None = None if copy is None else Overlay
        #: Changes with each cut and when all is merged; ``on_front`` is told.
        self.front: Table = self.base
        self.on_front: Callable[[Table], None] = _nobody
        #: Oldest first; the last one is the front.
        self._layers: list[Overlay] = []

    @property
    def whole(self) -> bool:
        """Whether all is in the base."""
        return not self._layers

    @property
    def crowded(self) -> bool:
        """Whether another cut would be one too many."""
        return len(self._layers) >= MOST_LAYERS

    def peek(self, key: Any) -> Any:
        """What a key has, only to be read; ``None``: nothing."""
        if not self._layers:
            return self.base.get(key)
        value = self._layers[-1].peek(key)
        return None if value is ABSENT else value

    def remove(self, key: Any) -> None:
        """A key that is there has nothing any more."""
        if self._layers:
            self._layers[-1].remove(key)
        else:
            del self.base[key]

    def now(self) -> Still:
        """What there is, until something changes."""
        return Still(self.base, tuple(self._layers))

    def cut(self) -> Still:
        """Let what there is stand still; :meth:`merge` must not be called before nobody reads it any more."""
        still = self.now()
        if self._first is None:
            self._first = _before(self.base)
        kind = Overlay if self._layers else self._first
        self._layers.append(kind(self.base, tuple(reversed(self._layers)), self._copy))
        self._show(self._layers[-1])
        return still

    def merge(self, most: int) -> int:
        """Bring up to ``most`` changes into the base, oldest first; how many of ``most`` are left."""
        if self._layers:
            self._layers[-1].thawed = True
        while self._layers:
            oldest = self._layers[0]
            most = self._merge(oldest, most)
            if oldest or oldest.removed:
                break
            del self._layers[0]
            for index, layer in enumerate(self._layers):
                layer.settled(tuple(reversed(self._layers[:index])))
            if not self._layers:
                self._show(self.base)
        return most

    def _merge(self, layer: Overlay, most: int) -> int:
        base, removed, weigh = self.base, layer.removed, self._weigh
        while removed and most > 0:
            key = removed.pop()
            base.pop(key, None)
            most -= 1
        take = layer.popitem
        while layer and most > 0:
            key, value = take()
            base[key] = value
            most -= 1 if weigh is None else weigh(value)
        return most

    def _show(self, front: Table) -> None:
        self.front = front
        self.on_front(front)


def _before(base: Table) -> type[Overlay]:
    """Of overlays that have nothing but ``base`` below them and removed nothing: a miss costs no Python call. One type a table,
    since types are garbage in cycles.
    """
    return type("FirstOverlay", (Overlay,), {"__slots__": (), "__missing__": base.get})


def _nobody(_front: Table) -> None:
    """A table that nobody holds on to."""
