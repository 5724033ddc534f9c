"""State objects that are larger than memory: verified like all others, in pieces both ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weir.checkpoint import store, streaming
from weir.errors import LocalDiskError, SnapshotCorrupt
from weir.state.snapshot import object_handle
from weir.storage import MemoryStorage
from weir.storage.faults import FaultInjector, FlipByte, Operation, ShortRead

LARGE = bytes(range(256)) * 400


def in_pieces(data: bytes, size: int = 999) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.fixture
def job() -> FaultInjector:
    return FaultInjector(MemoryStorage("job"))


def test_what_is_streamed_has_the_handle_of_what_is_written_whole(job: FaultInjector) -> None:
    handle = streaming.write(job, "a", in_pieces(LARGE))
    assert handle == object_handle("a", LARGE)
    assert job.read("a") == LARGE


@pytest.mark.parametrize("size", [0, 1, store.INLINE_BYTES, store.INLINE_BYTES + 1])
def test_small_state_goes_inline_however_it_comes(job: FaultInjector, size: int) -> None:
    data = LARGE[:size]
    assert streaming.write(job, "a", in_pieces(data)) == store.write_state(job, "a", data)


def test_pieces_that_fail_leave_no_object(job: FaultInjector) -> None:
    def failing() -> Iterator[bytes]:
        yield LARGE
        raise LocalDiskError("full")

    with pytest.raises(LocalDiskError, match="full"):
        streaming.write(job, "a", failing())
    assert list(job.list()) == []


def test_a_spooled_object_reads_like_itself(job: FaultInjector, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(streaming, "_PIECE", 1000)
    handle = streaming.write(job, "a", in_pieces(LARGE))
    file = streaming.spool(job, handle, str(tmp_path / "not" / "yet"))
    assert file.size == len(LARGE)
    assert file.read(0, len(LARGE)) == LARGE
    assert file.read(1000, 256) == LARGE[1000:1256]
    assert file.read(len(LARGE) - 1, 5) == LARGE[-1:]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "it has no name"


@pytest.mark.parametrize("bad", [ShortRead(7), FlipByte(3)], ids=["short", "wrong"])
def test_bytes_that_come_wrong_are_fetched_again_and_what_stays_wrong_is_refused(
    job: FaultInjector, tmp_path, bad, monkeypatch
) -> None:
    monkeypatch.setattr(streaming, "_PIECE", 1000)
    handle = streaming.write(job, "a", in_pieces(LARGE))
    job.inject(Operation.READ_RANGE, bad, skip=5, times=1)
    assert streaming.spool(job, handle, str(tmp_path)).read(0, len(LARGE)) == LARGE
    job.inject(Operation.READ_RANGE, FlipByte(1), times=None)
    with pytest.raises(SnapshotCorrupt, match=r"state file memory://job/a has sha256 .* damaged"):
        streaming.spool(job, handle, str(tmp_path))


def test_a_missing_cut_or_longer_object_is_named(job: FaultInjector, tmp_path) -> None:
    handle = object_handle("a", LARGE)
    with pytest.raises(SnapshotCorrupt, match="memory://job/a is missing"):
        streaming.spool(job, handle, str(tmp_path))
    for other in (LARGE[:-1], LARGE + b"x"):
        job.write("a", other)
        with pytest.raises(
            SnapshotCorrupt, match=f"has {len(other)} bytes, its snapshot recorded {len(LARGE)}"
        ):
            streaming.spool(job, handle, str(tmp_path))


def test_a_local_folder_that_cannot_be_made_is_named_with_what_to_set(job: FaultInjector, tmp_path) -> None:
    handle = streaming.write(job, "a", in_pieces(LARGE))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalDiskError, match=r"file for restored state in .*localdir"):
        streaming.spool(job, handle, str(tmp_path / "file"))
