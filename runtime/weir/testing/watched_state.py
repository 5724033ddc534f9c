"""State handles that tell a ``Watch`` what goes in and out, and the runtime context that gives them to a function.

Each handle stands before the engine's own, so that what is tested is what runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from weir.functions import Function, RuntimeContext
from weir.serde import Serializer
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueStateDescriptor,
)
from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, ValueState
from weir.testing.strict import Watch

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
IN = TypeVar("IN")
ACC = TypeVar("ACC")
OUT = TypeVar("OUT")


def watch_function(function: Function, watch: Watch | None, descriptors: dict[str, StateDescriptor]) -> None:
    """Let ``function.open`` be given watched state; ``descriptors`` collects what it asks for, by name."""
    opened = function.open

    def open_watched(runtime_context: RuntimeContext) -> None:
        opened(WatchedContext(runtime_context, watch, descriptors))

    object.__setattr__(function, "open", open_watched)  # also of frozen dataclasses


class WatchedContext(RuntimeContext):
    """The engine's runtime context, with watched state unless ``watch`` is ``None``."""

    def __init__(
        self, inner: RuntimeContext, watch: Watch | None, descriptors: dict[str, StateDescriptor]
    ) -> None:
        self._inner = inner
        self._watch = watch
        self._descriptors = descriptors

    def get_job_id(self) -> str:
        return self._inner.get_job_id()

    def get_task_name(self) -> str:
        return self._inner.get_task_name()

    def get_index_of_this_subtask(self) -> int:
        return self._inner.get_index_of_this_subtask()

    def get_number_of_parallel_subtasks(self) -> int:
        return self._inner.get_number_of_parallel_subtasks()

    def get_max_number_of_parallel_subtasks(self) -> int:
        return self._inner.get_max_number_of_parallel_subtasks()

    def get_attempt_number(self) -> int:
        return self._inner.get_attempt_number()

    def get_state(self, descriptor: ValueStateDescriptor[T]) -> ValueState[T]:
        state = self._inner.get_state(self._known(descriptor))
        return state if self._watch is None else _WatchedValue(state, descriptor, self._watch)

    def get_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]:
        return self._list(self._inner.get_list_state(self._known(descriptor)), descriptor)

    def get_map_state(self, descriptor: MapStateDescriptor[K, V]) -> MapState[K, V]:
        state = self._inner.get_map_state(self._known(descriptor))
        return state if self._watch is None else _WatchedMap(state, descriptor, self._watch)

    def get_reducing_state(self, descriptor: ReducingStateDescriptor[T]) -> ReducingState[T]:
        state = self._inner.get_reducing_state(self._known(descriptor))
        return state if self._watch is None else _WatchedReducing(state, descriptor, self._watch)

    def get_aggregating_state(
        self, descriptor: AggregatingStateDescriptor[IN, ACC, OUT]
    ) -> AggregatingState[IN, OUT]:
        # Only the aggregate function ever sees the accumulator.
        return self._inner.get_aggregating_state(self._known(descriptor))

    def get_operator_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]:
        return self._list(self._inner.get_operator_list_state(descriptor), descriptor)

    def get_operator_union_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]:
        return self._list(self._inner.get_operator_union_list_state(descriptor), descriptor)

    def _list(self, state: ListState[T], descriptor: ListStateDescriptor[T]) -> ListState[T]:
        return state if self._watch is None else _WatchedList(state, descriptor, self._watch)

    def _known(self, descriptor: Any) -> Any:
        self._descriptors[descriptor.name] = descriptor
        return descriptor


class _Watched:
    """What all handles share."""

    __slots__ = ("_name", "_serializer", "_watch")

    def __init__(self, descriptor: StateDescriptor, watch: Watch) -> None:
        self._name = descriptor.name
        self._serializer: Serializer = descriptor.declared()
        self._watch = watch

    def _lent(self, value: T, entry: object = None) -> T:
        return self._watch.lent(self._name, self._serializer, value, entry)

    def _stored(self, value: Any, entry: object = None) -> None:
        self._watch.stored(self._name, self._serializer, value, entry)

    def _replaced(self, entry: object = None) -> None:
        self._watch.returned(self._name, entry)


class _WatchedValue(_Watched, ValueState[T]):
    __slots__ = ("_inner",)

    def __init__(self, inner: ValueState[T], descriptor: StateDescriptor, watch: Watch) -> None:
        super().__init__(descriptor, watch)
        self._inner = inner

    def value(self) -> T | None:
        return self._lent(self._inner.value())

    def update(self, value: T) -> None:
        self._replaced()
        if value is not None:
            self._stored(value)
        self._inner.update(value)

    def clear(self) -> None:
        self._replaced()
        self._inner.clear()


class _WatchedList(_Watched, ListState[T]):
    __slots__ = ("_inner",)

    def __init__(self, inner: ListState[T], descriptor: StateDescriptor, watch: Watch) -> None:
        super().__init__(descriptor, watch)
        self._inner = inner

    def get(self) -> list[T]:
        return [self._lent(item) for item in self._inner.get()]

    def add(self, value: T) -> None:
        self._stored(value)
        self._inner.add(value)

    def add_all(self, values: Iterable[T]) -> None:
        added = list(values)
        for value in added:
            self._stored(value)
        self._inner.add_all(added)

    def update(self, values: Iterable[T]) -> None:
        items = list(values)
        self._replaced()
        for value in items:
            self._stored(value)
        self._inner.update(items)

    def clear(self) -> None:
        self._replaced()
        self._inner.clear()


class _WatchedMap(_Watched, MapState[K, V]):
    __slots__ = ("_inner",)

    def __init__(self, inner: MapState[K, V], descriptor: StateDescriptor, watch: Watch) -> None:
        super().__init__(descriptor, watch)
        self._inner = inner

    def get(self, key: K) -> V | None:
        return self._lent(self._inner.get(key), key)

    def put(self, key: K, value: V) -> None:
        self._replaced(key)
        self._stored(value, key)
        self._inner.put(key, value)

    def put_all(self, entries: Mapping[K, V]) -> None:
        for key, value in entries.items():
            self.put(key, value)

    def remove(self, key: K) -> None:
        self._replaced(key)
        self._inner.remove(key)

    def contains(self, key: K) -> bool:
        return self._inner.contains(key)

    def keys(self) -> Iterable[K]:
        return self._inner.keys()

    def values(self) -> Iterable[V]:
        return [value for _, value in self.items()]

    def items(self) -> Iterable[tuple[K, V]]:
        return [(key, self._lent(value, key)) for key, value in self._inner.items()]

    def is_empty(self) -> bool:
        return self._inner.is_empty()

    def clear(self) -> None:
        for key in list(self._inner.keys()):
            self._replaced(key)
        self._inner.clear()


class _WatchedReducing(_Watched, ReducingState[T]):
    __slots__ = ("_inner",)

    def __init__(self, inner: ReducingState[T], descriptor: StateDescriptor, watch: Watch) -> None:
        super().__init__(descriptor, watch)
        self._inner = inner

    def get(self) -> T | None:
        return self._lent(self._inner.get())

    def add(self, value: T) -> None:
        self._replaced()
        self._inner.add(value)
        self._stored(self._inner.get())

    def clear(self) -> None:
        self._replaced()
        self._inner.clear()
