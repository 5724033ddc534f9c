"""mypy reads the API as a user's type checker would: chains keep their types, and mistakes are found where they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api as mypy

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
REPORT = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): error: (?P<text>.*?)\s+\[(?P<code>[\w-]+)\]$")


@pytest.fixture(scope="module")
def reported() -> dict[str, set[tuple[int, str]]]:
    """By file name: lines and codes of what mypy reports."""
    files = [str(HERE / "typed_jobs.py"), str(HERE / "typed_mistakes.py")]
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary", "--hide-error-context"]
    out, err, _ = mypy.run([*config, "--no-pretty", *files])
    assert not err, err
    found: dict[str, set[tuple[int, str]]] = {Path(file).name: set() for file in files}
    for line in out.splitlines():
        match = REPORT.match(line)
        if match and Path(match["file"]).name in found:
            found[Path(match["file"]).name].add((int(match["line"]), match["code"]))
    return found


def test_correct_jobs_are_typed_through_every_chain(reported):
    assert reported["typed_jobs.py"] == set()


def test_each_mistake_is_reported_at_its_line_and_nothing_else_is(reported):
    lines = (HERE / "typed_mistakes.py").read_text().splitlines()
    marked = [(number, line.partition("# error: ")[2].split()) for number, line in enumerate(lines, 1)]
    expected = {(number, code) for number, codes in marked[2:] for code in codes}
    assert len(expected) > 15
    assert reported["typed_mistakes.py"] == expected
