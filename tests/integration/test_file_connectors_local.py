"""File source and sink on real folders: what only an operating system can do."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from weir.connectors import EnumeratorContext, FileSink, FileSource, ReaderContext, WriterContext
from weir.errors import RecordFormatError, StorageDenied, StorageError, UserError


def context(attempt=1, job="a" * 32):
    return WriterContext(job, "b" * 32, 0, 1, 1, attempt)


def read_all(source, max_rows=1000):
    enumerator = source.create_enumerator(EnumeratorContext(1))
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    more, rows = True, []
    while more or not reader.is_idle():
        if reader.is_idle():
            (assignment,) = enumerator.handle_request(0)
            reader.add_splits(assignment.splits)
            more = not assignment.no_more
        fetched = reader.fetch(max_rows)
        rows += fetched.values if fetched else []
    reader.close()
    return rows


def committed(sink, values, attempt=1):
    writer, committer = sink.create_writer(context(attempt)), sink.create_committer()
    writer.write(values, None)
    committables = writer.prepare_commit()
    writer.finish_prepare(committables)
    committer.commit(committables)
    writer.close()
    return committables


@pytest.mark.parametrize("form", ["plain", "relative", "uri", "glob", "file", "path object"])
def test_what_a_sink_wrote_a_source_reads(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    rows = [{"i": i, "s": "é" * (i % 50)} for i in range(30_000)]
    (name,) = [c.name for c in committed(FileSink.for_json_lines(tmp_path / "out"), rows)]
    path = {
        "plain": f"{tmp_path}/out",
        "relative": "out",
        "uri": f"file://{tmp_path}/out/",
        "glob": f"{tmp_path}/*/part-*.jsonl",
        "file": f"out/{name}",
        "path object": tmp_path / "out",
    }[form]
    assert read_all(FileSource.for_json_lines(path, split_size="100k")) == rows


def test_files_and_folders_of_a_target_appear_as_documented(tmp_path):
    sink = FileSink.for_text_lines(tmp_path / "a" / "b")
    writer = sink.create_writer(context())
    writer.write(["x"], None)
    (committable,) = writer.prepare_commit()
    assert os.listdir(tmp_path / "a" / "b") == ["." + committable.name]
    writer.finish_prepare([committable])
    sink.create_committer().commit([committable])
    assert os.listdir(tmp_path / "a" / "b") == [committable.name]
    assert committable.name.startswith("part-")


def test_a_commit_is_repeated_and_a_loss_is_loud(tmp_path):
    sink = FileSink.for_text_lines(tmp_path)
    committables = committed(sink, ["x"])
    sink.create_committer().commit(committables)
    (tmp_path / committables[0].name).unlink()
    with pytest.raises(StorageError, match=r"lost: neither .*/\.part-\S+ nor the final file .*/part-"):
        sink.create_committer().commit(committables)


def test_leftovers_of_an_earlier_attempt_are_removed_and_files_of_others_stay(tmp_path):
    sink = FileSink.for_text_lines(tmp_path)
    for attempt, job in ((1, "a"), (1, "c"), (2, "a")):
        writer = sink.create_writer(context(attempt, job * 32))
        writer.write(["x"], None)
        writer.finish_prepare(writer.prepare_commit())
    (tmp_path / ".part-notes").touch()
    sink.create_committer().abort_leftovers(context(attempt=2))
    left = sorted(os.listdir(tmp_path))
    assert [name[15:27] + name[27:33] for name in left if "notes" not in name] == [
        "aaaaaaaaaaaa-0-1-2",
        "cccccccccccc-0-1-1",
    ]
    assert ".part-notes" in left


def test_a_name_that_was_committed_before_is_never_written_again(tmp_path):
    sink = FileSink.for_text_lines(tmp_path)
    committed(sink, ["x"])
    writer = sink.create_writer(context())
    with pytest.raises(StorageError, match=r"another attempt wrote that name"):
        writer.write(["y"], None)


def test_a_writer_that_is_closed_leaves_no_file(tmp_path):
    writer = FileSink.for_text_lines(tmp_path).create_writer(context())
    writer.write(["x"], None)
    writer.close()
    assert os.listdir(tmp_path) == []


def test_a_target_that_is_a_file_or_below_one_is_named(tmp_path):
    (tmp_path / "out").touch()
    for target in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(UserError, match=r"out(/below)?, (is|lies below) a file; give a folder"):
            FileSink.for_text_lines(target).create_writer(context())


@pytest.fixture
def nobody():
    """Takes root's rights away from this process for a test."""
    os.seteuid(65534)
    yield 65534
    os.seteuid(0)


@pytest.fixture
def open_folder():
    """A folder of root's that others may look into; those of ``tmp_path`` they may not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        (Path(folder) / "secret").write_text("x\n")
        (Path(folder) / "secret").chmod(0o600)
        yield folder


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give up its rights")
def test_a_target_or_an_input_without_rights_is_named(open_folder, nobody):
    with pytest.raises(
        UserError, match=rf"cannot write to {open_folder}: Permission denied \(user id {nobody}\)"
    ):
        FileSink.for_text_lines(open_folder).create_writer(context())
    with pytest.raises(
        StorageDenied, match=rf"cannot read {open_folder}/secret: Permission denied for user id {nobody}"
    ):
        read_all(FileSource.for_text_lines(open_folder))


def test_an_input_that_is_not_there_is_named_with_its_full_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"the input in does not exist \({tmp_path}/in\)"):
        FileSource.for_csv("in").create_enumerator(EnumeratorContext(1))
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match=r"the input folder in is empty; .*monitor_continuously"):
        FileSource.for_csv("in").create_enumerator(EnumeratorContext(1))


def test_an_empty_folder_whose_name_could_be_a_glob_is_named_as_what_it_is(tmp_path):
    (tmp_path / "run[1]").mkdir()
    with pytest.raises(UserError, match=r"the input folder .*run\[1\] is empty"):
        FileSource.for_csv(tmp_path / "run[1]").create_enumerator(EnumeratorContext(1))
    (tmp_path / "run[1]" / "a.csv").write_text("x\n1\n")
    assert read_all(FileSource.for_csv(tmp_path / "run[1]")) == [{"x": "1"}]


def test_a_file_whose_name_is_not_utf8_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("x\n")
    odd = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(odd, "wb") as file:
        file.write(b"x\n")
    source = FileSource.for_text_lines(tmp_path)
    with pytest.raises(UserError, match=r"not UTF-8: b'file://.*/caf\\xe9\.txt'; rename it") as raised:
        source.create_enumerator(EnumeratorContext(1))
    assert str(raised.value).isascii()
    os.rename(odd, os.fsencode(tmp_path) + b"/.caf\xe9.txt")
    assert read_all(source) == ["x"]


def test_a_watched_folder_must_exist_and_may_be_empty(tmp_path):
    watched = FileSource.for_text_lines(tmp_path / "in").monitor_continuously("1s")
    with pytest.raises(UserError, match="does not exist"):
        watched.create_enumerator(EnumeratorContext(1))
    (tmp_path / "in").mkdir()
    enumerator = watched.create_enumerator(EnumeratorContext(1))
    assert enumerator.handle_request(0) == []
    (tmp_path / "in" / ".b.txt").write_text("x\n")
    assert enumerator.discover() == []
    (tmp_path / "in" / ".b.txt").rename(tmp_path / "in" / "b.txt")
    assert len(enumerator.discover()) == 1


def test_a_broken_row_of_a_local_file_is_named_by_its_line(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "1,2\n" * 70_000 + "3\n")
    with pytest.raises(
        RecordFormatError, match=rf"file://{tmp_path}/a\.csv, line 70002 \(byte 280004\): 1 fields"
    ):
        read_all(FileSource.for_csv(tmp_path))


def test_a_file_that_is_deleted_before_its_turn_is_an_error(tmp_path):
    (tmp_path / "a").write_text("x\n")
    source = FileSource.for_text_lines(tmp_path)
    splits = source.create_enumerator(EnumeratorContext(1)).handle_request(0)[0].splits
    (tmp_path / "a").unlink()
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    reader.add_splits(splits)
    with pytest.raises(UserError, match=rf"{tmp_path}/a is gone"):
        reader.fetch(1)


def test_a_folder_in_place_of_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "a").write_text("x\n")
    source = FileSource.for_text_lines(tmp_path)
    splits = source.create_enumerator(EnumeratorContext(1)).handle_request(0)[0].splits
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    reader.add_splits(splits)
    with pytest.raises(StorageError, match=r"cannot read .*/a: Is a directory") as raised:
        reader.fetch(1)
    assert not isinstance(raised.value, StorageDenied)


def test_importing_the_connectors_loads_no_heavy_package():
    code = "import sys, weir.connectors; print([m for m in ('minio', 'grpc', 'pyarrow', 'urllib3') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
