"""File source and sink against a real S3 server."""

from __future__ import annotations

import threading

import msgspec
import pytest

from tests.support.s3_servers import READ_ONLY_KEY, READ_ONLY_SECRET, each_s3
from weir.connectors import EnumeratorContext, FileSink, FileSource, ReaderContext, WriterContext
from weir.connectors.files.reading.splits import FileSplit
from weir.errors import StorageError, UserError
from weir.storage import S3Options, open_storage

__all__ = ["each_s3"]  # the fixture: `s3` is SeaweedFS, then MinIO


def context(attempt=1):
    return WriterContext("a" * 32, "b" * 32, 0, 1, 1, attempt)


def splits_of(source):
    enumerator = source.create_enumerator(EnumeratorContext(1))
    splits = []
    while True:
        (assignment,) = enumerator.handle_request(0)
        splits += assignment.splits
        if assignment.no_more:
            return splits


class Reading:
    """A reader, and the thread that it reads ahead with, as the engine holds them."""

    def __init__(self, source, splits):
        self.woken = threading.Semaphore(0)
        self.reader = source.create_reader(ReaderContext(0, 1, self.woken.release, lambda: 0.0))
        self.reader.add_splits(splits)

    def fetch(self, max_rows):
        while not self.reader.is_idle():
            fetched = self.reader.fetch(max_rows)
            if fetched is not None and len(fetched.values):
                return fetched.values
            if not self.reader.is_idle():
                assert self.woken.acquire(timeout=60)
        return []

    def rest(self):
        rows = []
        while batch := self.fetch(1000):
            rows += batch
        self.reader.close()
        return rows


def test_what_a_sink_wrote_to_s3_a_source_reads_also_after_a_restore(s3):
    target = f"{s3.uri}/out"
    sink = FileSink.for_json_lines(target, roll_size="300k", s3=s3.options)
    writer, committer = sink.create_writer(context()), sink.create_committer()
    rows = [{"i": i, "s": "é" * (i % 100)} for i in range(20_000)]
    for start in range(0, len(rows), 500):
        writer.write(rows[start : start + 500], None)
    committables = writer.prepare_commit()
    assert len(committables) > 3
    writer.finish_prepare(committables)
    storage = open_storage(target, s3.options)
    assert {info.name for info in storage.list()} == {f".pending/{c.name}" for c in committables}
    with pytest.raises(UserError, match="begin with"):
        FileSource.for_json_lines(target, s3=s3.options).create_enumerator(EnumeratorContext(1))
    committer.commit(committables)
    committer.commit(committables)
    assert [info.name for info in storage.list()] == [c.name for c in committables]

    source = FileSource.for_json_lines(target, split_size="100k", s3=s3.options)
    splits = splits_of(source)
    assert len(splits) > len(committables)
    first = Reading(source, splits)
    before = first.fetch(700) + first.fetch(700)
    stored = msgspec.msgpack.encode(first.reader.snapshot())
    first.reader.close()
    after = Reading(source, msgspec.msgpack.decode(stored, type=list[FileSplit])).rest()
    assert before + after == rows


def test_csv_parts_far_behind_the_header_know_its_names(s3):
    storage = open_storage(s3.uri, s3.options)
    storage.write("in/a.csv", b"x,y\n" + b"".join(b"%d,b\n" % i for i in range(50_000)))
    source = FileSource.for_csv(f"{s3.uri}/in/*.csv", splittable=True, split_size="100k", s3=s3.options)
    rows = Reading(source, splits_of(source)).rest()
    assert rows == [{"x": str(i), "y": "b"} for i in range(50_000)]


def test_row_groups_on_s3_are_read_by_ranges_also_after_a_restore(s3):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"n": range(50_000), "unread": [b"x" * 50] * 50_000})
    file = pa.BufferOutputStream()
    parquet.write_table(table, file, row_group_size=9_000)
    open_storage(s3.uri, s3.options).write("in/a.parquet", file.getvalue().to_pybytes())
    source = FileSource.for_parquet(f"{s3.uri}/in", ["n"], split_size="100k", s3=s3.options)
    first = Reading(source, splits_of(source))
    before = [n for _ in range(8) for n in first.fetch(1500)["n"].to_pylist()]
    stored = msgspec.msgpack.encode(first.reader.snapshot())
    first.reader.close()
    after = Reading(source, msgspec.msgpack.decode(stored, type=list[FileSplit]))
    while batch := after.fetch(20_000):
        before += batch["n"].to_pylist()
    after.reader.close()
    assert before == list(range(50_000))


@pytest.mark.parametrize("kind", ["csv", "json lines"])
def test_lines_on_s3_are_read_as_columns_by_ranges_also_after_a_restore(s3, kind):
    pa = pytest.importorskip("pyarrow")
    numbers = range(20_000)
    schema = pa.schema({"n": pa.int64()})
    common = {"schema": schema, "split_size": "100k", "s3": s3.options}
    if kind == "csv":
        content = "unread,n\n" + "".join(f"é{n},{n}\n" for n in numbers)
        source = FileSource.for_csv_columns(f"{s3.uri}/in", splittable=True, **common)
    else:
        content = "".join(f'{{"unread": "é{n}", "n": {n}}}\n' for n in numbers)
        source = FileSource.for_json_lines_columns(f"{s3.uri}/in", **common)
    open_storage(s3.uri, s3.options).write("in/a", content.encode())
    splits = splits_of(source)
    assert len(splits) > 1
    first = Reading(source, splits)
    found = [n for _ in range(4) for n in first.fetch(1500)["n"].to_pylist()]
    stored = msgspec.msgpack.encode(first.reader.snapshot())
    first.reader.close()
    after = Reading(source, msgspec.msgpack.decode(stored, type=list[FileSplit]))
    while batch := after.fetch(20_000):
        found += batch["n"].to_pylist()
    after.reader.close()
    assert found == list(numbers)


def test_a_commit_on_s3_is_right_after_a_crash_at_any_line(s3):
    sink = FileSink.for_text_lines(f"{s3.uri}/out", s3=s3.options)
    writer, committer = sink.create_writer(context()), sink.create_committer()
    storage = open_storage(f"{s3.uri}/out", s3.options)
    writer.write(["x"], None)
    committables = writer.prepare_commit()
    writer.finish_prepare(committables)
    name = committables[0].name
    storage.write(name, storage.read(f".pending/{name}"))  # copied, and not deleted yet
    committer.commit(committables)
    assert [info.name for info in storage.list()] == [name]
    storage.delete(name)
    with pytest.raises(StorageError, match="lost: neither"):
        committer.commit(committables)


def test_leftovers_on_s3_are_removed(s3):
    sink = FileSink.for_text_lines(f"{s3.uri}/out", s3=s3.options)
    writer = sink.create_writer(context())
    writer.write(["x"], None)
    writer.finish_prepare(writer.prepare_commit())
    storage = open_storage(f"{s3.uri}/out", s3.options)
    [pending] = storage.list()
    for name in (pending.name, ".pending/notes"):
        storage._sent("POST", name, {"uploads": ""}, b"", None)  # begun by a process that died then
    sink.create_committer().abort_leftovers(context(attempt=2))
    assert list(storage.list()) == []
    assert [upload.name for upload in storage.uploads()] == [".pending/notes"]


def test_keys_that_may_not_write_are_refused_at_the_start(s3):
    reader = S3Options(s3.endpoint, None, READ_ONLY_KEY, READ_ONLY_SECRET)
    with pytest.raises(UserError, match=rf"cannot write to {s3.uri}/out: .*{READ_ONLY_KEY}"):
        FileSink.for_text_lines(f"{s3.uri}/out", s3=reader).create_writer(context())


def test_an_empty_prefix_or_a_missing_bucket_is_named(s3):
    with pytest.raises(UserError, match=rf"no object at or below {s3.uri}/nothing"):
        FileSource.for_csv(f"{s3.uri}/nothing", s3=s3.options).create_enumerator(EnumeratorContext(1))
    with pytest.raises((UserError, StorageError), match="no-such-bucket-here"):
        FileSource.for_csv("s3://no-such-bucket-here/in", s3=s3.options).create_enumerator(
            EnumeratorContext(1)
        )
