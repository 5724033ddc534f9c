"""Rows of columns that cannot be parsed: each is judged alone, whatever stands beside it and wherever reading began."""

from __future__ import annotations

import itertools
import random

import pytest

pa = pytest.importorskip("pyarrow")

from weir import FileSource  # noqa: E402
from weir.connectors import ReaderContext  # noqa: E402
from weir.connectors.files.reading.chunks import Chunk  # noqa: E402
from weir.connectors.files.reading.column_decoder import TextColumnDecoder  # noqa: E402
from weir.connectors.files.reading.reader import FileReader  # noqa: E402
from weir.connectors.files.reading.sieve import Sieve, row_ends  # noqa: E402
from weir.connectors.files.reading.splits import FoundFile, cut  # noqa: E402
from weir.storage import MemoryStorage  # noqa: E402

spaces = itertools.count()
SCHEMA = pa.schema({"n": pa.int64(), "at": pa.timestamp("ms")})


class Numbers:
    """Lines of digits as a batch; counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: bytes) -> pa.RecordBatch:
        self.calls += 1
        return pa.record_batch({"n": [int(line) for line in text.split()]})


class Broken:
    def __init__(self) -> None:
        self.rows: list[tuple[int, bytes]] = []

    def __call__(self, offset, row, reason):
        self.rows.append((offset, row))


def sifted(text: bytes) -> tuple[list[int], list[tuple[int, bytes]], int]:
    """What is good, what is broken, and how many parses that took."""
    parse, broken, good = Numbers(), Broken(), []
    sieve = Sieve(text, 100, parse, broken, quotes=False)
    while sieve.left:
        found = sieve.sift()
        if found is not None:
            good += found.batch["n"].to_pylist()
    return good, broken.rows, parse.calls


def test_broken_rows_are_named_in_order_with_their_places_and_all_others_are_kept() -> None:
    good, broken, _ = sifted(b"0\nx\n2\n3\ny\n5\n6\n7\n8\n9\n10\nz")
    assert good == [0, 2, 3, 5, 6, 7, 8, 9, 10]
    assert broken == [(102, b"x\n"), (108, b"y\n"), (123, b"z")]


@pytest.mark.parametrize("every", [2, 100, 4000])
def test_the_work_grows_with_the_broken_rows_and_not_with_their_square(every: int) -> None:
    text = b"".join(b"x\n" if number % every == every - 1 else b"%d\n" % number for number in range(4000))
    good, broken, calls = sifted(text)
    assert len(broken) == 4000 // every
    assert len(good) == 4000 - len(broken)
    assert calls <= min(4000 * 1.5, len(broken) * 40)


def test_one_broken_row_leaves_batches_that_are_large() -> None:
    parse = Numbers()
    sieve = Sieve(b"1\n" * 1000 + b"x\n" + b"1\n" * 1000, 0, parse, Broken(), quotes=False)
    sizes = []
    while sieve.left:
        found = sieve.sift()
        if found is not None:
            sizes.append(found.batch.num_rows)
    assert max(sizes) >= 500
    assert sum(sizes) == 2000


def test_a_block_of_broken_rows_is_judged_in_turns() -> None:
    parse, broken = Numbers(), Broken()
    decoder = TextColumnDecoder(parse, broken, quotes=False, given=0)
    decoder.load(Chunk(0, b"x\n" * 1000 + b"7\n"))
    turns = 0
    while not decoder.exhausted:
        before, rows = parse.calls, decoder.take(10)
        turns += 1
        assert parse.calls - before <= 64
        assert decoder.position == 2 * len(broken.rows), "who is restored goes on behind them"
    assert rows.to_pylist() == [{"n": 7}]
    assert (turns > 10, len(broken.rows)) == (True, 1000)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (b"a\nb\n", [2, 4]),
        (b"a\n\nb", [2, 3, 4]),
        (b'a,"\nb"\nc\n', [7, 9]),
        (b'a\nb,"c\nd\ne\n', [2, 7, 9, 11]),
        (b'"b\n"c\n"d\ne', [6, 9, 10]),
        (b'"a', [2]),
        (b"\n", [1]),
    ],
)
def test_rows_end_at_newlines_that_no_quote_holds(text: bytes, ends: list[int]) -> None:
    assert row_ends(text, quotes=True) == ends


def storage_with(content: bytes) -> FoundFile:
    storage = MemoryStorage.named(f"sieve-{next(spaces)}")
    storage.write("a", content)
    return FoundFile(storage.uri, "a", len(content))


def rows_of(source, splits, most, block, fetches=None):
    """Rows, and where reading stood after so many fetches that gave rows."""
    made = source.create_reader(ReaderContext(0, 1, lambda: None, lambda: 0.0))
    reader = FileReader(made._format, True, made._open_root, lambda: None, block)
    reader.add_splits(splits)
    rows, given = [], 0
    while not reader.is_idle() and given != fetches:
        fetched = reader.fetch(most)
        if fetched is not None and len(fetched.values):
            rows += fetched.values["n"].to_pylist()
            given += 1
    return rows, reader.snapshot()


CSV = [
    b'%d,""',
    b"%d,2024-05-01",
    b"x%d,",
    b"%d",
    b"%d,,",
    b" ",
    b"",
    b'"%d",',
    b"%d,x\r",
    b"\xef\xbb\xbf%d,",
    b"%d,1",
]
JSON = [
    b'{"n": %d}',
    b'{"n": %d, "at": 5}',
    b'{"n": %d, "at": "2024-05-01"}',
    b"%d",
    b"",
    b" ",
    b'{"n": "%d"}',
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("forms", "source"),
    [
        (CSV, lambda uri: FileSource.for_csv_columns(uri, SCHEMA, header=False, on_error="skip")),
        (JSON, lambda uri: FileSource.for_json_lines_columns(uri, SCHEMA, on_error="skip")),
    ],
    ids=["csv", "json"],
)
def test_which_rows_are_left_out_does_not_depend_on_blocks_or_on_where_reading_resumed(
    forms, source, seed: int
) -> None:
    rng = random.Random(seed)
    lines = []
    for number in range(60):
        form = rng.choice(forms)
        lines.append(form % number if b"%d" in form else form)
    file = storage_with(b"\n" + b"\n".join(lines))  # a mark at the start of a file is none of a row
    made = source(f"{file.root}/a")
    (whole,) = cut(file, None)
    alone = []
    for line in lines:
        (split,) = cut(storage_with(b"\n" + line), None)
        alone += rows_of(made, [split], 10, None)[0]
    assert alone == sorted(alone)
    for block, most in [(7, 100), (100, 3), (None, 7), (None, 100)]:
        rows, left = [], [whole]
        while left:
            given, left = rows_of(made, left, most, block, rng.randint(1, 5))
            rows += given
        assert rows == alone, f"blocks of {block}, {most} rows at once"
