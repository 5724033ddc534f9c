"""Whatever is in the files, however they are cut, and wherever a reader is stopped and restored: every row once."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.stopped_reading import read_with_stops
from weir.connectors.files.reading.chunks import LineRange, line_chunks
from weir.connectors.files.reading.formats import CsvRows, JsonLines, TextLines
from weir.connectors.files.reading.splits import FoundFile, cut

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
