"""The state file: damage is found wherever it is, versions are told apart."""

import struct

import pytest

from weir.errors import SnapshotCorrupt, SnapshotError, SnapshotMismatch
from weir.state import statefile
from weir.state.backend import MEMORY_LIMIT_BYTES, check_memory_limit
from weir.state.statefile import Chunk, FileHeader, Section, SectionHeader

HEADER = FileHeader(content="keyed", operator="count", hash_version=1, max_parallelism=128)
SECTIONS = [
    Section(
        SectionHeader("seen", "value", {"value": {"serializer": "dynamic", "version": 1}}),
        [Chunk(0, 127, True, 2, [b"keys", b"values"]), Chunk(0, 63, False, 0, [])],
    ),
    Section(SectionHeader("empty", "list", {}), []),
]
DATA = statefile.write(HEADER, SECTIONS)


def test_a_file_reads_back_as_it_was_written():
    assert statefile.read(DATA) == (HEADER, SECTIONS)
    assert statefile.read(statefile.write(HEADER, [])) == (HEADER, [])


def test_the_same_state_gives_the_same_bytes():
    assert statefile.write(HEADER, iter(SECTIONS)) == DATA


def test_a_file_that_is_cut_anywhere_is_refused():
    for length in range(len(DATA)):
        with pytest.raises(SnapshotCorrupt, match=r"cut|not a state file"):
            statefile.read(DATA[:length])


def test_a_file_with_any_byte_changed_is_refused():
    for at in range(len(DATA)):
        damaged = bytearray(DATA)
        damaged[at] ^= 0x15
        with pytest.raises((SnapshotCorrupt, SnapshotMismatch)):
            statefile.read(bytes(damaged))


def test_a_file_with_bytes_added_is_refused():
    with pytest.raises(SnapshotCorrupt):
        statefile.read(DATA + b"x")
    with pytest.raises(SnapshotCorrupt, match=r"out of place"):
        statefile.read(DATA + DATA[11:])


def test_a_file_that_misses_a_whole_frame_is_refused():
    tail = statefile.write(HEADER, [])[len(statefile.write(HEADER, [])) - 16 :]
    assert DATA[-16:] != tail
    with pytest.raises(SnapshotCorrupt, match=r"announces .*sections=0.* it holds .*sections=2"):
        statefile.read(DATA[:-16] + tail)


def test_a_newer_format_is_refused_with_both_versions():
    newer = DATA[:9] + struct.pack("<H", 9) + DATA[11:]
    with pytest.raises(SnapshotMismatch, match=r"format version 9, this Weir reads up to 1"):
        statefile.read(newer)


def test_the_memory_backend_refuses_what_is_too_large_and_says_what_to_do():
    check_memory_limit("count", 3, MEMORY_LIMIT_BYTES)
    with pytest.raises(
        SnapshotError, match=r"count, subtask 3, is 5242881 bytes.*5242880.*stateBackend.type: FileSystem"
    ):
        check_memory_limit("count", 3, MEMORY_LIMIT_BYTES + 1)
