"""The state file: damage is found wherever it is, in memory and on disk, versions are told apart."""

import struct

import pytest

from weir.errors import SnapshotCorrupt, SnapshotError, SnapshotMismatch
from weir.state import statefile
from weir.state.backend import MEMORY_LIMIT_BYTES, check_memory_limit
from weir.state.spooled import SpooledFile
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


def in_memory(data):
    return statefile.read(data)


@pytest.fixture(params=["memory", "disk"])
def read(request, tmp_path):
    """Of bytes, or of a file that holds them, whose chunks are looked at late."""

    def from_disk(data):
        file = SpooledFile(str(tmp_path))
        file.append(data)
        header, sections = statefile.read(file)
        return header, [Section(section.header, list(section.chunks)) for section in sections]

    return in_memory if request.param == "memory" else from_disk


def test_a_file_reads_back_as_it_was_written(read):
    assert read(DATA) == (HEADER, SECTIONS)
    assert read(statefile.write(HEADER, [])) == (HEADER, [])


def test_a_file_is_made_as_its_chunks_are():
    taken = []

    def chunks():
        for number in range(3):
            taken.append(number)
            yield Chunk(0, 127, True, 1, [b"k", bytes(1000)])

    pieces = statefile.pieces(HEADER, [(SECTIONS[0].header, chunks())])
    most = 0
    for piece in pieces:
        most = max(most, len(piece))
        if len(piece) > 1000:
            assert len(taken) < 3 or not any(len(left) > 1000 for left in pieces)
    assert taken == [0, 1, 2]
    assert most < 1100


def test_the_same_state_gives_the_same_bytes():
    assert statefile.write(HEADER, iter(SECTIONS)) == DATA


def test_a_file_that_is_cut_anywhere_is_refused(read):
    for length in range(len(DATA)):
        with pytest.raises(SnapshotCorrupt, match=r"cut|not a state file"):
            read(DATA[:length])


def test_a_file_with_any_byte_changed_is_refused(read):
    for at in range(len(DATA)):
        damaged = bytearray(DATA)
        damaged[at] ^= 0x15
        with pytest.raises((SnapshotCorrupt, SnapshotMismatch)):
            read(bytes(damaged))


def test_a_file_with_bytes_added_is_refused(read):
    with pytest.raises(SnapshotCorrupt):
        read(DATA + b"x")
    with pytest.raises(SnapshotCorrupt, match=r"out of place"):
        read(DATA + DATA[11:])


def test_a_file_that_misses_a_whole_frame_is_refused(read):
    tail = statefile.write(HEADER, [])[len(statefile.write(HEADER, [])) - 16 :]
    assert DATA[-16:] != tail
    with pytest.raises(SnapshotCorrupt, match=r"announces .*sections=0.* it holds .*sections=2"):
        read(DATA[:-16] + tail)


def test_a_newer_format_is_refused_with_both_versions(read):
    newer = DATA[:9] + struct.pack("<H", 9) + DATA[11:]
    with pytest.raises(SnapshotMismatch, match=r"format version 9, this Weir reads up to 1"):
        read(newer)


def test_the_memory_backend_refuses_what_is_too_large_and_says_what_to_do():
    check_memory_limit("count", 3, MEMORY_LIMIT_BYTES)
    with pytest.raises(
        SnapshotError, match=r"count, subtask 3, is 5242881 bytes.*5242880.*stateBackend.type: FileSystem"
    ):
        check_memory_limit("count", 3, MEMORY_LIMIT_BYTES + 1)
