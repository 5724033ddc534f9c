"""What every storage must hold to, as a class of tests; a test file subclasses it and gives the fixture ``storage``."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from weir.errors import ObjectExists, ObjectNotFound, SerializationError, StorageError, StorageUnavailable
from weir.storage import MemoryStorage, PrefixedStorage, Storage, expand
from weir.storage.faults import FaultInjector, LoseResponse, Operation

ILLEGAL_NAMES = [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/..",
    "..",
    ".",
    "a//b",
    "a/",
    "a/./b",
    "a\0b",
    "x" * 1025,
]


class StorageContract:
    race_rounds = 5

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError

    def test_what_was_written_is_read(self, storage):
        storage.write("a/b", b"hello")
        assert storage.read("a/b") == b"hello"
        assert storage.size("a/b") == 5

    def test_a_write_replaces_the_object(self, storage):
        storage.write("a", b"first, longer")
        storage.write("a", b"second")
        assert storage.read("a") == b"second"

    def test_an_empty_object_is_an_object(self, storage):
        storage.write("empty", b"")
        assert storage.read("empty") == b""
        assert storage.read_range("empty", 0, 10) == b""
        assert [info.name for info in storage.list()] == ["empty"]

    def test_all_bytes_survive(self, storage):
        data = bytes(range(256)) * 5000
        storage.write("big", data)
        assert storage.read("big") == data

    @pytest.mark.parametrize("sizes", [(), (0,), (3, 0, 5), (17 * 2**20,), (2**20,) * 35])
    def test_pieces_become_one_object(self, storage, sizes):
        pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
        storage.write("pieces", b"before")
        storage.write_pieces("pieces", iter(pieces))
        assert storage.read("pieces") == b"".join(pieces)

    @pytest.mark.parametrize("count", [1, 40])
    def test_pieces_that_fail_leave_what_was_there(self, storage, count):
        def failing():
            yield from [b"x" * 2**20] * count
            raise SerializationError("no such value")

        storage.write("old", b"before")
        for name in ("old", "new"):
            with pytest.raises(SerializationError, match="no such value"):
                storage.write_pieces(name, failing())
        assert [info.name for info in storage.list()] == ["old"]
        assert storage.read("old") == b"before"

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [(0, 3, b"012"), (3, 4, b"3456"), (8, 10, b"89"), (10, 5, b""), (50, 5, b""), (2, 0, b"")],
    )
    def test_a_range_is_cut_at_the_end_of_the_object(self, storage, start, length, expected):
        storage.write("digits", b"0123456789")
        assert storage.read_range("digits", start, length) == expected

    def test_a_missing_object_is_named(self, storage):
        storage.write("other", b"x")
        for call in (storage.read, storage.size, lambda name: storage.read_range(name, 0, 1)):
            with pytest.raises(ObjectNotFound, match="a/missing"):
                call("a/missing")

    def test_a_folder_is_not_an_object(self, storage):
        storage.write("folder/object", b"x")
        for call in (storage.read, storage.size):
            with pytest.raises(ObjectNotFound, match="folder"):
                call("folder")

    def test_create_makes_an_object_once(self, storage):
        storage.create_if_absent("fence/1", b"mine")
        with pytest.raises(ObjectExists, match="fence/1"):
            storage.create_if_absent("fence/1", b"yours")
        assert storage.read("fence/1") == b"mine"

    def test_create_refuses_to_replace_what_write_made(self, storage):
        storage.write("a", b"written")
        with pytest.raises(ObjectExists):
            storage.create_if_absent("a", b"created")
        assert storage.read("a") == b"written"

    def test_of_32_racing_creators_one_wins_and_its_bytes_stay(self, storage):
        for round_ in range(self.race_rounds):
            name = f"race/{round_}"
            start = threading.Barrier(32)

            def create(writer: int, name: str = name, start: threading.Barrier = start) -> int | None:
                start.wait()
                try:
                    storage.create_if_absent(name, b"writer %d" % writer * 200)
                except ObjectExists:
                    return None
                return writer

            with ThreadPoolExecutor(32) as pool:
                winners = [writer for writer in pool.map(create, range(32)) if writer is not None]
            assert len(winners) == 1
            assert storage.read(name) == b"writer %d" % winners[0] * 200

    def test_a_created_object_whose_response_was_lost_is_found_by_reading_back(self, storage):
        faulty = FaultInjector(storage)
        faulty.inject(Operation.CREATE, LoseResponse())
        with pytest.raises(StorageUnavailable):
            faulty.create_if_absent("fence/7", b"writer 1")
        with pytest.raises(ObjectExists):
            faulty.create_if_absent("fence/7", b"writer 1")
        assert faulty.read("fence/7") == b"writer 1"

    def test_a_listing_is_recursive_sorted_by_name_and_has_sizes(self, storage):
        names = ["b", "a.txt", "a/b", "a/c/d", "a-b", "ab", "z/ü x+y%20", "a/b.c"]
        for name in names:
            storage.write(name, name.encode())
        listed = list(storage.list())
        assert [info.name for info in listed] == sorted(names)
        assert [info.size for info in listed] == [len(name.encode()) for name in sorted(names)]
        assert all(info.modified_ms > 1_600_000_000_000 for info in listed)

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("chk-1", ["chk-1/_metadata", "chk-10/_metadata"]),
            ("chk-1/", ["chk-1/_metadata"]),
            ("c", ["chk-1/_metadata", "chk-10/_metadata"]),
            ("nothing", []),
            ("chk-1/_metadata", ["chk-1/_metadata"]),
        ],
    )
    def test_a_listing_takes_any_prefix_of_a_name(self, storage, prefix, expected):
        for name in ("chk-1/_metadata", "chk-10/_metadata", "fence/1"):
            storage.write(name, b"x")
        assert [info.name for info in storage.list(prefix)] == expected

    def test_an_empty_storage_lists_nothing(self, storage):
        assert list(storage.list()) == []

    def test_more_objects_than_one_page_are_listed(self, storage):
        names = [f"n/{i:05}" for i in range(1100)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: storage.write(name, b""), names))
        assert [info.name for info in storage.list("n/")] == names

    def test_a_deleted_object_is_gone_and_leaves_no_folder(self, storage):
        storage.write("chk-1/x", b"x")
        storage.delete("chk-1/x")
        storage.delete("chk-1/x")
        assert list(storage.list()) == []
        storage.write("chk-1", b"now an object")
        assert storage.read("chk-1") == b"now an object"

    def test_a_rename_moves_and_replaces(self, storage):
        storage.write("pending/part-1", b"new")
        storage.write("out/part-1", b"old")
        storage.rename("pending/part-1", "out/part-1")
        assert [info.name for info in storage.list()] == ["out/part-1"]
        assert storage.read("out/part-1") == b"new"

    def test_a_rename_of_a_missing_object_changes_nothing(self, storage):
        storage.write("target", b"kept")
        with pytest.raises(ObjectNotFound, match="missing"):
            storage.rename("missing", "target")
        assert storage.read("target") == b"kept"

    @pytest.mark.parametrize("name", ILLEGAL_NAMES)
    def test_a_name_that_is_no_relative_name_is_refused(self, storage, name):
        calls = [
            storage.read,
            storage.size,
            storage.delete,
            lambda n: storage.read_range(n, 0, 1),
            lambda n: storage.write(n, b"x"),
            lambda n: storage.create_if_absent(n, b"x"),
            lambda n: storage.rename("a", n),
            lambda n: storage.rename(n, "a"),
        ]
        for call in calls:
            with pytest.raises(StorageError, match="refused"):
                call(name)

    @pytest.mark.parametrize("prefix", ["/etc", "../", "a/../b", "..", "a/..", "a\0"])
    def test_a_prefix_that_leaves_the_root_is_refused(self, storage, prefix):
        with pytest.raises(StorageError, match="refused"):
            list(storage.list(prefix))

    def test_a_prefixed_view_sees_only_what_is_below_it(self, storage):
        view = PrefixedStorage(storage, "job-1")
        view.write("chk-1/x", b"1")
        storage.write("job-10/chk-1/x", b"2")
        assert [info.name for info in view.list()] == ["chk-1/x"]
        assert storage.read("job-1/chk-1/x") == b"1"
        assert view.uri == storage.uri + "/job-1"
        view.rename("chk-1/x", "chk-2/x")
        view.delete("chk-2/x")
        assert [info.name for info in storage.list()] == ["job-10/chk-1/x"]

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("", ["in/2024/a.csv", "in/2024/b.csv", "in/2025/a.csv", "in/readme"]),
            ("in", ["in/2024/a.csv", "in/2024/b.csv", "in/2025/a.csv", "in/readme"]),
            ("in/2024", ["in/2024/a.csv", "in/2024/b.csv"]),
            ("in/readme", ["in/readme"]),
            ("in/*/a.csv", ["in/2024/a.csv", "in/2025/a.csv"]),
            ("in/*.csv", []),
            ("in/**.csv", ["in/2024/a.csv", "in/2024/b.csv", "in/2025/a.csv"]),
            ("in/202[0-4]/?.csv", ["in/2024/a.csv", "in/2024/b.csv"]),
            ("in/202[!4]/**", ["in/2025/a.csv"]),
            ("missing", []),
        ],
    )
    def test_a_path_expands_to_an_object_a_folder_or_a_glob(self, storage, path, expected):
        for name in ("in/2024/a.csv", "in/2024/b.csv", "in/2025/a.csv", "in/readme"):
            storage.write(name, b"x")
        assert [info.name for info in expand(storage, path)] == expected


def filled(objects: dict[str, bytes]) -> MemoryStorage:
    """A storage in memory with these objects."""
    storage = MemoryStorage()
    for name, data in objects.items():
        storage.write(name, data)
    return storage
