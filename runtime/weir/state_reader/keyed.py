"""The keyed state of an operator as mappings and sets over all its subtasks: what is written goes to the subtask that owns the key."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, MutableSet
from typing import Any

from weir import keygroups
from weir.errors import SnapshotCorrupt, StateAccessError
from weir.state.descriptors import StateDescriptor
from weir.state.heap import KeyCell
from weir.state.keyed import KeyedStateStore
from weir.state.timers import TimerQueue


class KeyedSubtasks:
    """The stores of all subtasks of an operator. Offline, so that there is no current key."""

    def __init__(self, ranges: list[range], max_parallelism: int, operator: str) -> None:
        self.max_parallelism = max_parallelism
        self.stores = [KeyedStateStore(KeyCell(), max_parallelism, groups, operator) for groups in ranges]
        self._operator = operator

    @classmethod
    def evenly(cls, parallelism: int, max_parallelism: int, operator: str) -> KeyedSubtasks:
        """As a job of this parallelism has them."""
        ranges = [
            keygroups.key_group_range(max_parallelism, parallelism, index) for index in range(parallelism)
        ]
        return cls(ranges, max_parallelism, operator)

    def owner(self, key: Any) -> KeyedStateStore:
        """The store of a key. Raises ``UserError`` for what cannot be a key."""
        group = keygroups.key_group(key, self.max_parallelism)
        for store in self.stores:
            if group in store.key_groups:
                return store
        raise SnapshotCorrupt(f"no subtask of operator {self._operator} owns key group {group}")

    def table(self, descriptor: StateDescriptor) -> StateTable:
        """See ``SavepointOperator.keyed_state``."""
        if descriptor.ttl is not None:
            raise StateAccessError(
                f"state {descriptor.name!r} is asked for with a time to live, which means nothing without a clock; leave it out "
                "of the descriptor: what is written gets its full time when the job restores it"
            )
        of_any_kind: Any = descriptor
        for store in self.stores:
            store.get_state(of_any_kind)
        return StateTable(self, descriptor)

    def unclaimed(self) -> list[str]:
        """Names of states that were not asked for."""
        return sorted({name for store in self.stores for name in store.unclaimed()})


class StateTable(MutableMapping[Any, Any]):
    """What each key has of one state: a value, a list, a dict, or the accumulator of an aggregate.

    What is changed in place is changed. ``None`` as a value means that there is none.
    """

    def __init__(self, subtasks: KeyedSubtasks, descriptor: StateDescriptor) -> None:
        self._subtasks = subtasks
        self._descriptor = descriptor

    def _table(self, key: Any) -> dict[Any, Any]:
        return self._subtasks.owner(key).table_of(self._descriptor)

    def __getitem__(self, key: Any) -> Any:
        return self._table(key)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._table(key)[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._table(key)[key]

    def __iter__(self) -> Iterator[Any]:
        for store in self._subtasks.stores:
            yield from list(store.table_of(self._descriptor))

    def __len__(self) -> int:
        return sum(len(store.table_of(self._descriptor)) for store in self._subtasks.stores)


class TimerSet(MutableSet[tuple[Any, int]]):
    """The timers of one time domain: pairs of a key and a time, in milliseconds."""

    def __init__(self, subtasks: KeyedSubtasks, *, event_time: bool) -> None:
        self._subtasks = subtasks
        self._event_time = event_time

    def _queue(self, store: KeyedStateStore) -> TimerQueue:
        return store.event_timers if self._event_time else store.processing_timers

    def add(self, value: tuple[Any, int]) -> None:
        """Set a timer; one that is there stays."""
        key, timestamp = value
        self._queue(self._subtasks.owner(key)).register(key, timestamp)

    def discard(self, value: tuple[Any, int]) -> None:
        """Remove a timer, if there is one."""
        key, timestamp = value
        self._queue(self._subtasks.owner(key)).delete(key, timestamp)

    def __contains__(self, value: object) -> bool:
        return value in set(self)

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        for store in self._subtasks.stores:
            yield from zip(*self._queue(store).columns(), strict=True)

    def __len__(self) -> int:
        return sum(len(self._queue(store)) for store in self._subtasks.stores)
