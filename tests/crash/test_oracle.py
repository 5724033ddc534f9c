"""The checker finds each fault that it is there for: planted one by one into a good output."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.reference_rows import Reference, expected_rows, expected_windows

JOB = Reference(out="", partitions=2, rows=150, keys=5)


def good() -> list[oracle.Line]:
    numbers: Counter[str] = Counter()
    lines: list[oracle.Line] = []
    for partition, offset, key, nth in expected_rows(JOB):
        numbers[key] += 1
        row = {"kind": "row", "p": partition, "o": offset, "k": key, "seq": numbers[key], "nth": nth}
        lines.append(row)
    for (key, end), rows in expected_windows(JOB).items():
        lines.append({"kind": "window", "k": key, "end": end, "rows": rows})
    return lines


def last_row_of(lines: list[oracle.Line], key: str) -> oracle.Line:
    return max((line for line in lines if line["kind"] == "row" and line["k"] == key), key=lambda r: r["seq"])


def test_a_good_output_has_no_faults() -> None:
    assert oracle.complete(good(), JOB) == []


@pytest.mark.parametrize(
    ("what", "plant"),
    [
        ("row lost", lambda lines: lines.remove(last_row_of(lines, "k1"))),
        ("row doubled", lambda lines: lines.append(dict(last_row_of(lines, "k1")))),
        ("row invented", lambda lines: lines.append({**last_row_of(lines, "k1"), "o": 999_999})),
        ("numbers are not", lambda lines: last_row_of(lines, "k1").update(seq=10_000)),
        ("window fired twice", lambda lines: lines.append(dict(lines[-1]))),
        ("window missing", lambda lines: lines.pop()),
        ("wrong count", lambda lines: lines[-1].update(rows=lines[-1]["rows"] + 1)),
        ("window invented", lambda lines: lines.append({**lines[-1], "end": 77_000})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_fault_is_found(what: str, plant) -> None:
    lines = good()
    plant(lines)
    assert any(what in fault for fault in oracle.complete(lines, JOB)), oracle.complete(lines, JOB)


def test_two_rows_of_a_partition_in_the_wrong_order_are_found() -> None:
    rows = [line for line in good() if line["kind"] == "row" and line["k"] == "k1" and line["p"] == 0]
    rows[0]["seq"], rows[1]["seq"] = rows[1]["seq"], rows[0]["seq"]
    assert any("out of order" in fault for fault in oracle.sequence_faults(rows))


def write(path: Path, lines: list[oracle.Line]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_visible_prefix_is_consistent_and_a_gap_in_it_is_not(tmp_path: Path) -> None:
    rows = [line for line in good() if line["kind"] == "row" and line["p"] == 0]
    seen = oracle.Visible(str(tmp_path))
    write(tmp_path / "part-1", rows[:40])
    seen.look()
    write(tmp_path / "part-2", rows[40:80])
    write(tmp_path / ".part-3", rows[:10])
    seen.look()
    assert (seen.faults, seen.states) == ([], 2)
    write(tmp_path / "part-4", rows[90:])
    seen.look()
    assert any("missing" in fault for fault in seen.faults)


def test_a_visible_file_that_disappears_or_changes_is_found(tmp_path: Path) -> None:
    rows = [line for line in good() if line["kind"] == "row" and line["p"] == 0]
    seen = oracle.Visible(str(tmp_path))
    write(tmp_path / "part-1", rows[:20])
    write(tmp_path / "part-2", rows[20:40])
    seen.look()
    (tmp_path / "part-2").unlink()
    write(tmp_path / "part-1", rows[:21])
    seen.look()
    assert any("disappeared" in fault for fault in seen.faults)
    assert any("changed" in fault for fault in seen.faults)
