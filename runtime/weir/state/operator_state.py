"""Operator state of one subtask: lists and broadcast maps that belong to the instance, not to a key.

Elements of lists are encoded one by one, so that a restore can deal them without knowing their type. All new
subtasks compute their share independently from the same files in the same order, so they agree: split lists are dealt
round-robin over the concatenation of all old lists, union lists go to everybody, of a broadcast map the first
copy is taken. What nobody registers is carried along: shares of split lists, whole files of union lists dealt
round-robin, the broadcast copy.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple, TypeVar

from weir.errors import SerializationError, SnapshotCorrupt, SnapshotMismatch, StateAccessError
from weir.serde import Description, check_compatible
from weir.state import statefile
from weir.state.descriptors import ListStateDescriptor, MapStateDescriptor, StateDescriptor
from weir.state.handles import ListState, MapState, State
from weir.state.operator_handles import OperatorListState, OperatorMapState
from weir.state.statefile import Chunk, Section, SectionHeader

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class OperatorStateMode(enum.StrEnum):
    """How a state is given out after a rescale. The values are part of the snapshot format."""

    SPLIT = "split-list"
    UNION = "union-list"
    BROADCAST = "broadcast"


class _Registered(NamedTuple):
    descriptor: StateDescriptor
    mode: OperatorStateMode
    handle: State


class _Restored(NamedTuple):
    mode: OperatorStateMode
    signature: Description
    #: What a registration gets: encoded elements, or the key and value columns of a broadcast map.
    elements: list[bytes]
    #: What goes into the next snapshot if nobody registers.
    carried: list[bytes]


class OperatorStateStore:
    """All operator state of one operator in one subtask."""

    def __init__(self, operator_name: str = "") -> None:
        self._operator = operator_name
        self._registered: dict[str, _Registered] = {}
        self._restored: dict[str, _Restored] = {}

    @property
    def split_only(self) -> bool:
        """Whether no union or broadcast state exists: then at equal parallelism the own file is enough."""
        modes = [r.mode for r in self._registered.values()] + [r.mode for r in self._restored.values()]
        return all(mode is OperatorStateMode.SPLIT for mode in modes)

    def get_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]:
        """A list whose elements are dealt evenly when the job is rescaled."""
        handle: ListState[T] = self._register(descriptor, OperatorStateMode.SPLIT)
        return handle

    def get_union_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]:
        """A list that after a restore holds the elements of all instances."""
        handle: ListState[T] = self._register(descriptor, OperatorStateMode.UNION)
        return handle

    def get_broadcast_state(
        self, descriptor: MapStateDescriptor[K, V], read_only: bool = False
    ) -> MapState[K, V]:
        """A map that the caller keeps equal in all instances; ``read_only`` refuses to write."""
        handle: OperatorMapState[K, V] = self._register(descriptor, OperatorStateMode.BROADCAST)
        return handle.read_only(descriptor.name) if read_only else handle

    def snapshot(self) -> bytes | None:
        """All operator state as one state file, ``None`` when there is nothing in it.

        Raises ``SerializationError`` naming the state.
        """
        sections = [
            _section(name, raw.mode, raw.signature, raw.carried)
            for name, raw in self._restored.items()
            if raw.carried
        ]
        for name, registered in self._registered.items():
            if elements := self._encode(registered):
                signature = registered.descriptor.signature()
                sections.append(_section(name, registered.mode, signature, elements))
        if not sections:
            return None
        return statefile.write(statefile.FileHeader(content="operator", operator=self._operator), sections)

    def restore(self, blobs: list[bytes], index: int, parallelism: int, own_only: bool = False) -> None:
        """Take the files of ALL old subtasks in the order of their index, before ``open()``.

        ``own_only``: parallelism is unchanged, every state is a split list and ``blobs`` holds just the
        own old file: nothing is dealt anew. Raises ``SnapshotCorrupt``.
        """
        collected: dict[str, list[tuple[int, Section]]] = {}
        for number, blob in enumerate(blobs):
            header, sections = statefile.read(blob)
            if header.content != "operator":
                raise SnapshotCorrupt(
                    f"expected a file of operator state, got {header.content} state of {header.operator!r}"
                )
            for section in sections:
                collected.setdefault(section.header.name, []).append((number, section))
        share = (0, 1) if own_only else (index, parallelism)
        for name, found in collected.items():
            self._restored[name] = _dealt(found, *share)
        for registered in self._registered.values():
            self._fill(registered)

    def unclaimed(self) -> list[str]:
        """Names of restored states that no descriptor claimed; they stay in the next snapshot."""
        return list(self._restored)

    def _register(self, descriptor: StateDescriptor, mode: OperatorStateMode) -> Any:
        name = descriptor.name
        if descriptor.ttl is not None:
            raise StateAccessError(
                f"operator state {name!r} of operator {self._operator} has a time to live, which is for state by key "
                "only; remove it, or keep the state after key_by"
            )
        known = self._registered.get(name)
        if known is None:
            descriptor.check_serializers(f"operator state {name!r} of operator {self._operator}")
            handle: State = (
                OperatorMapState({}) if mode is OperatorStateMode.BROADCAST else OperatorListState()
            )
            registered = _Registered(descriptor, mode, handle)
            self._fill(registered)
            self._registered[name] = registered
            return handle
        if known.mode is not mode or known.descriptor != descriptor:
            raise StateAccessError(
                f"operator {self._operator} declares operator state {name!r} twice: {known.mode} "
                f"{known.descriptor!r} and {mode} {descriptor!r}; give one of them another name"
            )
        return known.handle

    def _fill(self, registered: _Registered) -> None:
        descriptor, mode, handle = registered
        raw = self._restored.get(descriptor.name)
        if raw is None:
            return
        self._check(descriptor, mode, raw)
        try:
            if isinstance(handle, OperatorListState):
                decode = descriptor.serializer().decode
                handle.add_all(decode(element)[0] for element in raw.elements)
            elif isinstance(handle, OperatorMapState):
                keys, values = raw.elements
                handle.put_all(
                    dict(
                        zip(
                            descriptor.serializer("key").decode(keys),
                            descriptor.serializer().decode(values),
                            strict=True,
                        )
                    )
                )
        except (SerializationError, ValueError) as error:
            raise SnapshotMismatch(
                f"operator state {descriptor.name!r} of {self._operator} cannot be decoded: {error}"
            ) from error
        del self._restored[descriptor.name]

    def _check(self, descriptor: StateDescriptor, mode: OperatorStateMode, raw: _Restored) -> None:
        if raw.mode is not mode:
            raise SnapshotMismatch(
                f"operator state {descriptor.name!r} of {self._operator} was written as {raw.mode} and is now "
                f"asked for as {mode}; keep the mode, or give the new state another name"
            )
        for role, new in descriptor.signature().items():
            if role != "kind":
                what = f"{role}s of operator state {descriptor.name!r} of operator {self._operator}"
                check_compatible(raw.signature.get(role), new, what)

    def _encode(self, registered: _Registered) -> list[bytes]:
        descriptor, _, handle = registered
        try:
            if isinstance(handle, OperatorListState):
                encode = descriptor.serializer().encode
                return [encode([element]) for element in handle.get()]
            if isinstance(handle, OperatorMapState) and not handle.is_empty():
                return [
                    descriptor.serializer("key").encode(list(handle.keys())),
                    descriptor.serializer().encode(list(handle.values())),
                ]
        except SerializationError as error:
            raise SerializationError(
                f"operator state {descriptor.name!r} of operator {self._operator}: {error}"
            ) from error
        return []


def _section(name: str, mode: OperatorStateMode, signature: Description, elements: list[bytes]) -> Section:
    return Section(SectionHeader(name, mode, signature), [Chunk(-1, -1, True, len(elements), elements)])


def _dealt(found: list[tuple[int, Section]], index: int, parallelism: int) -> _Restored:
    """What subtask ``index`` gets of one state, found in the files with these numbers."""
    header = found[0][1].header
    mode = OperatorStateMode(header.kind)
    columns = [
        (number, column) for number, section in found for chunk in section.chunks for column in chunk.columns
    ]
    everything = [column for _, column in columns]
    if mode is OperatorStateMode.SPLIT:
        share = everything[index::parallelism]
        return _Restored(mode, header.signature, share, share)
    if mode is OperatorStateMode.UNION:
        # Carrying all of it in every subtask would multiply the list with each restore.
        carried = [column for number, column in columns if number % parallelism == index]
        return _Restored(mode, header.signature, everything, carried)
    copy = found[0][1].chunks[0].columns
    return _Restored(mode, header.signature, copy, copy)
