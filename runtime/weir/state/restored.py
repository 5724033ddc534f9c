"""What a keyed store restored and has not decoded yet: raw sections by state.

A section is decoded when its descriptor is registered, with that descriptor's serializers, and reduced to
the key groups that this subtask owns. A section that nobody registers is carried into the next snapshot as
it is: each carried chunk notes the key groups for which it stands, so that after any number of rescales
every entry still belongs to exactly one subtask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, compress
from typing import Any, Final

import msgspec

from weir import keygroups
from weir.errors import SerializationError, SnapshotCorrupt, SnapshotMismatch
from weir.serde import Description, Serializer, check_compatible
from weir.state import statefile
from weir.state.columns import Codec
from weir.state.descriptors import Stamped
from weir.state.statefile import Chunk, Section, Source

#: Keys of these types hash alike in all programs; others go through the user's classes.
_PLAIN_KEYS: Final = frozenset({type(None), bool, int, float, str, bytes})


class RestoredSections:
    """Raw keyed sections of one or more state files."""

    def __init__(
        self, max_parallelism: int, key_groups: range, key_serializer: Serializer, operator: str
    ) -> None:
        self._max_parallelism = max_parallelism
        self._key_groups = key_groups
        self._key_serializer = key_serializer
        self._operator = operator
        self._sections: dict[tuple[str, str], list[Section]] = {}
        #: What each file notes of how its state was made; ``None``: nothing.
        self.notes: list[dict[str, Any] | None] = []
        #: What nobody took, reduced; ``None`` when something was added or taken since.
        self._carried: list[Section] | None = None

    def add(self, file: Source) -> None:
        """Take one state file; files of several old subtasks are added in the order of their index.

        Raises ``SnapshotCorrupt`` or ``SnapshotMismatch`` (max parallelism, hash version, key type).
        """
        header, sections = statefile.read(file)
        if header.content != "keyed":
            raise SnapshotCorrupt(
                f"expected a file of keyed state, got {header.content} state of {header.operator!r}"
            )
        self.check_header(header)
        self.add_sections(sections)

    def add_sections(self, sections: Iterable[Section]) -> None:
        """Take sections of a file whose header was checked."""
        self._carried = None
        for section in sections:
            self._sections.setdefault((section.header.kind, section.header.name), []).append(section)

    def take(
        self,
        kind: str,
        name: str,
        signature: Description,
        codec: Codec | Callable[[Description | None], Codec],
    ) -> Iterator[tuple[list[Any], list[Any]]]:
        """Forget one state, and decode it chunk by chunk: lists of keys and values that this subtask owns.

        ``codec`` may depend on the description with which the values were written.

        Raises ``SnapshotMismatch`` when the state was written as another kind or type.
        """
        for other_kind, other_name in self._sections:
            if name and other_name == name and other_kind != kind:
                raise SnapshotMismatch(
                    f"state {name!r} of operator {self._operator} was written as {other_kind} state and is now "
                    f"declared as {kind} state; keep the kind, or give the new state another name"
                )
        sections = self._sections.pop((kind, name), [])
        self._carried = None
        for section in sections:
            self._check_types(section, signature)
        return self._decoded(name, sections, codec)

    def carried(self) -> list[Section]:
        """The sections that nobody took, reduced to chunks with entries of this subtask."""
        if self._carried is None:
            self._carried = []
            for section in chain.from_iterable(self._sections.values()):
                chunks = [carried for chunk in section.chunks if (carried := self._carry(chunk))]
                if chunks:
                    self._carried.append(Section(section.header, chunks))
        return self._carried

    def names(self) -> list[str]:
        """Names of the states that nobody took, for messages."""
        return [name for _, name in self._sections if name]

    def check_header(self, header: statefile.FileHeader) -> None:
        """Take the note of a file. Raises ``SnapshotMismatch`` for another max parallelism or hash version."""
        if header.max_parallelism != self._max_parallelism:
            raise SnapshotMismatch(
                f"the snapshot of operator {self._operator} has max parallelism {header.max_parallelism}, the job "
                f"asks for {self._max_parallelism}; keep {header.max_parallelism}, or start without state"
            )
        if header.hash_version != keygroups.HASH_VERSION:
            raise SnapshotMismatch(
                f"the snapshot of operator {self._operator} has key hash version {header.hash_version}, this Weir "
                f"has {keygroups.HASH_VERSION}; restore with the Weir that wrote it"
            )
        self.notes.append(None if header.note is msgspec.UNSET else header.note)

    def _check_types(self, section: Section, signature: Description) -> None:
        header = section.header
        name = f"state {header.name!r}" if header.name else "the timers"
        what = {"value": name, "key": f"map keys of {name}", "current-key": f"the current key of {name}"}
        for role, new in signature.items():
            if role != "kind":
                check_compatible(
                    _bare(header.signature.get(role)),
                    _bare(new),
                    f"{what[role]} of operator {self._operator}",
                )

    def _decoded(
        self, name: str, sections: list[Section], codec: Codec | Callable[[Description | None], Codec]
    ) -> Iterator[tuple[list[Any], list[Any]]]:
        for section in sections:
            reader = codec(section.header.signature.get("value")) if callable(codec) else codec
            for chunk in section.chunks:
                yield self._decode(name, chunk, reader)

    def _decode(self, name: str, chunk: Chunk, codec: Codec) -> tuple[list[Any], list[Any]]:
        keys = self._keys(chunk)
        try:
            values = codec.unpack(chunk.columns[1:])
        except (SerializationError, ValueError) as error:
            raise SnapshotMismatch(
                f"state {name!r} of operator {self._operator} cannot be decoded: {error}"
            ) from error
        if not len(keys) == len(values) == chunk.entries:
            raise SnapshotCorrupt(
                f"state {name!r} of operator {self._operator} announces {chunk.entries} entries in a chunk, "
                f"it holds {len(keys)} keys and {len(values)} values"
            )
        mine = self._ownership(keys, chunk)
        if mine is None:
            return keys, values
        return list(compress(keys, mine)), list(compress(values, mine))

    def _keys(self, chunk: Chunk) -> list[Any]:
        try:
            return self._key_serializer.decode(chunk.columns[0])
        except SerializationError as error:
            raise SnapshotMismatch(f"keys of operator {self._operator} cannot be decoded: {error}") from error

    def _carry(self, chunk: Chunk) -> Chunk | None:
        mine = self._ownership(self._keys(chunk), chunk)
        if mine is None:
            return chunk
        if not any(mine):
            return None
        first = max(chunk.first_key_group, self._key_groups.start)
        last = min(chunk.last_key_group, self._key_groups.stop - 1)
        return Chunk(first, last, all(mine), chunk.entries, chunk.columns)

    def _ownership(self, keys: list[Any], chunk: Chunk) -> list[bool] | None:
        """Which keys belong to this subtask; ``None`` means all, without a look at them."""
        first, last = chunk.first_key_group, chunk.last_key_group
        mine = self._key_groups
        within = chunk.exact and mine.start <= first and last < mine.stop
        if within and set(map(type, keys)) <= _PLAIN_KEYS:
            return None
        groups = [keygroups.key_group(key, self._max_parallelism) for key in keys]
        if chunk.exact:
            for key, group in zip(keys, groups, strict=True):
                if not first <= group <= last:
                    raise SnapshotMismatch(
                        f"key {key!r:.80} of operator {self._operator} was in key groups {first} to {last} and now "
                        f"hashes to {group}; the fields or names of {type(key).__name__} that make the key have changed"
                    )
        return [first <= group <= last and group in mine for group in groups]


def _bare(description: Any) -> Any:
    """The description of values without that of their stamps: a time to live may come and go."""
    if isinstance(description, dict) and description.get("serializer") == Stamped.name:
        return description["values"]
    return description
