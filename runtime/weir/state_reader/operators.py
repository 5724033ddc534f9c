"""The state of one operator in a savepoint. It is read when it is first asked for; what nobody asks for is passed on as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from msgspec import structs

from weir.checkpoint.metadata import OperatorState
from weir.checkpoint.store import LoadedSnapshot
from weir.errors import SnapshotError, StateAccessError
from weir.state.descriptors import ListStateDescriptor, MapStateDescriptor, StateDescriptor
from weir.state.handles import ListState
from weir.state.snapshot import OperatorSubtaskState
from weir.state_reader import increments, migration
from weir.state_reader.keyed import KeyedSubtasks, StateTable, TimerSet
from weir.state_reader.lists import BroadcastTable, OperatorSubtasks

#: Bytes of keyed and of operator state.
Files = tuple[bytes | None, bytes | None]


class SavepointOperator:
    """One operator of a savepoint; ``Savepoint.operator`` gives it."""

    def __init__(self, snapshot: LoadedSnapshot, state: OperatorState) -> None:
        self._snapshot = snapshot
        self._state = state
        self._by_index = {subtask.subtask: subtask for subtask in state.subtasks}

    @property
    def uid(self) -> str | None:
        """As the job gave it."""
        return self._state.uid

    @property
    def name(self) -> str:
        """As the job shows it."""
        return self._state.name

    @property
    def parallelism(self) -> int:
        """Subtasks that wrote it."""
        return self._state.parallelism

    @property
    def max_parallelism(self) -> int:
        """Key groups."""
        return self._state.max_parallelism

    # ---- state -------------------------------------------------------------------------------------------

    def keyed_state(self, descriptor: StateDescriptor) -> StateTable:
        """What each key has, for any descriptor of keyed state, without a time to live.

        Raises ``SnapshotMismatch`` when it was written as another kind or type.
        """
        return self._keyed.table(descriptor)

    @property
    def event_timers(self) -> TimerSet:
        """Timers in event time."""
        return TimerSet(self._keyed, event_time=True)

    @property
    def processing_timers(self) -> TimerSet:
        """Timers by the machine's clock."""
        return TimerSet(self._keyed, event_time=False)

    def list_state(self, descriptor: ListStateDescriptor[Any]) -> list[ListState[Any]]:
        """The list of each subtask; a restore at another parallelism deals all elements anew."""
        return self._lists.lists(descriptor, union=False)

    def union_list_state(self, descriptor: ListStateDescriptor[Any]) -> list[ListState[Any]]:
        """The part that each subtask wrote; after a restore every subtask has all of them."""
        return self._lists.lists(descriptor, union=True)

    def broadcast_state(self, descriptor: MapStateDescriptor[Any, Any]) -> BroadcastTable:
        """The map that all subtasks have."""
        return self._lists.broadcast(descriptor)

    def migrate(
        self,
        *states: StateDescriptor,
        key: Callable[[Any], Any] | None = None,
        max_parallelism: int | None = None,
    ) -> None:
        """Give every key the one that ``key`` makes of it, and deal all of them to ``max_parallelism`` key groups.

        What is not given stays. ``states``: descriptors of all keyed states, since each has to be decoded. Tables that were asked for before are of the
        old layout; ask again. Raises ``StateAccessError`` for a state that is missing, and for two keys that become one.
        """
        wanted = max_parallelism or self.max_parallelism
        if wanted < self.parallelism:
            raise StateAccessError(
                f"operator {self._state.label} has {self.parallelism} subtasks and cannot have {wanted} key groups; take a "
                f"savepoint at a parallelism of at most {wanted}, or ask for at least {self.parallelism}"
            )
        new = KeyedSubtasks.evenly(self.parallelism, wanted, self._state.label)
        migration.move(self._keyed, new, states, key or _same, self._state.label)
        self.__dict__["_keyed"] = new
        self._state = structs.replace(self._state, max_parallelism=wanted)

    # ---- files -------------------------------------------------------------------------------------------

    @cached_property
    def _keyed(self) -> KeyedSubtasks:
        found = KeyedSubtasks.evenly(self.parallelism, self.max_parallelism, self._state.label)
        for index, store in enumerate(found.stores):
            data = self._keyed_file(index)
            if data is not None:
                store.restore([data])
        return found

    @cached_property
    def _lists(self) -> OperatorSubtasks:
        files = [self._operator_file(index) for index in range(self.parallelism)]
        return OperatorSubtasks(files, self._state.label)

    def _keyed_file(self, index: int) -> bytes | None:
        subtask = self._by_index.get(index)
        if subtask is None or subtask.keyed is None:
            return None
        if subtask.shared is not None:
            return increments.state_file(self._snapshot, self._state, subtask)
        return self._snapshot.read_state(subtask.keyed)

    def _operator_file(self, index: int) -> bytes | None:
        subtask = self._by_index.get(index)
        if subtask is None or subtask.operator is None:
            return None
        return self._snapshot.read_state(subtask.operator)

    def state_files(self) -> Iterator[bytes]:
        """All state files of all subtasks, as every backend reads them. Raises ``SnapshotCorrupt``."""
        for index in range(self.parallelism):
            yield from (data for data in self._files(index) if data is not None)

    def written(self, write: Callable[[int, Files], OperatorSubtaskState]) -> OperatorState:
        """The operator as it is now; ``write`` stores the files of a subtask. Raises ``SerializationError``,
        ``SnapshotError`` when rows were on their way to it.
        """
        if self._state.in_flight:
            raise SnapshotError(
                f"operator {self._state.label} has {self._state.in_flight} bytes of rows on their way to it, and a savepoint "
                "holds none: a program would lose them. Start the job and take a savepoint, or a checkpoint without "
                "execution.checkpointing.unaligned.enabled"
            )
        subtasks = []
        for index in range(self.parallelism):
            keyed, operator = self._files(index)
            stored = write(index, (keyed, operator))
            before = self._by_index.get(index)
            if before is None and keyed is None and operator is None:
                continue
            kept = before or OperatorSubtaskState(subtask=index)
            groups = None if keyed is None else self._groups(index)
            split_only = kept.split_only
            if "_lists" in self.__dict__:
                split_only = self._lists.stores[index].split_only
            subtasks.append(
                structs.replace(
                    kept,
                    keyed=stored.keyed,
                    operator=stored.operator,
                    shared=None,
                    key_groups=groups,
                    split_only=split_only,
                )
            )
        return structs.replace(self._state, subtasks=tuple(subtasks))

    def _groups(self, index: int) -> tuple[int, int]:
        if "_keyed" not in self.__dict__ and (known := self._by_index.get(index)) and known.key_groups:
            return known.key_groups
        groups = self._keyed.stores[index].key_groups
        return groups.start, groups.stop - 1

    def _files(self, index: int) -> Files:
        """What was not asked for is not decoded."""
        keyed = (
            self._keyed_file(index) if "_keyed" not in self.__dict__ else self._keyed.stores[index].snapshot()
        )
        lists = (
            self._operator_file(index)
            if "_lists" not in self.__dict__
            else self._lists.stores[index].snapshot()
        )
        return keyed, lists


def _same(key: Any) -> Any:
    return key
