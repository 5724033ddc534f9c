"""The independent checker of the reference job's output: plain json over ``part-*`` files, never Weir's reader.

``complete`` compares with a recomputation of everything; ``Visible`` polls while the job runs and holds that what is
visible only grows, and that every state of it is consistent: for each key exactly the first n results.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from tests.support.reference_rows import Reference, expected_rows, expected_windows

Line = dict[str, Any]
#: Faults of one kind that are named; the rest is only counted.
NAMED = 5


def part_files(folder: str) -> list[Path]:
    """Committed files in the order of their names; what begins with a dot is not visible."""
    root = Path(folder)
    return sorted(path for path in root.rglob("part-*") if path.is_file()) if root.is_dir() else []


def read(paths: Iterable[Path]) -> list[Line]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def visible(folder: str) -> list[Line]:
    return read(part_files(folder))


def complete(lines: list[Line], job: Reference) -> list[str]:
    """Everything that is wrong with the output of a finished run; empty when it is exact."""
    rows = [line for line in lines if line["kind"] == "row"]
    windows = Counter[tuple[str, int]]()
    times = Counter[tuple[str, int]]()
    for line in lines:
        if line["kind"] == "window":
            windows[line["k"], line["end"]] += line["rows"] or 0
            times[line["k"], line["end"]] += 1
    wanted = expected_windows(job)
    faults = _compare_rows(rows, job)
    faults += _named("window fired twice", [window for window, n in times.items() if n > 1])
    faults += _named("window missing", wanted.keys() - windows.keys())
    faults += _named("window invented", windows.keys() - wanted.keys())
    counted_wrong = [(w, windows[w], n) for w, n in wanted.items() if w in windows and windows[w] != n]
    faults += _named("window with a wrong count (window, got, expected)", counted_wrong)
    return faults + sequence_faults(rows)


def row_faults(lines: list[Line], job: Reference) -> list[str]:
    """As ``complete``, of the rows alone: a drained job fired its windows early."""
    rows = [line for line in lines if line["kind"] == "row"]
    return _compare_rows(rows, job) + sequence_faults(rows)


def _compare_rows(rows: list[Line], job: Reference) -> list[str]:
    return _compare(Counter(_identity(row) for row in rows), Counter(expected_rows(job)), "row")


def sequence_faults(rows: list[Line]) -> list[str]:
    """Each key's numbers are exactly 1 to n, and along them each partition's offsets grow."""
    faults: list[str] = []
    by_key: dict[str, list[Line]] = defaultdict(list)
    for row in rows:
        by_key[row["k"]].append(row)
    for key, found in by_key.items():
        found.sort(key=lambda row: row["seq"])
        numbers = [row["seq"] for row in found]
        if numbers != list(range(1, len(found) + 1)):
            gaps = sorted(set(range(1, len(found) + 1)) - set(numbers))
            faults.append(
                f"key {key}: numbers are not 1..{len(found)}, missing {gaps[:NAMED]}, last {numbers[-1]}"
            )
        faults += _order_faults(key, found)
    return faults


def _order_faults(key: str, rows: list[Line]) -> list[str]:
    last: dict[int, int] = {}
    rules = 0
    for row in rows:
        if row["o"] <= last.get(row["p"], -1):
            return [f"key {key}: partition {row['p']} is out of order at offset {row['o']}"]
        if row.get("rules", rules) < rules:
            return [f"key {key}: its instance forgot rules at {row}"]
        last[row["p"]] = row["o"]
        rules = row.get("rules", 0)
    return []


def without_time(lines: list[Line]) -> Counter[tuple[Any, ...]]:
    """The multiset of what a run wrote, apart from what differs between two good runs."""
    return Counter(
        _identity(line) if line["kind"] == "row" else (line["k"], line["end"], line["rows"]) for line in lines
    )


def _identity(row: Line) -> tuple[int, int, str, int]:
    return row["p"], row["o"], row["k"], row["nth"]


def _compare(found: Counter[Any], wanted: Counter[Any], what: str) -> list[str]:
    return [
        *_named(f"{what} lost", (wanted - found).elements()),
        *_named(f"{what} doubled", [item for item, n in found.items() if n > 1 and item in wanted]),
        *_named(f"{what} invented", [item for item in found if item not in wanted]),
    ]


def _named(what: str, items: Iterable[Any]) -> list[str]:
    found = list(items)
    return [f"{what}: {len(found)}, such as {found[:NAMED]}"] if found else []


class Visible:
    """Polls a folder in a thread, until ``stop``; ``faults`` tells what was wrong at any moment."""

    def __init__(self, folder: str, poll_seconds: float = 0.05) -> None:
        self.faults: list[str] = []
        #: Different states that were seen.
        self.states = 0
        self._folder = folder
        self._poll = poll_seconds
        self._sizes: dict[Path, int] = {}
        self._lines: list[Line] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oracle", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        self._thread.join()
        self.look()

    def _run(self) -> None:
        while not self._stopped.wait(self._poll):
            self.look()
            if self.faults:
                return

    def look(self) -> None:
        """Take in one state of the folder."""
        sizes = _stable(self._folder)
        if sizes is None:
            return
        gone = self._sizes.keys() - sizes.keys()
        changed = [path for path, size in self._sizes.items() if sizes.get(path, size) != size]
        self.faults += _named("visible file disappeared", [path.name for path in gone])
        self.faults += _named("visible file changed", [path.name for path in changed])
        fresh = sorted(sizes.keys() - self._sizes.keys())
        self._sizes = sizes
        if fresh and not self.faults:
            self.states += 1
            self._lines += read(fresh)
            self.faults += sequence_faults([line for line in self._lines if line["kind"] == "row"])


def _stable(folder: str) -> dict[Path, int] | None:
    """Names and sizes that were there all at one moment: two listings that are equal; ``None``: it changed."""
    first = part_files(folder)
    if first != part_files(folder):
        return None
    try:
        return {path: os.stat(path).st_size for path in first}
    except FileNotFoundError:
        return {}  # a file disappeared: a fault, found by the caller's comparison
