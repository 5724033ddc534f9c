from __future__ import annotations

import json

import pytest

from tests.e2e import exactness

ROWS = 60


def written(rows: int = ROWS) -> list[exactness.Line]:
    return [
        {"id": i, "key": i % exactness.KEYS, "nth": i // exactness.KEYS + 1, "version": 1}
        for i in range(rows)
    ]


def test_what_the_job_writes_has_no_fault() -> None:
    assert exactness.faults(written(), ROWS) == []


def test_a_part_of_it_is_a_part_as_long_as_each_key_has_its_first_results() -> None:
    assert exactness.faults(written(31)) == []
    assert exactness.faults(written(31), ROWS) == [f"lost: {ROWS - 31} rows, such as [31, 32, 33, 34, 35]"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows + rows[:1], "doubled: 1 rows, such as [0]"),
        (lambda rows: rows[1:], "lost: 1 rows, such as [0]"),
        (lambda rows: rows[1:], "key 0: 3 results, not numbered 1 to 3; missing [1]"),
        (
            lambda rows: [*rows[:-1], rows[-1] | {"nth": 1}],
            "key 8: 4 results, not numbered 1 to 4; missing [4]",
        ),
        (lambda rows: [*rows, rows[0] | {"id": ROWS + 8}], f"invented: 1 rows, such as [{ROWS + 8}]"),
        (lambda rows: [rows[0] | {"key": 5}, *rows[1:]], "row 0 has key 5"),
    ],
)
def test_each_fault_is_found_and_named(change, said) -> None:
    assert said in exactness.faults(change(written()), ROWS)


def test_only_committed_files_count() -> None:
    line = json.dumps({"id": 1}).encode() + b"\n"
    objects = {"a/out/part-0-1": line + line, "a/out/.pending/part-0-2": line, "a/out/notes": b"no json"}
    assert exactness.lines(objects) == [{"id": 1}, {"id": 1}]
