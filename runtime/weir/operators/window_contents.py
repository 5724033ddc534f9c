"""What a window holds of each key: a folded value, or all rows. In map states by window, on whichever backend. Hot path.

Rows come either as a batch that shares a window, and are folded in a loop without a call but the user's; or one by one under
the current key, where a trigger is asked for each row. Rows are kept in runs of bounded size, so that one more does not
rewrite them all. Where a window begins is spelled as a plain tuple, its *entry*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count
from typing import Any, Final, TypeAlias

from weir.functions import AggregateFunction, ReduceFunction, callable_of
from weir.operators.contexts import ElementContext
from weir.operators.process import of_immutable_rows
from weir.state.descriptors import MapStateDescriptor
from weir.state.isolation import isolated
from weir.state.layered import ABSENT
from weir.state.registration import KeyedStates
from weir.state.reserved import WINDOW_ELEMENTS, WINDOW_VALUES

Entry: TypeAlias = "tuple[int, ...]"
#: Rows of a run; a full one is sealed.
RUN: Final = 256


class Contents(ABC):
    """Of all windows of one operator."""

    name: str
    #: In words, also for notes in snapshots: it stays as it is.
    kept: str

    def __init__(self, value_type: Any) -> None:
        self._descriptor: MapStateDescriptor[Any, Any] = MapStateDescriptor(self.name, None, value_type)

    def register(self, store: KeyedStates, cell: ElementContext) -> None:
        """Get the state; called when the operator opens."""
        self._store = store
        self._cell = cell
        self._state = store.get_state(self._descriptor)

    @abstractmethod
    def add_all(self, entry: Entry, keys: list[Any], values: list[Any]) -> None:
        """Add rows that share a window."""

    @abstractmethod
    def results(self, entry: Entry, keys: list[Any], *, keep: bool) -> Iterator[tuple[Any, Any]]:
        """What the window has for those of ``keys`` that are in it; without ``keep`` it is forgotten as it is handed out."""

    @abstractmethod
    def add(self, entry: Entry, value: Any) -> None:
        """Add a row under the current key."""

    @abstractmethod
    def result(self, entry: Entry) -> Any:
        """What the window has under the current key, or ``ABSENT``."""

    @abstractmethod
    def clear(self, entry: Entry) -> None:
        """Forget what the window has under the current key."""

    @abstractmethod
    def merge(self, entry: Entry, others: Iterable[Entry]) -> None:
        """Bring what ``others`` have under the current key into ``entry``."""

    @abstractmethod
    def forget(self, entry: Entry, keys: list[Any]) -> list[Any]:
        """Forget what the window has for ``keys``; those that it had anything for."""

    @abstractmethod
    def restored(self) -> Iterator[tuple[Any, Entry]]:
        """Before the first row: each key with each of its windows. They may be changed meanwhile."""

    def locate_failure(self, frame: dict[str, Any]) -> dict[str, Any]:
        """What failed, from the locals of a loop."""
        return {"record": frame["value"], "key": frame["key"]} if "key" in frame and "value" in frame else {}


class FoldedContents(Contents):
    """One value for each key and window."""

    name = WINDOW_VALUES

    def add_all(self, entry: Entry, keys: list[Any], values: list[Any]) -> None:
        known = self._store.load_entries(self._descriptor, entry, dict.fromkeys(keys))
        rows: Iterable[Any] = values if of_immutable_rows(values) else map(isolated, values)
        self._fold(known, keys, rows)
        self._store.store_entries(self._descriptor, entry, known)

    @abstractmethod
    def _fold(self, known: dict[Any, Any], keys: list[Any], values: Iterable[Any]) -> None:
        """Fold each value into what ``known`` has of its key."""

    @abstractmethod
    def _given(self, folded: Any) -> Any:
        """The result of a folded value."""

    @abstractmethod
    def _combine(self, one: Any, other: Any) -> Any:
        """Two folded values as one."""

    def results(self, entry: Entry, keys: list[Any], *, keep: bool) -> Iterator[tuple[Any, Any]]:
        take = self._store.load_entries if keep else self._store.take_entries
        for key, folded in take(self._descriptor, entry, keys).items():
            result = self._given(folded)
            yield key, isolated(result) if keep else result

    def add(self, entry: Entry, value: Any) -> None:
        key = self._cell.key
        known = self._store.load_entries(self._descriptor, entry, (key,))
        self._fold(known, (key,), (isolated(value),))  # type: ignore[arg-type]
        self._store.store_entries(self._descriptor, entry, known)

    def result(self, entry: Entry) -> Any:
        if not self._state.contains(entry):
            return ABSENT
        return isolated(self._given(self._state.get(entry)))

    def clear(self, entry: Entry) -> None:
        self._state.remove(entry)

    def forget(self, entry: Entry, keys: list[Any]) -> list[Any]:
        return list(self._store.take_entries(self._descriptor, entry, keys))

    def restored(self) -> Iterator[tuple[Any, Entry]]:
        return self._store.restored_entries(self._descriptor)

    def merge(self, entry: Entry, others: Iterable[Entry]) -> None:
        for other in others:
            if not self._state.contains(other):
                continue
            value = self._state.get(other)
            if self._state.contains(entry):
                value = self._combine(self._state.get(entry), value)
            self._state.put(entry, value)
            self._state.remove(other)


class ReducedContents(FoldedContents):
    """The reduction of the rows."""

    kept = "one reduced row for each key"

    def __init__(self, function: Any, value_type: Any) -> None:
        super().__init__(value_type)
        self._reduce: Callable[[Any, Any], Any] = callable_of(function, "reduce", ReduceFunction)

    def _fold(self, known: dict[Any, Any], keys: list[Any], values: Iterable[Any]) -> None:
        get, reduce = known.get, self._reduce
        for key, value in zip(keys, values, strict=True):
            reduced = get(key, ABSENT)
            known[key] = value if reduced is ABSENT else reduce(reduced, value)

    def _given(self, folded: Any) -> Any:
        return folded

    def _combine(self, one: Any, other: Any) -> Any:
        return self._reduce(one, other)


class AggregatedContents(FoldedContents):
    """The accumulator of an ``AggregateFunction``."""

    kept = "one accumulator for each key"

    def __init__(self, function: AggregateFunction[Any, Any, Any], value_type: Any) -> None:
        super().__init__(value_type)
        self._function = function

    def _fold(self, known: dict[Any, Any], keys: list[Any], values: Iterable[Any]) -> None:
        get, add, create = known.get, self._function.add, self._function.create_accumulator
        for key, value in zip(keys, values, strict=True):
            accumulator = get(key, ABSENT)
            known[key] = add(value, create() if accumulator is ABSENT else accumulator)

    def _given(self, folded: Any) -> Any:
        return self._function.get_result(folded)

    def _combine(self, one: Any, other: Any) -> Any:
        return self._function.merge(one, other)


class ListedContents(Contents):
    """All rows, in the order in which they came.

    Entry ``(window, 0)`` is the run that is being filled, ``(window, 1)`` and so on are the sealed ones.
    """

    name = WINDOW_ELEMENTS
    kept = "all rows"

    def __init__(self, element_type: Any) -> None:
        super().__init__(None if element_type is None else list[element_type])

    def add_all(self, entry: Entry, keys: list[Any], values: list[Any]) -> None:
        added: dict[Any, list[Any]] = defaultdict(list)
        for key, value in zip(
            keys, values if of_immutable_rows(values) else map(isolated, values), strict=True
        ):
            added[key].append(value)
        self._append(entry, added)

    def _append(self, entry: Entry, added: dict[Any, list[Any]]) -> None:
        filling = (*entry, 0)
        runs = self._store.load_entries(self._descriptor, filling, added)
        for key, rows in added.items():
            run = runs.get(key)
            if run is None:
                runs[key] = rows
            elif len(run) + len(rows) <= RUN:
                run.extend(rows)
            else:
                self._seal(entry, key, run)
                runs[key] = rows
        self._store.store_entries(self._descriptor, filling, runs)

    def _seal(self, entry: Entry, key: Any, run: list[Any]) -> None:
        before, self._cell.key = self._cell.key, key
        number = next(n for n in count(1) if not self._state.contains((*entry, n)))
        self._state.put((*entry, number), run)
        self._cell.key = before

    def results(self, entry: Entry, keys: list[Any], *, keep: bool) -> Iterator[tuple[Any, Any]]:
        take = self._store.load_entries if keep else self._store.take_entries
        for key, run in take(self._descriptor, (*entry, 0), keys).items():
            self._cell.key = key
            rows = [*self._sealed(entry, keep=keep), *run]
            yield key, isolated(rows) if keep else rows

    def _sealed(self, entry: Entry, *, keep: bool) -> list[Any]:
        """Rows of the sealed runs under the current key."""
        runs: list[list[Any]] = []
        for number in count(1):
            run = self._state.get((*entry, number))
            if run is None:
                return list(chain.from_iterable(runs))
            runs.append(run)
            if not keep:
                self._state.remove((*entry, number))
        raise AssertionError

    def add(self, entry: Entry, value: Any) -> None:
        self._append(entry, {self._cell.key: [isolated(value)]})

    def result(self, entry: Entry) -> Any:
        run = self._state.get((*entry, 0))
        return ABSENT if run is None else [*self._sealed(entry, keep=True), *run]

    def clear(self, entry: Entry) -> None:
        self.forget(entry, [self._cell.key])

    def forget(self, entry: Entry, keys: list[Any]) -> list[Any]:
        return [key for key, _ in self.results(entry, keys, keep=False)]

    def restored(self) -> Iterator[tuple[Any, Entry]]:
        return (
            (key, entry[:-1])
            for key, entry in self._store.restored_entries(self._descriptor)
            if entry[-1] == 0
        )

    def merge(self, entry: Entry, others: Iterable[Entry]) -> None:
        key = self._cell.key
        for other in others:
            for _, rows in self.results(other, [key], keep=False):
                self._append(entry, {key: rows})

    def replace(self, entry: Entry, rows: list[Any]) -> None:
        """These rows instead, under the current key."""
        self.clear(entry)
        if rows:
            self._append(entry, {self._cell.key: rows})
