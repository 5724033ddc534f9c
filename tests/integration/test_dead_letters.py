"""Records that a function cannot process go to a side output: through crashes each is there once, and nowhere else. Row R29."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from tests.support import oracle
from tests.support.poisoned_job import KEYS, ROWS, text_of
from tests.support.processes import Run, small_job


def test_each_poison_record_is_once_among_the_dead_letters_and_in_no_sum(tmp_path: Path) -> None:
    described = small_job("", tmp_path, {}, interval="150ms")
    described["spec"]["job"] |= {
        "entrypoint": "tests.support.poisoned_job:build",
        "args": [str(tmp_path)],
    }
    with Run(tmp_path, described) as run:
        for victim in ("worker", "jobmanager", "supervisor"):
            run.wait_completed(len(run.completed()) + 2)
            run.one(victim).signal(signal.SIGKILL)
        run.wait_completed(len(run.completed()) + 2)
        (tmp_path / "gate").touch()
        assert run.finish() == 0, run.story()
    good, dead = (oracle.visible(str(tmp_path / name)) for name in ("good", "dead"))
    poison = {number for number in range(ROWS) if not text_of(number).isdigit()}
    assert Counter(line["n"] for line in dead) == Counter(dict.fromkeys(poison, 1))
    assert all(line["text"] == text_of(line["n"]) and "invalid literal" in line["why"] for line in dead)
    assert Counter(line["n"] for line in good) == Counter(dict.fromkeys(set(range(ROWS)) - poison, 1))
    sums = {key: max(line["sum"] for line in good if line["k"] == key) for key in range(KEYS)}
    assert sums == {key: sum(n for n in range(key, ROWS, KEYS) if n not in poison) for key in range(KEYS)}
