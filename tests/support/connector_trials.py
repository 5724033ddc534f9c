"""Weir's own connectors under the conformance kit, each by a name; local ones here, S3 with its fixture."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from weir import (
    CollectionSource,
    CollectSink,
    DataGeneratorSource,
    FileSink,
    FileSource,
    PrintSink,
    SplitEnumerator,
)
from weir.testing.conformance import Report, check_sink, check_source
from weir.testing.sinks import FolderSink
from weir.testing.sources import ScriptedSource

NUMBERS = range(24)
TABLE = [{"n": str(i), "word": f"word {i}"} for i in NUMBERS]


def input_files(folder: Path) -> Path:
    """24 rows in three files of each format, one longer than a split."""
    for number, share in enumerate((TABLE[:3], TABLE[3:20], TABLE[20:])):
        for kind in ("text", "csv", "json", "parquet"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / "text" / f"{number}.txt").write_text("".join(f"{row['word']}\n" for row in share))
        (folder / "json" / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in share))
        lines = io.StringIO()
        writer = csv.DictWriter(lines, ["n", "word"])
        writer.writeheader()
        writer.writerows(share)
        (folder / "csv" / f"{number}.csv").write_text(lines.getvalue())
        parquet.write_table(
            pa.Table.from_pylist(share), folder / "parquet" / f"{number}.parquet", row_group_size=5
        )
    return folder


WORDS = [row["word"] for row in TABLE]


def sources(folder: Path, per_method: int) -> Iterable[Report]:
    files = input_files(folder / "in")
    numbers = itertools.count()
    text, split = files / "text", {"split_size": "64"}

    def source(name, make, expected, **options):
        return check_source(make, expected, name=name, per_method=per_method, **options)

    yield source("CollectionSource", lambda: CollectionSource(NUMBERS, num_splits=3), NUMBERS)
    yield source("DataGeneratorSource", lambda: DataGeneratorSource(lambda i: i, count=24), NUMBERS)
    yield source(
        "DataGeneratorSource, several splits and a rate",
        lambda: DataGeneratorSource(lambda i: i, count=24, num_splits=3, rows_per_second=2000),
        NUMBERS,
    )
    yield source("FileSource, text lines", lambda: FileSource.for_text_lines(text, **split), WORDS)
    yield source("FileSource, CSV", lambda: FileSource.for_csv(files / "csv"), TABLE)
    yield source(
        "FileSource, CSV in parts",
        lambda: FileSource.for_csv(files / "csv", splittable=True, **split),
        TABLE,
    )
    yield source("FileSource, JSON lines", lambda: FileSource.for_json_lines(files / "json", **split), TABLE)
    yield source("FileSource, Parquet", lambda: FileSource.for_parquet(files / "parquet", **split), TABLE)
    schema = pa.schema({"n": pa.string(), "word": pa.string()})
    yield source(
        "FileSource, columns of CSV", lambda: FileSource.for_csv_columns(files / "csv", schema), TABLE
    )
    yield source(
        "FileSource, columns of JSON lines",
        lambda: FileSource.for_json_lines_columns(files / "json", schema, **split),
        TABLE,
    )
    yield source("FileSource, watched folder", lambda: growing(folder, next(numbers)), WORDS, endless=True)
    yield source("ScriptedSource", lambda: ScriptedSource(WORDS[:12], WORDS[12:]), WORDS)


def growing(folder: Path, number: int) -> FileSource:
    """A watched folder in which another file lies at each look."""
    watched = folder / f"watched-{number}"
    watched.mkdir(parents=True)
    files = iter((WORDS[:5], WORDS[5:12], WORDS[12:]))

    def add(place: int) -> None:
        words = next(files, None)
        if words is not None:
            (watched / f"{place}.txt").write_text("".join(f"{word}\n" for word in words))

    def looking(enumerator: SplitEnumerator) -> SplitEnumerator:
        discover, places = enumerator.discover, itertools.count(len(list(watched.iterdir())))

        def look():
            add(next(places))
            return discover()

        enumerator.discover = look
        return enumerator

    source = FileSource.for_text_lines(watched).monitor_continuously("1s")
    fresh, restored = source.create_enumerator, source.restore_enumerator
    source.create_enumerator = lambda context: looking(fresh(context))
    source.restore_enumerator = lambda context, state: looking(restored(context, state))
    add(0)
    return source


def sinks(folder: Path, per_method: int, printed: Callable[[io.StringIO], None]) -> Iterable[Report]:
    """``printed`` puts a buffer in the place of the standard output."""
    numbers = itertools.count()

    def empty():
        return folder / f"out-{next(numbers)}"

    def sink(name, make, read, **options):
        return check_sink(make, read, name=name, per_method=per_method, **options)

    def print_sink():
        printed(io.StringIO())
        return PrintSink()

    def lines(_):
        return [re.sub(r"^\d+> ", "", line) for line in sys.stdout.getvalue().splitlines()]

    yield sink("CollectSink(two_phase=True)", lambda: CollectSink(two_phase=True), lambda s: s.results)
    yield sink("CollectSink", CollectSink, lambda s: s.results)
    yield sink("FileSink, text lines", lambda: FileSink.for_text_lines(empty()), text_lines, rows=WORDS)
    yield sink("FileSink, CSV", lambda: FileSink.for_csv(empty(), ["n", "word"]), csv_rows, rows=TABLE)
    yield sink("FileSink, JSON lines", lambda: FileSink.for_json_lines(empty()), json_rows, rows=TABLE)
    yield sink(
        "FileSink, many files a checkpoint",
        lambda: FileSink.for_text_lines(empty(), roll_size=16),
        text_lines,
        rows=WORDS,
    )
    yield sink("FolderSink", lambda: FolderSink(empty()), lambda s: s.results, rows=TABLE)
    yield sink(
        "FolderSink(two_phase=False)",
        lambda: FolderSink(empty(), two_phase=False),
        lambda s: s.results,
        rows=TABLE,
    )
    yield sink("PrintSink", print_sink, lines, rows=WORDS)


def parts_of(sink: FileSink) -> list[Path]:
    """The files that somebody else sees; what killed attempts left pending was removed."""
    files = sorted(Path(sink.path).iterdir())
    assert [file.name for file in files if not file.name.startswith("part-")] == []
    return files


def text_lines(sink: FileSink) -> list[str]:
    return [line for part in parts_of(sink) for line in part.read_text().splitlines()]


def csv_rows(sink: FileSink) -> list[dict[str, str]]:
    return [row for part in parts_of(sink) for row in csv.DictReader(io.StringIO(part.read_text()))]


def json_rows(sink: FileSink) -> list[object]:
    return [json.loads(line) for line in text_lines(sink)]
