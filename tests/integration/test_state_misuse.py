"""State without a key, in a plain function, under a name twice or asked for late: refused before the first record.

Scorecard row A14, by the real command; ``test_bad_input_jobs`` has more faults, on one cluster.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.processes import Run, small_job


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("not-keyed", ("state 'count'", "key_by")),
        ("keyed-function-without-key", ("TwiceTheSameName", "key_by")),
        ("plain-function", ("plain_function_with_a_context",)),
        ("duplicate-name", ("'count'", "twice", "int", "str")),
        ("late", ("state 'count'", "open()")),
    ],
)
def test_state_used_wrongly_is_refused_before_the_first_record(
    tmp_path: Path, how: str, words: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    with Run(tmp_path, small_job("wrong_state", tmp_path, {"how": how, "out": out})) as run:
        assert run.finish() == 1, run.story()
    told = [
        line for line in run.stderr.splitlines() if "small_jobs.py:" in line and line.startswith("weir: ")
    ]
    assert told, run.story()
    assert [word for word in words if word not in told[0]] == [], told[0]
    assert "0 restarts" in run.stderr, run.story()
    assert oracle.visible(str(out)) == []
    if how != "late":
        assert " 0 records in" in run.stderr, run.story()
