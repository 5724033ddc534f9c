from __future__ import annotations

import pytest

from weir.connectors import CollectSink, PrintSink, WriterContext
from weir.errors import StorageError


def context(subtask=0, parallelism=1, attempt=1):
    return WriterContext("j" * 32, "o" * 32, subtask, parallelism, 1, attempt)


def test_collected_rows_are_seen_at_once_in_order():
    sink = CollectSink()
    writer = sink.create_writer(context())
    writer.write([1, 2], None)
    writer.write([3], [30])
    assert sink.results == [1, 2, 3]
    assert sink.timestamped == [(None, 1), (None, 2), (30, 3)]
    assert writer.prepare_commit() == []
    assert sink.committable_type is None
    assert not sink.transactional


def test_two_phase_rows_appear_with_their_commit_and_once():
    sink = CollectSink(two_phase=True)
    writer, committer = sink.create_writer(context()), sink.create_committer()
    writer.write([1], None)
    first = writer.prepare_commit()
    writer.write([2], None)
    assert sink.results == []
    committer.commit(first)
    committer.commit(first)
    assert sink.results == [1]
    assert isinstance(first[0], sink.committable_type)


def test_rows_of_an_attempt_that_died_are_never_seen():
    sink = CollectSink(two_phase=True)
    sink.create_writer(context()).write([1], None)
    again = sink.create_writer(context(attempt=2))
    again.write([1], None)
    sink.create_committer().commit(again.prepare_commit())
    assert sink.results == [1]


def test_rows_lost_with_another_process_are_an_error():
    writer = CollectSink(two_phase=True).create_writer(context())
    writer.write([1], None)
    with pytest.raises(StorageError, match="process that is gone"):
        CollectSink(two_phase=True).create_committer().commit(writer.prepare_commit())


@pytest.mark.parametrize(
    ("prefix", "parallelism", "line"),
    [
        ("", 1, "('a', 1)\n"),
        ("out", 1, "out> ('a', 1)\n"),
        ("", 3, "2> ('a', 1)\n"),
        ("out", 3, "out:2> ('a', 1)\n"),
    ],
)
def test_printed_lines_look_as_in_flink(capsys, prefix, parallelism, line):
    writer = PrintSink(prefix).create_writer(context(1, parallelism))
    writer.write([("a", 1)], None)
    assert writer.prepare_commit() == []
    assert capsys.readouterr().out == line


def test_printing_to_stderr_leaves_stdout_alone(capsys):
    PrintSink(to_stderr=True).create_writer(context()).write(["x", "y"], None)
    assert capsys.readouterr() == ("", "x\ny\n")
