"""The state file: magic, version, and frames with a checksum each. Knows bytes, not stores.

::

    WEIRSTATE <u16 version>
    H  FileHeader                          one; what the file belongs to
    S  SectionHeader  (C Chunk)*           per state: name, kind, serializers; then its entries in columns
    E  number of sections and chunks       tells a cut file from a short one

A frame is one tag byte, length (u64) and crc32 (u32, little endian) and a msgpack payload. The keyed and operator stores
write and read sections; the async part of a snapshot uploads the bytes as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from weir.errors import SnapshotCorrupt, SnapshotMismatch

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
    chunks: list[Chunk]


class _End(msgspec.Struct, frozen=True, array_like=True):
    sections: int
    chunks: int


_encode: Final = msgspec.msgpack.Encoder().encode
_S = TypeVar("_S", bound=msgspec.Struct)


def write(header: FileHeader, sections: Iterable[Section]) -> bytes:
    """A whole state file."""
    parts = [_MAGIC, _VERSION.pack(FORMAT_VERSION), *_frame(b"H", header)]
    section_count = chunk_count = 0
    for section in sections:
        parts += _frame(b"S", section.header)
        section_count += 1
        for chunk in section.chunks:
            parts += _frame(b"C", chunk)
            chunk_count += 1
    parts += _frame(b"E", _End(section_count, chunk_count))
    return b"".join(parts)


def read(data: bytes) -> tuple[FileHeader, list[Section]]:
    """Raises ``SnapshotCorrupt`` on damage and ``SnapshotMismatch`` on a newer version."""
    check_version(data)
    header: FileHeader | None = None
    end: _End | None = None
    sections: list[Section] = []
    for tag, payload in _frames(data):
        if end is not None or (header is None) != (tag == b"H"):
            raise SnapshotCorrupt(f"state file is damaged: frame {tag!r} is out of place")
        if tag == b"H":
            header = _decode(payload, FileHeader)
        elif tag == b"S":
            sections.append(Section(_decode(payload, SectionHeader), []))
        elif tag == b"C" and sections:
            sections[-1].chunks.append(_decode(payload, Chunk))
        elif tag == b"E":
            end = _decode(payload, _End)
        else:
            raise SnapshotCorrupt(f"state file is damaged: frame {tag!r} is unknown or out of place")
    counted = _End(len(sections), sum(len(section.chunks) for section in sections))
    if header is None or end is None:
        raise SnapshotCorrupt(f"state file is cut: it ends after {len(data)} bytes, before its last frame")
    if end != counted:
        raise SnapshotCorrupt(f"state file is damaged: it announces {end}, it holds {counted}")
    return header, sections


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
            raise SnapshotCorrupt(
                f"state file is cut: a frame at byte {at} has {length} bytes, {len(body)} are left"
            )
        actual = zlib.crc32(body, tag[0])
        if actual != crc:
            raise SnapshotCorrupt(
                f"state file is damaged at byte {at}: checksum {actual:08x}, written {crc:08x}"
            )
        yield tag, body
        at += length


def _decode(payload: memoryview, type_: type[_S]) -> _S:
    try:
        return msgspec.msgpack.decode(payload, type=type_)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotCorrupt(f"state file is damaged: {error}") from error
