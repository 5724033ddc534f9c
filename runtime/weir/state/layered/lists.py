"""A table of lists in layers: what is appended is kept as runs, so that appending reads nothing. Hot path.

A run is what one layer says of a key: elements that follow what is below it, or that replace it. The cache holds whole
lists of keys that were read.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

Layer = dict[Any, "Run"]


class Run:
    """Elements of one key in one layer; ``replaces``: nothing below counts."""

    __slots__ = ("items", "replaces")

    def __init__(self, items: list[Any], *, replaces: bool) -> None:
        self.items = items
        self.replaces = replaces

    def __repr__(self) -> str:
        return f"Run({self.items!r}, replaces={self.replaces})"


class ListTable:
    """``load`` asks the base for the list of one key, a new list each time; ``capacity`` counts cached elements."""

    __slots__ = ("_held", "_load_base", "capacity", "dirty", "layers", "old", "young")

    def __init__(self, load: Callable[[Any], list[Any]], capacity: int) -> None:
        self._load_base = load
        self.capacity = capacity
        #: Whole lists by key; nobody else holds them.
        self.young: dict[Any, list[Any]] = {}
        self.old: dict[Any, list[Any]] = {}
        self.dirty: Layer = {}
        self.layers: list[Layer] = []
        self._held = 0

    def get(self, key: Any) -> list[Any]:
        """The list of ``key``, not to be changed; empty if there is none."""
        items = self.young.get(key)
        if items is None:
            items = self.old.pop(key, None)
            if items is None:
                items = self.peek(key)
            self.young[key] = items
            self._held += 1 + len(items)
        return items

    def peek(self, key: Any) -> list[Any]:
        """As :meth:`get`, without a look into the caches: a new list."""
        runs: list[Run] = []
        for layer in (self.dirty, *reversed(self.layers)):
            run = layer.get(key)
            if run is not None:
                runs.append(run)
                if run.replaces:
                    break
        else:
            below = self._load_base(key)
            for run in reversed(runs):
                below.extend(run.items)
            return below
        return [item for run in reversed(runs) for item in run.items]

    def append(self, key: Any, items: list[Any]) -> None:
        """Add ``items``, which become the table's own."""
        run = self.dirty.get(key)
        if run is None:
            self.dirty[key] = Run(items, replaces=False)
        else:
            run.items.extend(items)
        cached = self.young.get(key) or self.old.get(key)
        if cached is not None:
            cached.extend(items)
            self._held += len(items)
        else:  # an empty list in the cache is not what it was
            self.young.pop(key, None)
            self.old.pop(key, None)

    def replace(self, key: Any, items: list[Any]) -> None:
        """Let ``items``, which become the table's own, be the whole list; none of them: there is no list."""
        self.dirty[key] = Run(items, replaces=True)
        self.young.pop(key, None)
        self.old.pop(key, None)

    def rotate(self) -> None:
        """Forget what was not read lately, if the cache is full; called between batches."""
        if self._held >= self.capacity:
            self.old, self.young, self._held = self.young, {}, 0

    def cut(self) -> tuple[Layer, ...]:
        """As ``FlatTable.cut``."""
        if self.dirty:
            self.layers.append(self.dirty)
            self.dirty = {}
        return tuple(self.layers)

    def changes(self) -> int:
        """Elements that are not in the base yet, and the keys that they belong to."""
        return sum(1 + len(run.items) for layer in (self.dirty, *self.layers) for run in layer.values())

    def sample(self, most: int) -> list[tuple[Any, Any]]:
        """Up to ``most`` cached entries."""
        return list(islice(self.young.items(), most))

    def take(self, most: int) -> list[tuple[Any, Run]]:
        """Runs of the oldest layer for the base, of up to ``most`` keys. No snapshot may be reading the layer."""
        taken: list[tuple[Any, Run]] = []
        layer = self.layers[0]
        while layer and len(taken) < most:
            taken.append(layer.popitem())
        if not layer:
            del self.layers[0]
        return taken
