from __future__ import annotations

import itertools

import msgspec
import pytest

from weir.connectors import EnumeratorContext
from weir.connectors.files import FileSource
from weir.connectors.files.reading.splits import FileSplit, is_hidden
from weir.errors import UserError
from weir.storage import MemoryStorage

spaces = itertools.count()


@pytest.fixture
def space():
    """A memory storage of this test's own, and its URI."""
    storage = MemoryStorage.named(f"enumerator-{next(spaces)}")
    return storage, storage.uri


def enumerator_of(source, parallelism=1):
    return source.create_enumerator(EnumeratorContext(parallelism))


def all_splits(enumerator, reader=0):
    splits = []
    while True:
        (assignment,) = enumerator.handle_request(reader)
        splits += assignment.splits
        if assignment.no_more:
            return splits


def names(splits):
    return [split.name for split in splits]


def test_files_come_in_the_order_of_their_names_without_hidden_and_empty_ones(space):
    storage, uri = space
    for name in ("in/b", "in/a/2", "in/a/1", "in/.c", "in/_SUCCESS", "in/.pending/x", "in/a/_y", "other/z"):
        storage.write(name, b"x\n")
    storage.write("in/empty", b"")
    source = FileSource.for_text_lines(f"{uri}/in")
    assert names(all_splits(enumerator_of(source))) == ["in/a/1", "in/a/2", "in/b"]


def test_a_hidden_folder_that_is_named_itself_is_read(space):
    storage, uri = space
    storage.write("_in/b", b"x\n")
    assert names(all_splits(enumerator_of(FileSource.for_text_lines(f"{uri}/_in")))) == ["_in/b"]
    assert names(all_splits(enumerator_of(FileSource.for_text_lines(f"{uri}/_in/b")))) == ["b"]


def test_a_glob_takes_what_matches(space):
    storage, uri = space
    for name in ("in/a.csv", "in/b.csv", "in/c.txt", "in/_d.csv"):
        storage.write(name, b"x\n")
    source = FileSource.for_csv(f"{uri}/in/*.csv")
    assert names(all_splits(enumerator_of(source))) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("folder", ["run[1]", "run*", "_what?", "[z-a]"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_whose_name_could_be_a_glob_is_read(space, folder, end):
    storage, uri = space
    for name in (f"{folder}/a", f"{folder}/_b", "run1/c", "run2"):
        storage.write(name, b"x\n")
    source = FileSource.for_text_lines(f"{uri}/{folder}{end}")
    assert names(all_splits(enumerator_of(source))) == [f"{folder}/a"]


def test_large_files_are_cut_but_csv_only_when_that_is_safe(space):
    storage, uri = space
    storage.write("a", b"x" * 100)
    cut = FileSource.for_text_lines(f"{uri}/a", split_size=40)
    assert [(s.start, s.end) for s in all_splits(enumerator_of(cut))] == [(0, 33), (33, 66), (66, 100)]
    assert len(all_splits(enumerator_of(FileSource.for_csv(f"{uri}/a", split_size=40)))) == 1
    safe = FileSource.for_csv(f"{uri}/a", splittable=True, split_size=40)
    assert len(all_splits(enumerator_of(safe))) == 3


def test_splits_are_shared_out_in_portions_that_shrink_towards_the_end(space):
    storage, uri = space
    for i in range(40):
        storage.write(f"in/{i:02}", b"x\n")
    enumerator = enumerator_of(FileSource.for_text_lines(f"{uri}/in"), 2)
    portions = []
    while not portions or not portions[-1].no_more:
        portions += enumerator.handle_request(len(portions) % 2)
    sizes = [len(portion.splits) for portion in portions]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (10, 1)
    assert sum(sizes) == 40
    assert enumerator.handle_request(1)[0] == (1, [], True)


def test_a_portion_is_about_one_split_in_bytes(space):
    storage, uri = space
    for i in range(40):
        storage.write(f"in/{i:02}", b"x" * 30)
    enumerator = enumerator_of(FileSource.for_text_lines(f"{uri}/in", split_size=100))
    assert len(enumerator.handle_request(0)[0].splits) == 3


def test_a_restored_enumerator_hands_out_the_rest_without_looking_again(space):
    storage, uri = space
    for name in ("in/a", "in/b", "in/c"):
        storage.write(name, b"x\n")
    source = FileSource.for_text_lines(f"{uri}/in")
    enumerator = enumerator_of(source)
    first = enumerator.handle_request(0)[0].splits
    state = enumerator.snapshot()
    storage.delete("in/c")
    storage.write("in/d", b"x\n")
    restored = source.restore_enumerator(EnumeratorContext(1), state)
    assert names(first) + names(all_splits(restored)) == ["in/a", "in/b", "in/c"]
    assert restored.discovery_interval is None


def test_splits_that_come_back_keep_the_order_of_names(space):
    storage, uri = space
    for name in ("in/a", "in/b", "in/c"):
        storage.write(name, b"x\n")
    enumerator = enumerator_of(FileSource.for_text_lines(f"{uri}/in"))
    first = enumerator.handle_request(0)[0].splits
    assert enumerator.add_splits_back(first, 0) == []
    assert names(all_splits(enumerator)) == ["in/a", "in/b", "in/c"]


def test_a_watched_folder_gives_new_files_to_readers_that_wait(space):
    storage, uri = space
    storage.write("in/a", b"x\n")
    source = FileSource.for_text_lines(f"{uri}/in").monitor_continuously("10s")
    enumerator = enumerator_of(source, 2)
    assert enumerator.discovery_interval == 10.0
    first = enumerator.handle_request(1)
    assert [(a.reader, names(a.splits), a.no_more) for a in first] == [(1, ["in/a"], False)]
    assert enumerator.handle_request(0) == []
    assert enumerator.discover() == []
    storage.write("in/b", b"x\n")
    storage.write("in/c", b"x\n")
    found = enumerator.discover()
    assert [(a.reader, names(a.splits), a.no_more) for a in found] == [(0, ["in/b"], False)]
    assert names(enumerator.handle_request(1)[0].splits) == ["in/c"]
    assert enumerator.discover() == []


def test_a_watched_folder_remembers_names_over_a_restore_even_of_files_that_are_gone(space):
    storage, uri = space
    storage.write("in/a", b"x\n")
    source = FileSource.for_text_lines(f"{uri}/in").monitor_continuously("10s")
    enumerator = enumerator_of(source)
    enumerator.handle_request(0)
    state = enumerator.snapshot()
    storage.delete("in/a")
    restored = source.restore_enumerator(EnumeratorContext(1), state)
    assert restored.handle_request(0) == []
    storage.write("in/a", b"again\n")
    storage.write("in/b", b"x\n")
    assert names(restored.discover()[0].splits) == ["in/b"]


def test_a_folder_that_is_watched_from_a_restore_on_gives_what_the_job_had_not_found_before(space):
    storage, uri = space
    for name in ("in/a", "in/b", "in/c"):
        storage.write(name, b"x\n")
    source = FileSource.for_text_lines(f"{uri}/in")
    first = enumerator_of(source)
    assert names(first.handle_request(0)[0].splits) == ["in/a"]
    once_more = source.restore_enumerator(EnumeratorContext(1), first.snapshot())
    assert names(once_more.handle_request(0)[0].splits) == ["in/b"]
    watching = source.monitor_continuously("10s")
    restored = watching.restore_enumerator(EnumeratorContext(1), once_more.snapshot())
    assert names(restored.handle_request(0)[0].splits) == ["in/c"]
    assert restored.handle_request(0) == []
    storage.write("in/d", b"x\n")
    assert [(names(a.splits), a.no_more) for a in restored.discover()] == [(["in/d"], False)]


@pytest.mark.parametrize("unassigned", [[], [FileSplit("memory://x", "in/b", 0, 2)]])
def test_a_snapshot_of_a_release_that_kept_no_names_goes_on_as_before_but_cannot_watch(space, unassigned):
    storage, uri = space
    storage.write("in/b", b"x\n")
    source = FileSource.for_text_lines(f"{uri}/in")
    old = msgspec.msgpack.encode({"unassigned": unassigned, "found": []})
    restored = source.restore_enumerator(EnumeratorContext(1), old)
    kept = restored.snapshot()
    assert all_splits(restored) == unassigned
    for state in (old, kept):
        with pytest.raises(UserError, match=r"do not name the files .* start without state"):
            source.monitor_continuously("10s").restore_enumerator(EnumeratorContext(1), state)


def test_a_watched_folders_snapshot_of_a_release_that_kept_its_names_only_goes_on(space):
    storage, uri = space
    for name in ("in/a", "in/b"):
        storage.write(name, b"x\n")
    source = FileSource.for_text_lines(f"{uri}/in").monitor_continuously("10s")
    old = msgspec.msgpack.encode({"unassigned": [], "found": ["in/a"]})
    restored = source.restore_enumerator(EnumeratorContext(1), old)
    restored.handle_request(0)
    assert names(restored.discover()[0].splits) == ["in/b"]


def test_a_reader_that_asks_twice_waits_once(space):
    storage, uri = space
    storage.write("in/a", b"x\n")
    enumerator = enumerator_of(FileSource.for_text_lines(f"{uri}/in").monitor_continuously("1s"))
    enumerator.handle_request(0)
    assert enumerator.handle_request(0) == enumerator.handle_request(0) == []
    storage.write("in/b", b"x\n")
    storage.write("in/c", b"x\n")
    assert len(enumerator.discover()) == 1


def test_a_watched_place_in_an_object_store_may_be_empty(space):
    _, uri = space
    enumerator = enumerator_of(FileSource.for_text_lines(f"{uri}/in").monitor_continuously("10s"))
    assert enumerator.handle_request(0) == []


@pytest.mark.parametrize(
    ("path", "files", "message"),
    [
        ("in", [], "there is no object at or below memory://.*/in; check bucket and prefix"),
        ("in/*.csv", ["in/a.txt"], r"no file matches memory://.*/in/\*\.csv"),
        ("in/[z-a].csv", ["in/a.csv"], r"'\[z-a\]\.csv' is no glob \(bad character range z-a\): .* a-z"),
        ("in", ["in/_a", "in/.b"], "all 2 files below .* begin with '.' or '_'"),
        ("in", ["in/a.csv", "in/b.csv.gz"], r"in/b\.csv\.gz in memory://\S+ looks packed or binary"),
    ],
)
def test_input_that_is_not_there_is_named_with_what_to_do(space, path, files, message):
    storage, uri = space
    for name in files:
        storage.write(name, b"x\n")
    with pytest.raises(UserError, match=message):
        enumerator_of(FileSource.for_csv(f"{uri}/{path}"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FileSource.for_text_lines(""), "empty path"),
        (
            lambda: FileSource.for_text_lines("a", on_error="ignore"),
            "on_error='ignore'; use 'fail' or 'skip'",
        ),
        (lambda: FileSource.for_text_lines("a", split_size="64MB"), "split_size='64MB'"),
        (lambda: FileSource.for_text_lines("a", split_size=0), "split_size=0"),
        (lambda: FileSource.for_csv("a", delimiter=";;"), "delimiter=';;'"),
        (lambda: FileSource.for_csv("a", fields=["x", "x"]), "name each column once"),
        (lambda: FileSource.for_csv("a", header=False), "header=False without fields"),
        (
            lambda: FileSource.for_text_lines("a").monitor_continuously("often"),
            "monitor_continuously: 'often'",
        ),
        (lambda: FileSource.for_text_lines("a").monitor_continuously(0), "monitor_continuously got 0"),
    ],
)
def test_bad_arguments_of_a_file_source_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_hidden_is_what_begins_with_a_dot_or_an_underscore_in_any_part():
    assert [n for n in ("a", "a/_b", ".a/b", "a.b/c_d") if is_hidden(n)] == ["a/_b", ".a/b"]
