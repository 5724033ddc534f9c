"""The state file of an incremental checkpoint: which database files it is made of, which states lie in them, what is not in them yet.

A state file (``weir.state.statefile``) of a content of its own: sections of timers, and of restored state that nobody claimed,
as in any other; one with the small files of the database and a table of the states; one with the changes above the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from weir.errors import SnapshotCorrupt
from weir.state import statefile
from weir.state.statefile import Chunk, FileHeader, Section, SectionHeader, Writing

CONTENT: Final = "keyed-rocksdb"
_FILES: Final = "rocksdb-files"
_CHANGES: Final = "rocksdb-changes"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[bytes]).decode

#: Records to write and keys to delete, spelled as the database has them.
Changes = tuple[list[tuple[bytes, bytes]], list[bytes]]


class NativeState(msgspec.Struct, frozen=True):
    """One state in the database."""

    name: str
    kind: str
    signature: dict[str, Any]
    number: int  #: how its keys are spelled
    next_run: int  #: of a list: the number of the last run that was written
    #: Some records carry their keys, whose spelling names classes.
    attached: bool

    @property
    def header(self) -> SectionHeader:
        """How its section in a state file would begin."""
        return SectionHeader(self.name, self.kind, self.signature)


class NativeFile(NamedTuple):
    """See the module."""

    header: FileHeader
    states: list[NativeState]
    #: Names of the shared files in the database's folder.
    shared: list[str]
    #: Names and contents of the others.
    private: list[tuple[str, bytes]]
    #: As :func:`chunk` made them.
    changes: Iterable[Chunk]
    #: Timers, and what nobody claimed.
    others: Iterable[Section]


class _Table(msgspec.Struct, frozen=True):
    shared: list[str]
    states: list[NativeState]


def pieces(file: NativeFile) -> Iterator[bytes]:
    """The state file, as it is made."""
    return statefile.pieces(structs.replace(file.header, content=CONTENT), _sections(file))


def _sections(file: NativeFile) -> Iterator[Writing]:
    yield from file.others
    table = msgspec.to_builtins(_Table(file.shared, file.states))
    private = [_chunk(1, [name.encode(), data]) for name, data in file.private]
    yield SectionHeader("", _FILES, table), private
    yield SectionHeader("", _CHANGES, {}), file.changes


def chunk(changes: Changes) -> Chunk:
    """Encoded."""
    puts, deletes = changes
    columns = [[key for key, _ in puts], [record for _, record in puts], deletes]
    return _chunk(len(puts) + len(deletes), list(map(_encode, columns)))


def changes_of(encoded: Chunk) -> Changes:
    """What :func:`chunk` was given. Raises ``SnapshotCorrupt``."""
    try:
        keys, records, deletes = map(_decode, encoded.columns)
        return list(zip(keys, records, strict=True)), deletes
    except (msgspec.DecodeError, ValueError) as error:
        raise SnapshotCorrupt(f"state file is damaged: {error}") from error


def _chunk(entries: int, columns: list[bytes]) -> Chunk:
    return Chunk(-1, -1, True, entries, columns)


def read(data: bytes) -> NativeFile:
    """Raises ``SnapshotCorrupt`` on damage and ``SnapshotMismatch`` on a newer version."""
    header, sections = statefile.read(data)
    own = {section.header.kind: section for section in sections if section.header.kind in (_FILES, _CHANGES)}
    if header.content != CONTENT or len(own) != 2:
        raise SnapshotCorrupt(
            f"expected state in files of RocksDB, got {header.content} state of {header.operator!r}"
        )
    try:
        table = msgspec.convert(own[_FILES].header.signature, _Table)
        private = [(chunk.columns[0].decode(), chunk.columns[1]) for chunk in own[_FILES].chunks]
    except (msgspec.DecodeError, IndexError, ValueError, TypeError) as error:
        raise SnapshotCorrupt(f"state file is damaged: {error}") from error
    for name in (*table.shared, *(name for name, _ in private)):
        if "/" in name or name.startswith("."):
            raise SnapshotCorrupt(
                f"state file is damaged: {name!r} cannot be the name of a file of a database"
            )
    others = [section for section in sections if section.header.kind not in own]
    return NativeFile(header, table.states, table.shared, private, own[_CHANGES].chunks, others)
