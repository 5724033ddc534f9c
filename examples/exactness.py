"""Compares an example's result with what must be there, without Weir: nothing missing, nothing twice, nothing else."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

#: Name of a result and its lines, each as often as it must be there.
Lines = Mapping[str, Counter[str]]
SHOWN = 20


def rows(folder: Path) -> Iterator[dict[str, str]]:
    """All rows of the CSV files in a folder."""
    for path in sorted(folder.glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def line(value: dict[str, object]) -> str:
    """A line in a form that does not depend on the order of its fields."""
    return json.dumps(value, sort_keys=True)


def written(folder: Path) -> Counter[str]:
    """The lines of all committed files below a folder."""
    lines: Counter[str] = Counter()
    for path in folder.rglob("part-*"):
        lines.update(line(json.loads(text)) for text in path.read_text(encoding="utf-8").splitlines())
    return lines


def differences(expected: Lines, result: Path) -> list[str]:
    """One sentence for each line that is missing or too many; empty when the result is exact."""
    found = []
    for name, wanted in expected.items():
        got = written(result / name)
        found += [f"{name}: {count} x missing: {text}" for text, count in (wanted - got).items()]
        found += [f"{name}: {count} x too many: {text}" for text, count in (got - wanted).items()]
    return found


def main(expected: Callable[[Path], Lines]) -> None:
    """``INPUT RESULT`` of the command line; exit code 1 and the first differences if the result is not exact."""
    source, result = map(Path, sys.argv[1:])
    wanted = expected(source)
    found = differences(wanted, result)
    for sentence in found[:SHOWN]:
        print(sentence)
    if found:
        raise SystemExit(f"{len(found)} lines differ")
    print(
        f"{result} is exact: {', '.join(f'{lines.total()} lines of {name}' for name, lines in wanted.items())}"
    )
