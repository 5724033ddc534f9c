"""The pages on upgrades and rescaling, read by somebody who does what they say; the counts of the job tell what was lost."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from tests.support.reader import Reader

HOW_TO = "docs/how-to"


def test_a_job_is_upgraded_and_rescaled_as_the_pages_say_and_every_visit_counts_once(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        _, saved, planned, stopped, _, inspected = reader.follow(
            f"{HOW_TO}/upgrade-a-job-with-a-savepoint.md"
        )
        assert "/savepoints/savepoint-" in saved
        assert "hundreds-out" in planned
        assert stopped != saved
        assert "visits" in inspected
        rescaled, _, vertices, last = reader.follow(f"{HOW_TO}/rescale-a-job.md")
        assert "RUNNING" in rescaled
        assert {each["parallelism"]["upperBound"] for each in json.loads(vertices).values()} == {1}
        said = reader.finish()
    assert f"restores {stopped.strip()}: the job was stopped with it" in said
    assert f"stopped with savepoint {last.strip()}" in said
    numbers = defaultdict(list)
    for page, number in rows(tmp_path / "counts"):
        numbers[page].append(number)
    assert len(numbers) == 20
    for counted in numbers.values():
        assert sorted(counted) == list(range(1, len(counted) + 1))
    hundreds = rows(tmp_path / "hundreds")
    assert len(set(hundreds)) == len(hundreds) > 0
    assert {number % 100 for _, number in hundreds} == {0}


def rows(folder: Path) -> list[tuple[str, int]]:
    """What the job has committed."""
    return [
        tuple(json.loads(line)) for part in folder.glob("part-*") for line in part.read_text().splitlines()
    ]
