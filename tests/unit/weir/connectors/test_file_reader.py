from __future__ import annotations

import pytest

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.csv_rows import CsvDecoder, CsvShape
from weir.connectors.files.reading.formats import CsvRows, JsonLines, TextLines
from weir.connectors.files.reading.reader import FileReader
from weir.connectors.files.reading.rows import BrokenRows
from weir.connectors.files.reading.splits import FileSplit
from weir.errors import ObjectNotFound, RecordFormatError, UserError
from weir.storage import MemoryStorage

CSV = CsvRows(",", None, has_header=True, splittable=False)


def reader_of(format_, content, skip=False, splits=None, block_bytes=None):
    storage = MemoryStorage("in")
    storage.write("a", content)
    reader = FileReader(format_, skip, lambda root: storage, lambda: None, block_bytes)
    reader.add_splits(splits or [FileSplit("memory://in", "a", 0, len(content))])
    return reader


def rows_of(reader, max_rows=100):
    rows = []
    while not reader.is_idle():
        fetched = reader.fetch(max_rows)
        if fetched is not None:
            rows += fetched.values
    return rows


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"\n", [""]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\n\r\nb\r\n", ["a", "", "b"]),
        (b"a\rb\n", ["a\rb"]),
        (b"\xef\xbb\xbfa\nb", ["a", "b"]),
        (b"\xef\xbb\xbf", []),
        ("é\u2028x\x0cy\n".encode(), ["é\u2028x\x0cy"]),
    ],
)
def test_lines_end_at_newlines_and_nowhere_else(content, rows):
    splits = [FileSplit("memory://in", "a", 0, len(content))]
    assert rows_of(reader_of(TextLines(), content, splits=splits)) == rows


@pytest.mark.parametrize(
    "format_", [JsonLines(int), CsvRows(",", ("a", "b"), has_header=False, splittable=False)]
)
def test_much_without_a_row_is_read_in_turns(format_):
    reader = reader_of(format_, b"x\n" * 1000, skip=True)
    turns = [reader.fetch(100) for _ in range(5)]
    assert [(turn.values, turn.timestamps) for turn in turns] == [([], None)] * 5
    assert not reader.is_idle()
    assert rows_of(reader) == []


def test_the_position_is_the_offset_of_the_next_row_at_every_moment():
    reader = reader_of(TextLines(), "é\r\nbb\n\nc".encode())
    positions = []
    while reader.fetch(1):
        positions += [split.position for split in reader.snapshot()]
    assert positions == [4, 7, 8, 9]


def test_a_split_that_was_not_begun_is_stored_as_it_was_given():
    split = FileSplit("memory://in", "a", 1, 3)
    reader = reader_of(TextLines(), b"ab\ncd\n", splits=[split])
    assert reader.snapshot() == [split]


def test_a_header_is_no_row_and_names_the_fields():
    assert rows_of(reader_of(CSV, b'\xef\xbb\xbfx,"y ""z"""\r\n1,2\r\n')) == [{"x": "1", 'y "z"': "2"}]


def test_a_header_that_is_cut_by_a_split_is_read_by_all_and_given_by_none():
    content = b"left,right\n1,2\n3,4\n"
    format_ = CsvRows(",", None, has_header=True, splittable=True)
    splits = [FileSplit("memory://in", "a", i, i + 1) for i in range(len(content))]
    assert rows_of(reader_of(format_, content, splits=splits)) == [
        {"left": "1", "right": "2"},
        {"left": "3", "right": "4"},
    ]


def test_fields_name_the_columns_of_files_without_a_header():
    format_ = CsvRows(";", ("a", "b"), has_header=False, splittable=False)
    assert rows_of(reader_of(format_, b"1;2\n\n3;4")) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_fields_replace_the_names_of_a_header():
    format_ = CsvRows(",", ("a", "b"), has_header=True, splittable=False)
    assert rows_of(reader_of(format_, b"x,x\n1,2\n")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("content", [b"", b"x,y\n", b"x,y", b"\n\n", b"\xef\xbb\xbf"])
def test_a_csv_file_without_rows_gives_none(content):
    assert rows_of(reader_of(CSV, content, splits=[FileSplit("memory://in", "a", 0, len(content))])) == []


def test_a_record_that_is_much_longer_than_a_block_is_read():
    cell = "x\n" * 5000
    content = f'a,b\n1,"{cell}"\n2,y\n'.encode()
    assert rows_of(reader_of(CSV, content, block_bytes=64)) == [{"a": "1", "b": cell}, {"a": "2", "b": "y"}]


def test_a_line_of_several_megabytes_is_read():
    line = "x" * 3_000_000
    assert rows_of(reader_of(TextLines(), f"{line}\nb\n".encode(), block_bytes=1000)) == [line, "b"]


@pytest.mark.parametrize(
    ("format_", "content", "message"),
    [
        (
            JsonLines(),
            b'{"a": 1}\n{"a": oops}\n',
            r"memory://in/a, byte 9: not a JSON value .*begins with '{\"a\": oops}'",
        ),
        (JsonLines(), b"1 2\n", r"byte 0: not a JSON value"),
        (JsonLines(), b'{"a":\n1}\n', r"byte 0: not a JSON value"),
        (JsonLines(dict[str, int]), b'{"a": "x"}', r"Expected `int`, got `str`"),
        (JsonLines(), b"[" * 100_000, r"not a JSON value .*recursion.*\[\[\[\['\.\.\.\. Correct"),
        (TextLines(), b"ok\n\xff\xfe\n", r"byte 3: not UTF-8"),
        (CSV, b"a,b\n1,2\n3\n", r"byte 8: 1 fields, but the header names 2; the row begins with '3\\n'"),
        (CSV, b"a,b\n1,2,3\n", r"byte 4: 3 fields, but the header names 2"),
        (CSV, b"a,b\n1,\xff\n", r"byte 4: not UTF-8"),
        (CSV, b'a,b\n1,"x"y\n', r"byte 4: ',' expected after '\"'"),
        (
            CSV,
            b'a,b\n1,"x\n2,3\n',
            r"byte 4: a quote is opened and never closed; the row begins with '1,\"x\\n'",
        ),
        (CSV, b"a,a\n1,2\n", r"header names 'a' twice; .*fields=\[\.\.\.\], header=True"),
        (CSV, b"\xff\xfea\n", r"byte 0: the header is not UTF-8"),
        (CSV, b'"a,b\n', r"header cannot be read"),
        (
            CsvRows(",", None, has_header=True, splittable=True),
            b'a,b\n1,"x\ny"\n',
            r"byte 4: a quoted field goes on .* leave out splittable=True",
        ),
    ],
)
def test_a_row_that_cannot_be_parsed_is_named_by_file_place_reason_and_excerpt(format_, content, message):
    with pytest.raises(RecordFormatError, match=message) as raised:
        rows_of(reader_of(format_, content))
    assert len(str(raised.value)) < 700


@pytest.mark.parametrize(
    ("format_", "content", "rows", "skipped"),
    [
        (JsonLines(), b"1\n\nx\n2\ny\n", [1, 2], 2),
        (TextLines(), b"\xff\na\n\xff\nb", ["a", "b"], 2),
        (CSV, b"a,b\n1\n1,2\n\n1,2,3\n\xff,1\n3,4\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}], 3),
        (
            CSV,
            b'a,b\n1,2\n"x,3\n4,5\n6,7',
            [{"a": "1", "b": "2"}, {"a": "4", "b": "5"}, {"a": "6", "b": "7"}],
            1,
        ),
        (CSV, b'a,b\n1,"x"y\n2,3\n', [{"a": "2", "b": "3"}], 1),
        (CSV, b"a,b\n1\n", [], 1),
    ],
)
@pytest.mark.parametrize("max_rows", [1, 2, 100])
@pytest.mark.parametrize("block_bytes", [3, 1000])
def test_broken_rows_are_left_out_and_counted_when_that_is_asked_for(
    monkeypatch, format_, content, rows, skipped, max_rows, block_bytes
):
    logged = []
    monkeypatch.setattr(
        "weir.connectors.files.reading.reader._log.warning", lambda text, **facts: logged.append(facts)
    )
    reader = reader_of(format_, content, skip=True, block_bytes=block_bytes)
    assert rows_of(reader, max_rows) == rows
    assert [facts["rows"] for facts in logged] == [skipped]
    assert "memory://in/a, byte " in logged[0]["first"]


def test_a_quote_that_never_ends_is_given_up_at_a_limit(monkeypatch):
    monkeypatch.setattr("weir.connectors.files.reading.csv_rows.MAX_RECORD_BYTES", 100)
    broken = BrokenRows("f", skip=False)
    decoder = CsvDecoder(broken, CsvShape(("a",), ",", multi_line=True))
    decoder.load(Chunk(0, b'"x\n'))
    assert decoder.take(10) == []
    decoder.load(Chunk(3, b"y\n" * 20))
    assert decoder.take(10) == []
    decoder.load(Chunk(43, b"y\n" * 60))
    with pytest.raises(RecordFormatError, match="never closed"):
        decoder.take(10)


def test_the_limit_is_on_a_record_and_not_on_the_file(monkeypatch):
    monkeypatch.setattr("weir.connectors.files.reading.csv_rows.MAX_RECORD_BYTES", 100)
    decoder = CsvDecoder(BrokenRows("f", skip=False), CsvShape(("a",), ",", multi_line=True))
    decoder.load(Chunk(0, b"1\n" * 80))
    assert len(decoder.take(1000)) == 80
    decoder.load(Chunk(160, b'"x\n'))
    assert decoder.take(1000) == []
    decoder.load(Chunk(163, b'y"\n'))
    assert decoder.take(1000) == [{"a": "x\ny"}]
    assert decoder.position == 166


def test_a_file_that_was_cut_short_since_it_was_found_is_an_error():
    with pytest.raises(UserError, match=r"memory://in/a ends at byte 4, but had 9 or more bytes"):
        rows_of(reader_of(TextLines(), b"a\nb\n", splits=[FileSplit("memory://in", "a", 0, 9)]))


def test_a_file_that_is_gone_is_an_error():
    with pytest.raises(ObjectNotFound, match="memory://in/b"):
        rows_of(reader_of(TextLines(), b"a\n", splits=[FileSplit("memory://in", "b", 0, 9)]))


def test_what_was_appended_after_a_file_was_found_is_not_read():
    content = b"a\nb\nc\n"
    assert rows_of(reader_of(TextLines(), content, splits=[FileSplit("memory://in", "a", 0, 4)])) == [
        "a",
        "b",
    ]
