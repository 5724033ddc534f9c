"""The operator state of an operator over all its subtasks."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from weir.state.descriptors import ListStateDescriptor, MapStateDescriptor
from weir.state.handles import ListState, MapState
from weir.state.operator_state import OperatorStateStore


class OperatorSubtasks:
    """The stores of all subtasks of an operator, each with what its own file has."""

    def __init__(self, files: list[bytes | None], operator: str) -> None:
        self.stores = [OperatorStateStore(operator) for _ in files]
        for store, data in zip(self.stores, files, strict=True):
            if data is not None:
                store.restore([data], 0, 1, own_only=True)

    def lists(self, descriptor: ListStateDescriptor[Any], *, union: bool) -> list[ListState[Any]]:
        """Of each subtask."""
        if union:
            return [store.get_union_list_state(descriptor) for store in self.stores]
        return [store.get_list_state(descriptor) for store in self.stores]

    def broadcast(self, descriptor: MapStateDescriptor[Any, Any]) -> BroadcastTable:
        """The map that all have."""
        return BroadcastTable([store.get_broadcast_state(descriptor) for store in self.stores])


class BroadcastTable(MutableMapping[Any, Any]):
    """A broadcast map, which is equal in all subtasks. A value that is changed in place has to be set again."""

    def __init__(self, copies: list[MapState[Any, Any]]) -> None:
        self._copies = copies

    def __getitem__(self, key: Any) -> Any:
        if key not in self._copies[0]:
            raise KeyError(key)
        return self._copies[0].get(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        for copy in self._copies:
            copy.put(key, value)

    def __delitem__(self, key: Any) -> None:
        if key not in self._copies[0]:
            raise KeyError(key)
        for copy in self._copies:
            copy.remove(key)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._copies[0].keys()))

    def __len__(self) -> int:
        return len(list(self._copies[0].keys()))
