"""A table on the heap that can stand still while a snapshot of it is written: changes go into an overlay before it. Hot path.

``front`` is what handles and operators read and write: the table's own dict, ``base``, as long as nothing stands still. ``cut``
puts an overlay before it, which costs the same for tables of any size, and gives what stands still now; another cut meanwhile
puts one more before that. When nobody reads the old ones any more, ``merge`` brings them back into the base, slice by slice.
Where one snapshot follows the other, somebody always reads: then ``merge_beside`` brings back what all of them have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import filterfalse, islice
from time import sleep
from typing import Any, Final

from weir.state.isolation import IMMUTABLE, isolated
from weir.state.layered.flat import ABSENT

#: Elements of a table that is encoded when a snapshot begins; a larger one stands still.
SMALL: Final = 16384
#: Changes that are brought back between two batches.
MERGED: Final = 4096
#: Overlays before one table, at most.
MOST_LAYERS: Final = 8
#: Changes that are brought back at once beside a reader, at least.
_AT_ONCE: Final = 128
#: Entries that are freed in the time of a change.
_FREED: Final = 8
#: Entries that a reader who wants them one by one looks up at once.
_AHEAD: Final = 1024
#: Keys of an overlay that it looks at before others may have the interpreter.
_LOOKED_AT: Final = 8192

Table = dict[Any, Any]
_MISSING: Final = object()
_held: Final = dict.get  # of an overlay: what it has itself
_own: Final = dict.__contains__


class Overlay(Table):
    """What changed in a table since it stands still: a dict of the keys that were written, which is all that hits touch.

    Its methods of a dict are those that handles, operators and timers use; the others see the changes alone. Nothing that Python's own
    ``table[key]`` and ``table[key] = value`` do is overridden, ``del`` included, which would slow down writes: that is :meth:`remove`.
    """

    __slots__ = ("_base", "_copy", "_under", "gathers", "new", "removed", "thawed")

    def __init__(self, base: Table, under: tuple[Overlay, ...], copy: Callable[[Any], Any] | None) -> None:
        """``under``: older ones, newest first. ``copy``: of values that ``overlay[key]`` gives and whoever asks may change in place."""
        super().__init__()
        self._base = base
        self._under = under
        self._copy = copy
        #: What is below is read by nobody else any more, and may be changed in place.
        self.thawed = False
        #: Keys come and go while others read it, as far as those cannot tell by what stands before it.
        self.gathers = False
        #: Its keys that the base has not, once they are known.
        self.new: list[Any] | None = None
        #: Keys whose values below count no more, each with ``ABSENT``; a key may have been written again since.
        self.removed: dict[Any, object] = {}

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
        self.removed[key] = ABSENT
        self.pop(key, None)

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(key) or self.beneath(key) is not ABSENT


class Still:
    """A table of one moment, read beside the processing. Meanwhile the base may be told what the layers say of keys that it has."""

    __slots__ = ("base", "layers", "over")

    def __init__(self, base: Table, layers: tuple[Overlay, ...]) -> None:
        """``layers``: what changed since ``base`` stands still, oldest first."""
        self.base = base
        self.layers = layers
        #: Nobody reads it any more.
        self.over = False

    def shows(self, layer: Overlay) -> bool:
        """Whether a reader finds what that layer says."""
        return any(each is layer for each in self.layers)

    def entries(self) -> Iterator[tuple[Any, Any]]:
        """Keys and values, in the order in which the keys came."""
        if not self.layers:
            return iter(self.base.items())
        return (
            entry
            for part in self.parts(lambda: _AHEAD)
            for entry in zip(*part, strict=True)
            if entry[1] is not ABSENT
        )

    def parts(self, most: Callable[[], int]) -> Iterator[tuple[list[Any], list[Any]]]:
        """The same as lists of up to ``most`` keys and their values, which may be ``ABSENT``."""
        said: list[Callable[[Any, Any], Any]] = []
        for layer in self.layers:
            # What the oldest gets meanwhile, others say as well.
            if layer.removed:
                said.append(layer.removed.get)
            if layer:
                said.append(super(Overlay, layer).get)  # what it has itself
        keys, values = iter(self.base), iter(self.base.values())
        while part := list(islice(keys, entries := most())):
            column = list(islice(values, entries))
            for get in said:
                column = list(map(get, part, column))
            yield part, column
        new = self._new()
        while part := list(islice(new, most())):
            column = [ABSENT] * len(part)
            for get in said:
                column = list(map(get, part, column))
            yield part, column

    def _new(self) -> Iterator[Any]:
        """Keys that the base has not."""
        known = self.base.__contains__
        for index, layer in enumerate(self.layers):
            newer = self.layers[index + 1 :]
            keys = iter(list(layer) if layer.gathers else layer if layer.new is None else layer.new)
            while part := list(islice(keys, _LOOKED_AT)):
                for key in filterfalse(known, part):
                    if not any(_own(each, key) for each in newer):
                        yield key
                sleep(0)  # nothing may be written for long, and the data thread wants the interpreter


class StandingTable:
    """See the module. One thread, but for what is read of a :class:`Still`."""

    __slots__ = (
        "_copy", "_dropped", "_first", "_gathered", "_gathering", "_layers", "_owned", "_read", "_spent", "_weigh",
        "base", "front", "on_front",
    )  # fmt: skip

    def __init__(
        self,
        copy: Callable[[Any], Any] | None = None,
        weigh: Callable[[Any], int] | None = None,
        *,
        owned: bool = False,
    ) -> None:
        """``copy``: of a value that whoever reads ``front[key]`` may change in place; ``None``: nobody does. ``weigh``: for how many
        changes that of a value counts, by default one. ``owned``: values are lists or dicts that nobody else holds.
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
        #: The first of them, where it has what could not go into the base while that was read: new and lost keys.
        self._gathered: Overlay | None = None
        #: What is left to do for the oldest of the others, once begun.
        self._gathering: Iterator[int] | None = None
        #: What cuts gave, and may be read.
        self._read: list[Still] = []
        #: Overlays that are brought back, to be freed in slices when nobody reads them.
        self._spent: list[Overlay] = []
        #: Large values that were removed, to be freed in slices as well.
        self._owned = owned
        self._dropped: list[Any] = []

    @property
    def whole(self) -> bool:
        """Whether all is in the base, and nothing left to do."""
        return not self._layers and not self._spent and not self._dropped

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
        if not self._layers:
            self._let_go(self.base.pop(key))
            return
        front = self._layers[-1]
        self._let_go(_held(front, key))
        front.remove(key)

    def now(self) -> Still:
        """What there is, until something changes."""
        return Still(self.base, tuple(self._layers))

    def cut(self) -> Still:
        """Let what there is stand still; :meth:`merge` must not be called before nobody reads it any more."""
        still = self.now()
        self._read.append(still)
        if self._first is None:
            self._first = _before(self.base)
        kind = Overlay if self._layers else self._first
        self._layers.append(kind(self.base, tuple(reversed(self._layers)), self._copy))
        self._show(self._layers[-1])
        return still

    def merge(self, most: int) -> int:
        """Bring up to ``most`` changes into the base, oldest first; how many of ``most`` are left."""
        self._read.clear()
        self._gathering = None
        most = self._free(most)
        if self._layers:
            self._layers[-1].thawed = True
        while self._layers:
            oldest = self._layers[0]
            most = self._merge(oldest, most)
            if oldest or oldest.removed:
                break
            self._drop(oldest)
            if not self._layers:
                self._show(self.base)
        return most

    def merge_beside(self, most: int) -> int:
        """As :meth:`merge`, while cuts are being read, as far as none of their readers can tell."""
        self._read = [still for still in self._read if not still.over]
        most = self._free(most)
        while most > 0 and (layer := self._seen_by_all()) is not None:
            gathered = self._gathered
            if gathered is None:
                gathered = self._gathered = Overlay(self.base, (), self._copy)
                gathered.gathers = True
                self._layers.insert(0, gathered)
                self._settle()
            if self._gathering is None:
                self._gathering = self._gather(layer, gathered)
            for weight in self._gathering:
                most -= weight
                if most <= 0:
                    return most
            self._gathering = None
            self._spent.append(layer)
            self._drop(layer)
            if not gathered and not gathered.removed:
                self._drop(gathered)
        return most

    def _seen_by_all(self) -> Overlay | None:
        """The oldest overlay that is to be brought back, if every reader finds what it says."""
        older = self._layers[:-1]
        if self._gathered is not None:
            del older[0]
        return older[0] if older and all(still.shows(older[0]) for still in self._read) else None

    def _merge(self, layer: Overlay, most: int) -> int:
        base, removed, weigh = self.base, layer.removed, self._weigh
        while removed and most > 0:
            key, _ = removed.popitem()
            self._let_go(base.pop(key, None))
            most -= 1
        take = layer.popitem
        while layer and most > 0:
            key, value = take()
            if self._owned and (old := base.get(key)) is not value:
                self._let_go(old)
            base[key] = value
            most -= 1 if weigh is None else weigh(value)
        return most

    def _gather(self, layer: Overlay, gathered: Overlay) -> Iterator[int]:
        """Into the base what leaves its keys as they are, since somebody iterates over them; the rest into ``gathered``, which is
        read before it. The layer stays as it is. Does a few changes at a time, and gives their weight.
        """
        base, weigh, lost = self.base, self._weigh, gathered.removed
        removed, changed = iter(layer.removed), iter(layer.items())
        while keys := list(islice(removed, _AT_ONCE)):
            for key in keys:
                gathered.pop(key, None)
                if key in base:
                    lost[key] = ABSENT
            yield len(keys)
        new: list[Any] = []
        while part := list(islice(changed, _AT_ONCE)):
            for key, value in part:
                # A dict of texts is built anew for a key of another class, also an equal one.
                if key in base and (key.__class__ is str or not isinstance(key, str)):
                    base[key] = value
                else:
                    gathered[key] = value
                    new.append(key)
                    continue
                if lost:
                    lost.pop(key, None)
                if gathered:
                    gathered.pop(key, None)
            yield len(part) if weigh is None else sum(weigh(value) for _, value in part)
        layer.new = new

    def _free(self, most: int) -> int:
        """Empty what nobody needs, slice by slice: a large dict or list that is just dropped is freed in one go."""
        for layer in self._spent:
            if not any(still.shows(layer) for still in self._read):
                for part in (layer.removed, layer):
                    count = min(len(part), _FREED * max(0, most))
                    for _ in range(count):
                        part.popitem()
                    most -= count // _FREED
        self._spent = [layer for layer in self._spent if layer or layer.removed]
        while self._dropped and most > 0:
            value = self._dropped[-1]
            count = min(len(value), _FREED * most)
            if isinstance(value, list):
                del value[len(value) - count :]
            else:
                for _ in range(count):
                    value.popitem()
            most -= count // _FREED
            if not value:
                self._dropped.pop()
        return most

    def _let_go(self, value: Any) -> None:
        """Of a value that is in the table no more, and in no cut that is read."""
        if self._owned and value is not None and len(value) > _FREED * MERGED:
            self._dropped.append(value)

    def _drop(self, layer: Overlay) -> None:
        """All that it says is said below."""
        self._layers = [each for each in self._layers if each is not layer]
        if layer is self._gathered:
            self._gathered = None
        self._settle()

    def _settle(self) -> None:
        """Tell the overlays what is below them."""
        for index, layer in enumerate(self._layers):
            layer.settled(tuple(reversed(self._layers[:index])))
        first = self._first
        if first is not None and len(self._layers) == 1 and not self._layers[0].removed:
            self._layers[0].__class__ = first
        elif self._layers:
            self._layers[-1].__class__ = Overlay

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
