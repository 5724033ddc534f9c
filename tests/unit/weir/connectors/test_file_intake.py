from __future__ import annotations

import threading

import pytest

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.formats import Start, TextLines
from weir.connectors.files.reading.intake import Direct, Ended, ReadAhead
from weir.connectors.files.reading.reader import FileReader
from weir.connectors.files.reading.splits import FileSplit
from weir.errors import StorageUnavailable
from weir.storage import MemoryStorage
from weir.storage.faults import Call, Fail, FaultInjector, Operation


class Wake:
    """Counts wakes, and lets a test wait for the next one."""

    def __init__(self):
        self.semaphore = threading.Semaphore(0)
        self.count = 0

    def __call__(self):
        self.count += 1
        self.semaphore.release()

    def wait(self):
        assert self.semaphore.acquire(timeout=20)


def polled(intake, wake):
    while (piece := intake.poll()) is None:
        wake.wait()
    return piece


@pytest.fixture
def wake():
    return Wake()


@pytest.fixture
def ahead(wake):
    intake = ReadAhead(wake, limit_bytes=10)
    yield intake
    intake.close()
    if intake._thread is not None:
        intake._thread.join(timeout=20)
        assert not intake._thread.is_alive()


def pieces(*data):
    return [Start(()), *(Chunk(0, part) for part in data)]


@pytest.mark.parametrize("kind", [Direct, ReadAhead])
def test_pieces_come_in_the_order_of_the_splits(kind, wake):
    intake = Direct() if kind is Direct else ReadAhead(wake, 10)
    intake.add(lambda: iter(pieces(b"a", b"b")))
    intake.add(lambda: iter(pieces(b"c")))
    got = [polled(intake, wake) for _ in range(7)]
    assert [piece.data for piece in got if isinstance(piece, Chunk)] == [b"a", b"b", b"c"]
    assert [i for i, piece in enumerate(got) if isinstance(piece, Ended)] == [3, 6]
    assert intake.poll() is None
    intake.close()


def test_reading_ahead_stops_at_its_limit_and_goes_on_when_there_is_room(ahead, wake):
    produced = []
    third_asked, all_done = threading.Event(), threading.Event()

    def split():
        yield Start(())
        for data in (b"12345", b"67890", b"x"):
            produced.append(data)
            if data == b"x":
                third_asked.set()
            yield Chunk(0, data)
        all_done.set()

    ahead.add(split)
    assert third_asked.wait(20)  # it waits with the third chunk in its hands: two fill the limit
    assert not all_done.is_set()
    assert ahead._bytes == 10
    assert isinstance(polled(ahead, wake), Start)
    assert ahead.poll().data == b"12345"
    assert all_done.wait(20)


def test_a_chunk_larger_than_the_limit_passes_alone(ahead, wake):
    ahead.add(lambda: iter(pieces(b"x" * 100)))
    assert [type(polled(ahead, wake)) for _ in range(3)] == [Start, Chunk, Ended]


def test_the_engine_is_woken_only_when_it_found_nothing(ahead, wake):
    go, done = threading.Event(), threading.Event()

    def split():
        yield Start(())
        assert go.wait(20)
        yield Chunk(0, b"a")
        yield Chunk(0, b"b")
        done.set()

    ahead.add(split)
    wake.wait()
    assert isinstance(ahead.poll(), Start)
    assert ahead.poll() is None
    go.set()
    assert done.wait(20)
    assert wake.count == 2


def test_what_goes_wrong_on_the_thread_is_raised_by_poll(ahead, wake):
    def split():
        yield Start(())
        raise StorageUnavailable("no answer from s3://b/a")

    ahead.add(split)
    polled(ahead, wake)
    with pytest.raises(StorageUnavailable, match="s3://b/a"):
        polled(ahead, wake)


def test_closing_ends_a_thread_that_waits_for_room_or_work(wake):
    for splits in ([], [lambda: iter(pieces(b"x" * 11, b"y" * 11))]):
        intake = ReadAhead(wake, 10)
        intake.add(lambda: iter(pieces(b"x")))
        for split in splits:
            intake.add(split)
        wake.wait()
        intake.close()
        intake._thread.join(timeout=20)
        assert not intake._thread.is_alive()
        assert intake.poll() is None


def remote_reader(storage, wake, splits):
    reader = FileReader(TextLines(), False, lambda root: storage, wake, block_bytes=4)
    reader.add_splits(splits)
    return reader


def test_a_remote_file_is_read_as_a_local_one_without_blocking_the_data_thread(wake):
    inner = MemoryStorage("in")
    inner.write("a", b"aa\nbb\ncc\n")
    splits = [FileSplit("memory://in", "a", 0, 5), FileSplit("memory://in", "a", 5, 9)]
    reader = remote_reader(FaultInjector(inner), wake, splits)
    rows = []
    while not reader.is_idle():
        fetched = reader.fetch(10)
        if fetched is not None:
            rows += fetched.values
        elif not reader.is_idle():
            wake.wait()
    assert rows == ["aa", "bb", "cc"]
    assert reader.finished_splits() == [split.split_id for split in splits]
    reader.close()


def test_a_split_whose_first_row_is_not_found_yet_is_stored_without_a_position(wake):
    inner = MemoryStorage("in")
    inner.write("a", b"aa\nbb\ncc\n")
    storage = FaultInjector(inner)
    may_read, reading = threading.Event(), threading.Event()

    def wait():
        reading.set()
        assert may_read.wait(20)

    storage.inject(Operation.READ_RANGE, Call(wait))
    split = FileSplit("memory://in", "a", 1, 9)
    reader = remote_reader(storage, wake, [split])
    assert reading.wait(20)
    assert reader.fetch(10) is None  # takes the Start; the first chunk is not there
    assert reader.snapshot() == [split]
    may_read.set()
    while (fetched := reader.fetch(1)) is None:
        wake.wait()
    assert fetched.values == ["bb"]
    assert reader.snapshot()[0].position == 6
    reader.close()


def test_a_remote_error_fails_the_fetch(wake):
    storage = FaultInjector(MemoryStorage("in"))
    storage.inject(Operation.READ_RANGE, Fail())
    reader = remote_reader(storage, wake, [FileSplit("memory://in", "a", 0, 5)])
    with pytest.raises(StorageUnavailable):
        while reader.fetch(1) is None:
            wake.wait()
    reader.close()
