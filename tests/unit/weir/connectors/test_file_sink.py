from __future__ import annotations

import itertools

import msgspec
import pytest

from weir.connectors import FileSink, WriterContext
from weir.connectors.files.writing.part_names import PartName, leftovers, parse, part_name
from weir.errors import StorageError, StorageUnavailable, UserError
from weir.storage import MemoryStorage
from weir.storage.faults import Fail, FaultInjector, LoseResponse, Operation

spaces = itertools.count()


def context(subtask=0, parallelism=1, epoch=1, attempt=1, job="a" * 32, operator="b" * 32):
    return WriterContext(job, operator, subtask, parallelism, epoch, attempt)


@pytest.fixture
def out():
    return MemoryStorage.named(f"sink-{next(spaces)}")


@pytest.fixture
def sink(out):
    return FileSink.for_json_lines(out.uri)


def names(storage):
    return [info.name for info in storage.list()]


def one_checkpoint(writer):
    committables = writer.prepare_commit()
    writer.finish_prepare(committables)
    return committables


def test_rows_are_visible_with_their_commit_and_not_before(sink, out):
    writer = sink.create_writer(context())
    writer.write([{"a": 1}, (2, "x")], None)
    writer.write([3], None)
    committables = one_checkpoint(writer)
    final = "part-bbbbbbbb-aaaaaaaaaaaa-0-1-1-000000.jsonl"
    assert names(out) == [f".pending/{final}"]
    sink.create_committer().commit(committables)
    assert names(out) == [final]
    assert out.read(final) == b'{"a":1}\n[2,"x"]\n3\n'


def test_committables_survive_being_stored(sink, out):
    writer = sink.create_writer(context())
    writer.write([1], None)
    stored = msgspec.msgpack.encode(one_checkpoint(writer))
    restored = msgspec.msgpack.decode(stored, type=list[sink.committable_type])
    sink.create_committer().commit(restored)
    assert names(out) == ["part-bbbbbbbb-aaaaaaaaaaaa-0-1-1-000000.jsonl"]


def test_each_checkpoint_has_files_of_its_own_and_an_empty_one_has_none(sink, out):
    writer, committer = sink.create_writer(context()), sink.create_committer()
    writer.write([1], None)
    committer.commit(one_checkpoint(writer))
    assert one_checkpoint(writer) == []
    writer.write([2], None)
    committer.commit(one_checkpoint(writer))
    assert [out.read(name) for name in names(out)] == [b"1\n", b"2\n"]


def test_a_batch_without_rows_opens_no_file(sink, out):
    writer = sink.create_writer(context())
    writer.write([], None)
    assert one_checkpoint(writer) == []


def test_files_roll_at_their_size_within_a_checkpoint(out):
    sink = FileSink.for_text_lines(out.uri, roll_size=6)
    writer = sink.create_writer(context())
    for value in ("aaa", "bbb", "c"):
        writer.write([value], None)
    sink.create_committer().commit(one_checkpoint(writer))
    assert [out.read(name) for name in names(out)] == [b"aaa\nbbb\n", b"c\n"]


def test_many_closed_files_are_made_durable_before_the_barrier(monkeypatch, out):
    monkeypatch.setattr("weir.connectors.files.sink.MAX_WAITING_FILES", 2)
    sink = FileSink.for_text_lines(out.uri, roll_size=1)
    writer = sink.create_writer(context())
    for value in range(3):
        writer.write([value], None)
    assert len(names(out)) == 3
    assert writer._waiting == {}
    sink.create_committer().commit(one_checkpoint(writer))
    assert [out.read(name) for name in names(out)] == [b"0\n", b"1\n", b"2\n"]


def test_every_csv_file_begins_with_the_header(out):
    sink = FileSink.for_csv(out.uri, ["x", "y"], delimiter=";")
    writer, committer = sink.create_writer(context()), sink.create_committer()
    writer.write([{"y": None, "x": "a;b"}, (1, 'q"')], None)
    committer.commit(one_checkpoint(writer))
    writer.write([["l\nm", 2.5]], None)
    committer.commit(one_checkpoint(writer))
    assert [out.read(name) for name in names(out)] == [
        b'x;y\n"a;b";\n1;"q"""\n',
        b'x;y\n"l\nm";2.5\n',
    ]


def committed(writer):
    writer.write([1], None)
    return one_checkpoint(writer)


def test_a_commit_can_be_repeated_after_a_crash_at_any_line(sink, out):
    committables = committed(sink.create_writer(context()))
    (final,) = [c.name for c in committables]
    for leave_pending, leave_final in ((True, False), (True, True), (False, True)):
        out.delete(f".pending/{final}")
        out.delete(final)
        if leave_pending:
            out.write(f".pending/{final}", b"1\n")
        if leave_final:
            out.write(final, b"1\n")
        sink.create_committer().commit(committables)
        sink.create_committer().commit(committables)
        assert (names(out), out.read(final)) == ([final], b"1\n")


def test_a_committable_whose_bytes_are_nowhere_is_a_loud_error_that_names_both_places(sink, out):
    committables = committed(sink.create_writer(context()))
    out.delete(f".pending/{committables[0].name}")
    with pytest.raises(
        StorageError, match=r"lost: neither .*/\.pending/part-\S+ nor the final file \S+/part-"
    ) as raised:
        sink.create_committer().commit(committables)
    assert not raised.value.retryable


def test_committables_of_another_target_are_committed_there(out):
    old = FileSink.for_json_lines(f"{out.uri}/old")
    committables = committed(old.create_writer(context()))
    FileSink.for_json_lines(f"{out.uri}/new").create_committer().commit(committables)
    assert names(out) == [f"old/{committables[0].name}"]


class Faulty:
    """Puts faults between a sink and its memory storage."""

    def __init__(self, monkeypatch, out):
        self.storage = FaultInjector(out)
        monkeypatch.setattr("weir.connectors.files.sink.open_storage", lambda uri, s3: self.storage)


def test_a_failed_upload_declines_the_checkpoint_and_the_next_one_makes_up_for_it(monkeypatch, sink, out):
    faulty = Faulty(monkeypatch, out)
    writer = sink.create_writer(context())
    faulty.storage.inject(Operation.WRITE, Fail(), ".pending/part")
    writer.write([1], None)
    first = writer.prepare_commit()
    with pytest.raises(StorageUnavailable):
        writer.finish_prepare(first)
    writer.write([2], None)
    second = one_checkpoint(writer)
    sink.create_committer().commit([*first, *second])
    assert [out.read(name) for name in names(out)] == [b"1\n", b"2\n"]


def test_a_commit_whose_answer_was_lost_is_repeated(monkeypatch, sink, out):
    faulty = Faulty(monkeypatch, out)
    committables = committed(sink.create_writer(context()))
    faulty.storage.inject(Operation.RENAME, LoseResponse())
    committer = sink.create_committer()
    with pytest.raises(StorageUnavailable):
        committer.commit(committables)
    committer.commit(committables)
    assert names(out) == [committables[0].name]


def test_a_closed_writer_makes_nothing_visible_and_lets_no_checkpoint_complete(sink, out):
    writer = sink.create_writer(context())
    writer.write([1], None)
    prepared = writer.prepare_commit()
    writer.write([2], None)
    writer.close()
    with pytest.raises(StorageError, match="closed before part-"):
        writer.finish_prepare(prepared)
    assert names(out) == []


def test_leftovers_of_earlier_attempts_are_removed_and_nothing_else(sink, out):
    keep = [
        part_name(context(attempt=2), 0, ".jsonl"),
        part_name(context(job="c" * 32), 0, ".jsonl"),
        part_name(context(operator="d" * 32), 0, ".jsonl"),
        part_name(context(epoch=9), 0, ".jsonl"),
    ]
    gone = [part_name(context(epoch=e, attempt=a), 3, ".txt") for e, a in ((1, 1), (0, 7))]
    for name in [*keep, *gone, "part-of-somebody.jsonl"]:
        out.write(f".pending/{name}", b"")
    out.write(str(gone[0]), b"committed")
    sink.create_committer().abort_leftovers(context(attempt=2))
    assert names(out) == sorted([*(f".pending/{n}" for n in [*keep, "part-of-somebody.jsonl"]), str(gone[0])])


def test_each_leftover_falls_to_one_subtask_also_when_the_parallelism_shrank():
    old = [str(part_name(context(subtask=i, parallelism=5), 0, ".txt")) for i in range(5)]
    shares = [leftovers(old, context(subtask=i, parallelism=2, attempt=2)) for i in range(2)]
    assert [len(share) for share in shares] == [3, 2]
    assert sorted(shares[0] + shares[1]) == sorted(old)


def test_leftovers_that_cannot_be_removed_do_not_fail_the_job(monkeypatch, sink, out):
    faulty = Faulty(monkeypatch, out)
    logged = []
    monkeypatch.setattr("weir.connectors.files.sink._log.warning", lambda text, **facts: logged.append(facts))
    faulty.storage.inject(Operation.LIST, Fail())
    sink.create_committer().abort_leftovers(context(attempt=2))
    assert "injected fault" in logged[0]["error"]


def test_a_name_is_read_back_as_it_was_made():
    name = part_name(context(3, 4, 12, 5), 7, ".csv")
    assert parse(str(name)) == name == PartName("b" * 8, "a" * 12, 3, 12, 5, 7, ".csv")
    assert parse("part-1.jsonl") is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FileSink.for_json_lines(""), "empty path"),
        (lambda: FileSink.for_json_lines("a", roll_size="big"), "roll_size='big'"),
        (lambda: FileSink.for_csv("a", "xy"), "header='xy'; give a list"),
        (lambda: FileSink.for_csv("a", ["x", "x"]), "names each column once"),
        (lambda: FileSink.for_csv("a", ["x"], delimiter=""), "delimiter=''"),
    ],
)
def test_bad_arguments_of_a_file_sink_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()
