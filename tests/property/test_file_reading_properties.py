"""Whatever is in the files, however they are cut, and wherever a reader is stopped and restored: every row once."""

from __future__ import annotations

import csv
import io
import itertools
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.connectors.files.reading.chunks import LineRange, line_chunks
from weir.connectors.files.reading.formats import CsvRows, JsonLines, TextLines
from weir.connectors.files.reading.reader import FileReader
from weir.connectors.files.reading.splits import FileSplit, FoundFile, cut
from weir.storage import MemoryStorage

BOM = b"\xef\xbb\xbf"

newline = st.sampled_from(["\n", "\r\n"])
text_line = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12)
cell = st.text(st.sampled_from('ab,"\n\r é\x0b\u2028;'), max_size=6)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def lines_file(draw, line):
    lines = draw(st.lists(line, max_size=12))
    data = "".join(text + draw(newline) for text in lines).encode()
    if draw(st.booleans()):
        data = data.removesuffix(b"\n").removesuffix(b"\r")
    return (BOM if draw(st.booleans()) else b"") + data


@st.composite
def csv_file(draw, cell=cell):
    out = io.StringIO()
    ends = draw(newline)
    quote_all = draw(st.booleans())
    writer = csv.writer(out, lineterminator=ends, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    if not quote_all:  # the writer leaves a bare \r unquoted, which no reader takes
        cell = cell.filter(lambda text: "\r" not in text)
    names = draw(st.lists(cell.filter(bool), min_size=1, max_size=3, unique=True))
    writer.writerow(names)
    for row in draw(st.lists(st.tuples(*[cell for _ in names]), max_size=8)):
        if draw(st.integers(0, 5)) == 0:
            out.write(ends)
        writer.writerow(row)
    data = out.getvalue()
    if draw(st.booleans()):
        data = data.removesuffix(ends)
    return (BOM if draw(st.booleans()) else b"") + data.encode()


def read_with_stops(format_, files, data):
    """All rows by file, read by a reader that is replaced by one restored from its snapshot now and then."""
    split_bytes = data.draw(st.integers(1, 40))
    block_bytes = data.draw(st.integers(1, 50))
    storage = MemoryStorage("in")
    splits = []
    for name, content in files.items():
        storage.write(name, content)
        found = FoundFile("memory://in", name, len(content))
        splits += cut(found, split_bytes if format_.splittable else None)

    def reader_with(some):
        reader = FileReader(format_, False, lambda root: storage, lambda: None, block_bytes)
        reader.add_splits(some)
        return reader

    rows = {split.split_id: [] for split in splits}
    finished = []
    reader = reader_with(splits)
    while not reader.is_idle():
        if data.draw(st.integers(0, 3)) == 0:
            stored = msgspec.msgpack.encode(reader.snapshot())
            reader.close()
            reader = reader_with(msgspec.msgpack.decode(stored, type=list[FileSplit]))
        fetched = reader.fetch(data.draw(st.integers(1, 5)))
        if fetched is not None:
            assert fetched.values
            rows[fetched.split_id] += fetched.values
        finished += reader.finished_splits()
    assert finished == [split.split_id for split in splits]
    by_file = {name: [] for name in files}
    for split in splits:
        by_file[split.name] += rows[split.split_id]
    return by_file


def plain_lines(data):
    lines = data.removeprefix(BOM).decode().split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def plain_csv(data):
    return list(csv.DictReader(io.StringIO(data.removeprefix(BOM).decode(), newline="")))


@settings(max_examples=300)
@given(st.data(), st.lists(lines_file(text_line), min_size=1, max_size=3))
def test_text_lines_are_read_once_each_in_order(data, contents):
    files = {f"{i}.txt": content for i, content in enumerate(contents)}
    rows = read_with_stops(TextLines(), files, data)
    assert rows == {name: plain_lines(content) for name, content in files.items()}


@settings(max_examples=200)
@given(st.data(), lines_file(st.one_of(json_value.map(json.dumps), st.just(" "), st.just(""))))
def test_json_lines_are_read_once_each_in_order(data, content):
    rows = read_with_stops(JsonLines(), {"a": content}, data)
    assert rows["a"] == [json.loads(line) for line in plain_lines(content) if line.strip()]


@settings(max_examples=400)
@given(st.data(), csv_file())
def test_csv_records_are_read_once_each_in_order_also_with_quoted_newlines(data, content):
    format_ = CsvRows(",", None, has_header=True, splittable=False)
    assert read_with_stops(format_, {"a": content}, data)["a"] == plain_csv(content)


one_line_cell = st.text(st.sampled_from('ab,"é\x0b;'), max_size=6)


@settings(max_examples=300)
@given(st.data(), csv_file(one_line_cell))
def test_a_csv_file_without_quoted_newlines_may_be_cut_anywhere(data, content):
    format_ = CsvRows(",", None, has_header=True, splittable=True)
    assert read_with_stops(format_, {"a": content}, data)["a"] == plain_csv(content)


@settings(max_examples=300)
@given(st.binary(max_size=60).map(lambda b: b.replace(b"x", b"\n")), st.data())
def test_neighbouring_ranges_share_all_lines_between_them(content, data):
    borders = sorted(data.draw(st.sets(st.integers(0, len(content)), max_size=4)) | {0, len(content)})
    block = data.draw(st.integers(1, 70))

    def read(offset, length):
        return content[offset : offset + length]

    chunks = []
    for begin, end in itertools.pairwise(borders):
        found = list(line_chunks(read, LineRange(begin, end, aligned=begin == 0), block, "x"))
        for chunk in found:
            assert begin <= chunk.offset < end
            assert chunk.data == content[chunk.offset : chunk.offset + len(chunk.data)]
            assert chunk.data.endswith(b"\n") or chunk.offset + len(chunk.data) == len(content)
        chunks += found
    assert b"".join(chunk.data for chunk in chunks) == content


@pytest.mark.parametrize("target", [1, 7, 64, None])
@given(size=st.integers(0, 500))
def test_splits_cover_a_file_without_gaps_and_are_not_larger_than_asked(target, size):
    splits = cut(FoundFile("r", "n", size), target)
    ends = [0, *(split.end for split in splits)]
    assert [split.start for split in splits] == ends[:-1]
    assert ends[-1] == size
    assert all(0 < split.end - split.start <= (target or size) for split in splits)
