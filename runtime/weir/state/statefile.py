"""The state file: magic, version, and frames with a checksum each. Knows bytes, not stores.

::

    WEIRSTATE <u16 version>
    H  FileHeader                          one; what the file belongs to
    S  SectionHeader  (C Chunk)*           per state: name, kind, serializers; then its entries in columns
    E  number of sections and chunks       tells a cut file from a short one

Both ways it need not be in memory at once: it is made in pieces, and of one on disk a chunk is read when it is asked for.
A frame is one tag byte, length (u64) and crc32 (u32, little endian) and a msgpack payload. The keyed and operator stores
write and read sections; the async part of a snapshot uploads the bytes as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, overload

import msgspec

from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.state.spooled import SpooledFile

_MAGIC: Final = b"WEIRSTATE"
FORMAT_VERSION: Final = 1
#: Entries of one chunk at most (of lists and maps: elements, unless one key has more).
CHUNK_ENTRIES: Final = 16384

_VERSION: Final = struct.Struct("<H")
_FRAME: Final = struct.Struct("<cQI")
_START: Final = len(_MAGIC) + _VERSION.size


class FileHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a state file belongs to. Key groups are inclusive; -1 in files without keys."""

    content: str  #: ``keyed`` or ``operator``
    operator: str  #: name, for messages only
    hash_version: int = 0
    max_parallelism: int = 0
    first_key_group: int = -1
    last_key_group: int = -1
    #: By which settings the operator made its state, if a later start has to know.
    note: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class SectionHeader(msgspec.Struct, frozen=True):
    """One state: its kind and the descriptions of its serializers by role."""

    name: str
    kind: str
    signature: dict[str, Any]


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Some entries of one state, as encoded columns."""

    #: Entries whose key group is outside these (inclusive) do not belong to the chunk; -1: no keys.
    first_key_group: int
    last_key_group: int
    #: False when the chunk was carried along undecoded and may hold entries that do not belong to it.
    exact: bool
    entries: int
    columns: list[bytes]


class Section(NamedTuple):
    """A state with its chunks."""

    header: SectionHeader
    chunks: Sequence[Chunk]


#: Where a state file is read from.
Source: TypeAlias = bytes | SpooledFile
#: A section to be written; its chunks are taken once, before the next section is asked for.
Writing: TypeAlias = "tuple[SectionHeader, Iterable[Chunk]]"


class _End(msgspec.Struct, frozen=True, array_like=True):
    sections: int
    chunks: int


_encode: Final = msgspec.msgpack.Encoder().encode
_S = TypeVar("_S", bound=msgspec.Struct)


def write(header: FileHeader, sections: Iterable[Writing]) -> bytes:
    """A whole state file."""
    return b"".join(pieces(header, sections))


def pieces(header: FileHeader, sections: Iterable[Writing]) -> Iterator[bytes]:
    """A state file as it is made, a chunk at a time."""
    yield _MAGIC + _VERSION.pack(FORMAT_VERSION)
    yield from _frame(b"H", header)
    section_count = chunk_count = 0
    for section, chunks in sections:
        yield from _frame(b"S", section)
        section_count += 1
        for chunk in chunks:
            yield from _frame(b"C", chunk)
            chunk_count += 1
    yield from _frame(b"E", _End(section_count, chunk_count))


def read(source: Source) -> tuple[FileHeader, list[Section]]:
    """Raises ``SnapshotCorrupt`` on damage and ``SnapshotMismatch`` on a newer version; of a file on disk also ``LocalDiskError``,
    and its chunks are checked and decoded each time that they are asked for.
    """
    if isinstance(source, SpooledFile):
        check_version(source.read(0, _START))
        return _read(_places(source), source.size)
    check_version(source)
    return _read(_frames(source), len(source))


def _read(frames: Iterable[tuple[bytes, memoryview | _Place]], size: int) -> tuple[FileHeader, list[Section]]:
    header: FileHeader | None = None
    end: _End | None = None
    sections: list[tuple[SectionHeader, list[memoryview | _Place]]] = []
    for tag, payload in frames:
        if end is not None or (header is None) != (tag == b"H"):
            raise SnapshotCorrupt(f"state file is damaged: frame {tag!r} is out of place")
        if tag == b"H":
            header = _decode(_loaded(payload), FileHeader)
        elif tag == b"S":
            sections.append((_decode(_loaded(payload), SectionHeader), []))
        elif tag == b"C" and sections:
            sections[-1][1].append(payload)
        elif tag == b"E":
            end = _decode(_loaded(payload), _End)
        else:
            raise SnapshotCorrupt(f"state file is damaged: frame {tag!r} is unknown or out of place")
    counted = _End(len(sections), sum(len(chunks) for _, chunks in sections))
    if header is None or end is None:
        raise SnapshotCorrupt(f"state file is cut: it ends after {size} bytes, before its last frame")
    if end != counted:
        raise SnapshotCorrupt(f"state file is damaged: it announces {end}, it holds {counted}")
    return header, [Section(section, _chunks(found)) for section, found in sections]


def _chunks(found: list[memoryview | _Place]) -> Sequence[Chunk]:
    if any(isinstance(each, _Place) for each in found):
        return _StoredChunks(found)
    return [_decode(_loaded(each), Chunk) for each in found]


def check_version(data: bytes) -> None:
    """Raises unless ``data`` begins like a state file of a version that can be read."""
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _START:
        raise SnapshotCorrupt(f"not a state file: it begins with {data[:_START]!r} instead of {_MAGIC!r}")
    (version,) = _VERSION.unpack_from(data, len(_MAGIC))
    if version > FORMAT_VERSION:
        raise SnapshotMismatch(
            f"state file has format version {version}, this Weir reads up to {FORMAT_VERSION}; "
            "restore with the Weir that wrote it, or a newer one"
        )
    if version < 1:
        raise SnapshotCorrupt(f"state file is damaged: format version {version}")


def _frame(tag: bytes, payload: msgspec.Struct) -> list[bytes]:
    body = _encode(payload)
    return [_FRAME.pack(tag, len(body), zlib.crc32(body, tag[0])), body]


class _Place(NamedTuple):
    """A frame's payload in a file on disk."""

    file: SpooledFile
    tag: bytes
    at: int
    length: int
    crc: int


class _StoredChunks(Sequence[Chunk]):
    """Chunks of a file on disk."""

    def __init__(self, places: list[memoryview | _Place]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Chunk]: ...

    def __getitem__(self, index: int | slice) -> Chunk | Sequence[Chunk]:
        if isinstance(index, slice):
            return _StoredChunks(self._places[index])
        return _decode(_loaded(self._places[index]), Chunk)


def _places(file: SpooledFile) -> Iterator[tuple[bytes, _Place]]:
    at = _START
    while at < file.size:
        head = file.read(at, _FRAME.size)
        if len(head) < _FRAME.size:
            raise SnapshotCorrupt(f"state file is cut at byte {file.size}, within a frame's head")
        tag, length, crc = _FRAME.unpack(head)
        at += _FRAME.size
        if file.size - at < length:
            raise _cut(at, length, file.size - at)
        yield tag, _Place(file, tag, at, length, crc)
        at += length


def _loaded(payload: memoryview | _Place) -> bytes | memoryview:
    if isinstance(payload, memoryview):
        return payload
    body = payload.file.read(payload.at, payload.length)
    _check_crc(body, payload.tag, payload.at, payload.crc)
    return body


def _cut(at: int, length: int, left: int) -> SnapshotCorrupt:
    return SnapshotCorrupt(f"state file is cut: a frame at byte {at} has {length} bytes, {left} are left")


def _check_crc(body: bytes | memoryview, tag: bytes, at: int, crc: int) -> None:
    actual = zlib.crc32(body, tag[0])
    if actual != crc:
        raise SnapshotCorrupt(f"state file is damaged at byte {at}: checksum {actual:08x}, written {crc:08x}")


def _frames(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view = memoryview(data)
    at = _START
    while at < len(data):
        if at + _FRAME.size > len(data):
            raise SnapshotCorrupt(f"state file is cut at byte {len(data)}, within a frame's head")
        tag, length, crc = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        body = view[at : at + length]
        if len(body) < length:
            raise _cut(at, length, len(body))
        _check_crc(body, tag, at, crc)
        yield tag, body
        at += length


def _decode(payload: bytes | memoryview, type_: type[_S]) -> _S:
    try:
        return msgspec.msgpack.decode(payload, type=type_)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotCorrupt(f"state file is damaged: {error}") from error
