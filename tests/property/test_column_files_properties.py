"""Columns of files, however these are cut, and wherever a reader is stopped and restored: every row once, in order."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

from tests.support.stopped_reading import read_with_stops  # noqa: E402
from weir.connectors.files.reading.column_decoder import closed_end  # noqa: E402
from weir.connectors.files.reading.column_formats import CsvColumns, JsonColumns, ParquetColumns  # noqa: E402

SCHEMA = pa.schema({"n": pa.int64(), "text": pa.string()})
numbers = st.integers(-(2**63), 2**63 - 1)
newline = st.sampled_from(["\n", "\r\n"])


def dicts(batch):
    return batch.to_pylist()


def rows_with(texts):
    return st.lists(st.fixed_dictionaries({"n": numbers, "text": texts}), max_size=12)


@st.composite
def parquet_file(draw):
    rows = draw(rows_with(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)))
    out = io.BytesIO()
    with parquet.ParquetWriter(out, SCHEMA) as writer:
        for begin in range(0, len(rows), size := draw(st.integers(1, 5))):
            writer.write_table(pa.Table.from_pylist(rows[begin : begin + size], SCHEMA))
    return rows, out.getvalue()


@settings(max_examples=100, deadline=None)
@given(st.data(), st.lists(parquet_file(), min_size=1, max_size=2))
def test_row_groups_are_read_once_each_in_order(data, files):
    contents = {f"{number}.parquet": content for number, (_, content) in enumerate(files)}
    splits = max(len(content) for content in contents.values()) // data.draw(st.integers(1, 6))
    found = read_with_stops(ParquetColumns(None, None), contents, data, dicts, split_bytes=splits)
    assert found == {f"{number}.parquet": rows for number, (rows, _) in enumerate(files)}


@settings(max_examples=200, deadline=None)
@given(st.data(), rows_with(st.text(st.characters(exclude_categories=["Cs"]), max_size=4)), newline)
def test_json_lines_become_columns_once_each_in_order(data, rows, end):
    lines = [
        json.dumps({**row, "other": [None]}, ensure_ascii=data.draw(st.booleans())) + end for row in rows
    ]
    lines = [line + data.draw(st.sampled_from(["", end, " " + end])) for line in lines]
    content = (b"\xef\xbb\xbf" if data.draw(st.booleans()) else b"") + "".join(lines).encode()
    assert read_with_stops(JsonColumns(SCHEMA, None), {"a": content}, data, dicts)["a"] == rows


@settings(max_examples=300, deadline=None)
@given(st.data(), rows_with(st.text(st.sampled_from('ab,"\n\r é;'), max_size=6)), newline, st.booleans())
def test_csv_becomes_columns_once_each_in_order_also_with_quoted_newlines(data, rows, end, header):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    if header:
        writer.writerow(["other", "text", "n"])
    writer.writerows([[1, row["text"], row["n"]] if header else [row["n"], row["text"]] for row in rows])
    content = out.getvalue()
    content = content.removesuffix(end) if data.draw(st.booleans()) else content
    format_ = CsvColumns(SCHEMA, ",", header, None, splittable=False)
    assert read_with_stops(format_, {"a": content.encode()}, data, dicts)["a"] == rows


@settings(max_examples=200, deadline=None)
@given(st.data(), rows_with(st.text(st.sampled_from("ab, é;"), max_size=6)), newline)
def test_csv_without_quoted_newlines_may_be_cut_anywhere(data, rows, end):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    writer.writerows([["n", "text"], *([row["n"], row["text"]] for row in rows)])
    format_ = CsvColumns(SCHEMA, ",", has_header=True, timestamp_column=None, splittable=True)
    assert read_with_stops(format_, {"a": out.getvalue().encode()}, data, dicts)["a"] == rows


@given(st.text('a"\n', max_size=20), st.booleans())
def test_a_row_ends_at_the_last_newline_outside_of_quotes(text, inside):
    closed = [
        end
        for end in range(1, len(text) + 1)
        if (text[end - 1] == "\n" or end == len(text)) and (text[:end].count('"') + inside) % 2 == 0
    ]
    assert closed_end(text.encode(), inside=inside) == max(closed, default=0)
