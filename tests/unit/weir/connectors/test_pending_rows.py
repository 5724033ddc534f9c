"""What readers say that is left of their splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from weir import CollectionSource, DataGeneratorSource, FileSource, ReaderContext
from weir.connectors.source import EnumeratorContext, Pending, Source, SplitReader

LINES = "".join(f"line {number:03}\n" for number in range(100))


def reader_of(source: Source, everything: int = 1) -> SplitReader:
    """A reader that got all splits."""
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    enumerator = source.create_enumerator(EnumeratorContext(1))
    for assignment in [
        *enumerator.start(),
        *(a for _ in range(everything) for a in enumerator.handle_request(0)),
    ]:
        reader.add_splits(assignment.splits)
    return reader


@pytest.mark.parametrize(
    "source",
    [DataGeneratorSource(lambda i: i, count=100, num_splits=3), CollectionSource(list(range(100)))],
    ids=["generator", "collection"],
)
def test_rows_are_counted_down_to_nothing(source: Source) -> None:
    reader, read = reader_of(source, everything=10), 0
    assert reader.pending() == Pending(records=100)
    while (fetched := reader.fetch(7)) is not None:
        read += len(fetched.values)
        assert reader.pending() == Pending(records=100 - read)
    assert read == 100


def test_an_endless_generator_does_not_know() -> None:
    assert reader_of(DataGeneratorSource(lambda i: i)).pending() == Pending()


def test_of_files_the_bytes_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LINES)
    (tmp_path / "b.txt").write_text(LINES)
    reader, left = reader_of(FileSource.for_text_lines(str(tmp_path)), everything=2), 2 * len(LINES)
    assert reader.pending() == Pending(bytes=left)
    while (fetched := reader.fetch(30)) is not None:
        left -= sum(len(line) + 1 for line in fetched.values)
        assert reader.pending() == Pending(bytes=left)
    assert left == 0


def test_the_position_of_a_restored_split_counts() -> None:
    source = DataGeneratorSource(lambda i: i, count=100)
    before = reader_of(source)
    before.fetch(40)
    after = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    after.add_splits(before.snapshot())
    assert after.pending() == Pending(records=60)
