from __future__ import annotations

import datetime as dt
import io
import itertools

import pytest

pa = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

from weir import FileSource, StreamExecutionEnvironment  # noqa: E402
from weir.connectors import EnumeratorContext, ReaderContext  # noqa: E402
from weir.connectors.timestamp_column import event_times  # noqa: E402
from weir.errors import GraphError, RecordFormatError, UserCodeError, UserError  # noqa: E402
from weir.storage import MemoryStorage  # noqa: E402

SCHEMA = pa.schema({"n": pa.int64(), "word": pa.string()})
spaces = itertools.count()
ROWS = [{"n": number, "word": f"word {number}", "time": number * 10} for number in range(20)]


@pytest.fixture
def space():
    """A memory storage of this test's own."""
    return MemoryStorage.named(f"columns-{next(spaces)}")


def put(storage, content, name="in/a"):
    storage.write(name, content)
    return f"{storage.uri}/in"


def packed(rows, **options):
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), out, **options)
    return out.getvalue()


def read(source, most=100):
    """All batches of a source, with their event times."""
    enumerator = source.create_enumerator(EnumeratorContext(1))
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    found, more = [], True
    while more:
        (assignment,) = enumerator.handle_request(0)
        more = not assignment.no_more
        reader.add_splits(assignment.splits)
        while not reader.is_idle():
            fetched = reader.fetch(most)
            if fetched is not None and len(fetched.values):
                found.append((fetched.values, fetched.timestamps))
    return found


def rows_of(source, most=100):
    return [row for batch, _ in read(source, most) for row in batch.to_pylist()]


def test_only_the_named_columns_of_parquet_are_read_in_their_order(space):
    source = FileSource.for_parquet(put(space, packed(ROWS)), ["word", "n"])
    ((batch, timestamps),) = read(source)
    assert batch.schema.names == ["word", "n"]
    assert batch.to_pylist() == [{"word": row["word"], "n": row["n"]} for row in ROWS]
    assert timestamps is None


def test_a_timestamp_column_gives_event_times_in_milliseconds(space):
    source = FileSource.for_parquet(put(space, packed(ROWS, row_group_size=8)), timestamp_column="time")
    assert [times.tolist() for _, times in read(source)] == [
        [row["time"] for row in part] for part in (ROWS[:8], ROWS[8:16], ROWS[16:])
    ]


def test_row_groups_of_a_file_go_to_the_split_in_which_they_begin(space):
    source = FileSource.for_parquet(put(space, packed(ROWS, row_group_size=3)), split_size=300)
    splits = []
    enumerator = source.create_enumerator(EnumeratorContext(1))
    while not (found := enumerator.handle_request(0)[0]).no_more:
        splits += found.splits
    assert len(splits) > 3
    assert sorted(row["n"] for row in rows_of(source)) == list(range(20))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_event_times_may_be_arrow_timestamps_of_any_unit(unit):
    moment = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    batch = pa.record_batch({"at": pa.array([moment], pa.timestamp(unit, "Europe/Vienna"))})
    assert event_times(batch, "at").tolist() == [int(moment.timestamp() * 1000)]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1.5]), "'at' is double; expected int64 milliseconds or an Arrow timestamp"),
        (pa.array([1, None]), "'at' has 1 nulls in a batch of 2 rows"),
    ],
)
def test_a_timestamp_column_without_a_time_for_each_row_is_named(column, message):
    with pytest.raises(UserCodeError, match=message):
        event_times(pa.record_batch({"at": column}), "at")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"n,word\n1,a\nx,b\n2,c\n", r"in/a, byte 11: .*invalid value 'x'.*begins with 'x,b\\n'"),
        (b"n,word\n1,a\n2\n", r"byte 11: .*Expected 2 columns, got 1"),
        (b"n,other\n1,a\n", r"has no column 'word'; its header names n, other"),
        (b'n,word\n1,"a\n2,b\n', r"byte 7: a quote is opened and never closed; .*begins with '1,\"a\\n'"),
        (b"n,word\n \n \n1,a\n", r"byte 7: .*Expected 2 columns, got 1:  ; the row begins with ' \\n'"),
        (b"n,word\n1,\xff\n", r"byte 7: .*UTF8"),
    ],
)
def test_csv_that_does_not_fit_the_schema_is_named_by_file_place_and_row(space, content, message):
    with pytest.raises(RecordFormatError, match=message):
        read(FileSource.for_csv_columns(put(space, content), SCHEMA))


@pytest.mark.parametrize(
    "line",
    [
        b'{"n": 99999999999999999999}',
        b'{"n": 7} {"n": 8}',
        b'{"n": 7}{"n":\n8}',
        b"null",
        b"5",
        b"[1]",
        b'{"n": "x"}',
        b'{"n": 1.5}',
        b'{"n": 1',
        b'{"n": true}',
        b"\xff",
        b'{"word":1}',
    ],
)
def test_a_json_line_that_does_not_fit_the_schema_is_named(space, line):
    uri = put(space, b'{"n": 1}\n\n' + line + b'\n{"n": 2}\n')
    with pytest.raises(RecordFormatError, match=r"in/a, byte 10: .*the row begins with"):
        read(FileSource.for_json_lines_columns(uri, SCHEMA))
    skipping = FileSource.for_json_lines_columns(uri, SCHEMA, on_error="skip")
    assert [row["n"] for row in rows_of(skipping)] == [1, 2]


def test_broken_csv_rows_can_be_left_out(space):
    uri = put(space, b"x,a\n1,b\nx,c\n2\n3,d")
    source = FileSource.for_csv_columns(uri, SCHEMA, header=False, on_error="skip")
    assert rows_of(source) == [{"n": 1, "word": "b"}, {"n": 3, "word": "d"}]


@pytest.mark.parametrize("word", ["NA", "NULL", "null", "N/A", "#N/A"])
def test_only_what_is_empty_is_null_in_csv(space, word):
    schema = pa.schema({"x": pa.float64(), "w": pa.string(), "t": pa.timestamp("ms")})
    uri = put(space, f'1.5,{word},\n,,\n"","",""\nnan,nan,\n-inf,,\n'.encode())
    rows = rows_of(FileSource.for_csv_columns(uri, schema, header=False))
    assert [str(row["x"]) for row in rows] == ["1.5", "None", "None", "nan", "-inf"]
    assert [row["w"] for row in rows] == [word, "", "", "nan", ""]
    assert {row["t"] for row in rows} == {None}
    with pytest.raises(RecordFormatError, match=f"byte 2: .*invalid value '{word}'"):
        read(
            FileSource.for_csv_columns(
                put(space, f"1\n{word}\n".encode()), pa.schema({"x": pa.int64()}), header=False
            )
        )


def test_a_line_of_spaces_is_a_row_and_no_other_row_pays_for_it(space):
    uri = put(space, b"x,y\n0,0\n \n \n1,2\n3,4\n")
    two = FileSource.for_csv_columns(uri, pa.schema({"x": pa.int64(), "y": pa.int64()}), on_error="skip")
    assert [row["x"] for row in rows_of(two)] == [0, 1, 3]
    one = FileSource.for_csv_columns(put(space, b"a\n \n\nb\n"), pa.schema({"w": pa.string()}), header=False)
    assert [row["w"] for row in rows_of(one)] == ["a", " ", "b"]
    alone = FileSource.for_csv_columns(put(space, b" \n"), pa.schema({"w": pa.string()}), header=False)
    assert [row["w"] for row in rows_of(alone)] == [" "]


def test_a_quote_that_is_never_closed_costs_its_line_only_where_broken_rows_are_left_out(space):
    source = FileSource.for_csv_columns(put(space, b'n,word\n1,"a\n2,b\n3,c\n'), SCHEMA, on_error="skip")
    assert rows_of(source) == [{"n": 2, "word": "b"}, {"n": 3, "word": "c"}]


def test_a_quoted_newline_in_a_file_that_may_be_cut_is_refused(space):
    uri = put(space, b'n,word\n\n1,a\n2,"b\nc"\n')
    with pytest.raises(
        RecordFormatError, match=r"byte 12: a quoted field goes on .* leave out splittable=True"
    ):
        read(FileSource.for_csv_columns(uri, SCHEMA, splittable=True))


def test_json_members_that_are_missing_are_null_and_times_may_be_text(space):
    uri = put(space, b'{"at": "2024-05-01T12:00:00", "class": true}\n{"more": {"n": null}}\n{"at": null}\n')
    schema = pa.schema({"at": pa.timestamp("ms"), "class": pa.bool_()})
    assert rows_of(FileSource.for_json_lines_columns(uri, schema)) == [
        {"at": dt.datetime(2024, 5, 1, 12), "class": True},  # noqa: DTZ001  the column has no zone
        {"at": None, "class": None},
        {"at": None, "class": None},
    ]


@pytest.mark.parametrize(
    ("type_", "text", "time"),
    [
        (pa.timestamp("ms"), b"2024-05-01T12:00:00", dt.datetime(2024, 5, 1, 12)),  # noqa: DTZ001  no zone
        (pa.timestamp("us", "UTC"), b"2024-05-01T12:00:00Z", dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)),
        (pa.date32(), b"2024-05-01", dt.date(2024, 5, 1)),
    ],
)
def test_times_of_a_json_column_are_text_in_one_row_and_numbers_in_another(space, type_, text, time):
    uri = put(space, b'{"at": "%b"}\n{"at": 0}\n{"at": null}\n{"at": "x"}\n{"at": "%b"}\n' % (text, text))
    source = FileSource.for_json_lines_columns(uri, pa.schema({"at": type_}), on_error="skip")
    assert [row["at"] for row in rows_of(source)] == [time, pa.scalar(0, type_).as_py(), None, time]


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        (pa.int64(), b"99999999999999999999", "'n' cannot be read as int64: .* too large"),
        (pa.uint64(), b"-1", "'n' cannot be read as uint64: .* negative"),
        (pa.list_(pa.int64()), b"[1, 99999999999999999999]", "'n' cannot be read as list.* too large"),
        (pa.timestamp("ms"), b"99999999999999999999", "'n' cannot be read as timestamp.* too large"),
    ],
)
def test_a_json_number_that_its_column_cannot_hold_is_named(space, type_, value, message):
    uri = put(space, b'{}\n{"n": ' + value + b"}\n{}\n")
    with pytest.raises(RecordFormatError, match=rf"in/a, byte 3: {message}"):
        read(FileSource.for_json_lines_columns(uri, pa.schema({"n": type_})))
    skipping = FileSource.for_json_lines_columns(uri, pa.schema({"n": type_}), on_error="skip")
    assert rows_of(skipping) == [{"n": None}] * 2


def test_json_objects_may_have_blank_lines_spaces_and_carriage_returns_about_them(space):
    uri = put(space, b'\n {"n": 1} \r\n\r\n{"n": 2}\r\n \n{"n": 3, "m": {"k":{}}}')
    assert [row["n"] for row in rows_of(FileSource.for_json_lines_columns(uri, SCHEMA))] == [1, 2, 3]


def test_lists_and_objects_of_json_are_columns_too_and_their_numbers_stay_exact(space):
    schema = pa.schema({"tags": pa.list_(pa.int64()), "at": pa.struct({"x": pa.float64(), "y": pa.string()})})
    source = FileSource.for_json_lines_columns(
        put(space, b'{"tags": [1, null], "at": {"x": 1, "z": 0}}\n'), schema
    )
    assert rows_of(source) == [{"tags": [1, None], "at": {"x": 1.0, "y": None}}]
    with pytest.raises(RecordFormatError, match="Expected `int"):
        read(FileSource.for_json_lines_columns(put(space, b'{"tags": [1.5]}\n'), schema))


def test_a_file_that_is_no_parquet_or_lacks_a_column_is_named(space):
    with pytest.raises(RecordFormatError, match=r"in/a cannot be read as a Parquet file"):
        read(FileSource.for_parquet(put(space, b"a,b\n1,2\n" * 10)))
    with pytest.raises(RecordFormatError, match=r"in/a has no column 'price'; it has n, word, time"):
        read(FileSource.for_parquet(put(space, packed(ROWS)), ["n", "price"]))


def test_a_parquet_file_that_was_replaced_while_it_was_read_is_refused(space):
    source = FileSource.for_parquet(put(space, packed(ROWS, row_group_size=4)))
    (assignment,) = source.create_enumerator(EnumeratorContext(1)).handle_request(0)
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    reader.add_splits(assignment.splits)
    for _ in range(2):
        reader.fetch(3)
    stored = reader.snapshot()
    put(space, packed(ROWS * 3, row_group_size=7, compression="gzip"))
    restored = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    restored.add_splits([stored[0].__class__(s.root, s.name, s.start, s.end, s.position + 1) for s in stored])
    with pytest.raises(UserError, match=r"has no row group at byte \d+, where reading stopped"):
        restored.fetch(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FileSource.for_parquet("in", "n"), r"columns='n'"),
        (lambda: FileSource.for_parquet("in", []), r"columns=\[\]"),
        (
            lambda: FileSource.for_parquet("in", ["n"], timestamp_column="at"),
            r"timestamp_column='at'.*columns n; add",
        ),
        (lambda: FileSource.for_csv_columns("in", {"n": int}), r"schema=\{'n'.*pyarrow.Schema"),
        (lambda: FileSource.for_json_lines_columns("in", pa.schema([])), "names each column once"),
        (lambda: FileSource.for_csv_columns("in", SCHEMA, "--"), "delimiter='--'"),
        (lambda: FileSource.for_csv_columns("in", SCHEMA, "§"), r"delimiter='§'.*ASCII .*or read rows"),
        *[
            (
                lambda type_=type_: FileSource.for_csv_columns(
                    "in", pa.schema({"n": pa.int8(), "at": type_})
                ),
                r"cannot read the column 'at' of type .* not supported.*; take pa\.string\(\)",
            )
            for type_ in (
                pa.struct({"x": pa.int64()}),
                pa.list_(pa.int64()),
                pa.float16(),
                pa.decimal256(40, 2),
            )
        ],
        (
            lambda: FileSource.for_json_lines_columns(
                "in", pa.schema({"at": pa.dictionary(pa.int32(), pa.timestamp("ms"))})
            ),
            "cannot read the column 'at' of type dictionary.* take a plain type",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_when_they_are_given(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_a_source_of_columns_is_no_source_of_rows_and_the_other_way_round():
    env = StreamExecutionEnvironment.get_execution_environment()
    with pytest.raises(GraphError, match=r"FileSource gives columns; use from_columns\(\)"):
        env.from_source(FileSource.for_parquet("in"))
    with pytest.raises(GraphError, match="FileSource gives rows; use from_source"):
        env.from_columns(FileSource.for_csv("in"))
