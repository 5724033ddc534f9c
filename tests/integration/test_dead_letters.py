"""Records that a function cannot process go to a stream of their own: through crashes each is there once, and nowhere else. Row R29."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.poisoned_job import KEYS, ROWS, text_of
from tests.support.processes import Run, small_job

POISON = {number for number in range(ROWS) if not text_of(number).isdigit()}
SOUND = set(range(ROWS)) - POISON


def killed_and_finished(folder: Path, who: str, config: dict[str, str]) -> dict[str, list[oracle.Line]]:
    """What the job wrote, by output; each kind of process was killed on the way."""
    described = small_job("", folder, {}, interval="150ms")
    described["spec"]["job"] |= {
        "entrypoint": "tests.support.poisoned_job:build",
        "args": [str(folder), who],
    }
    described["spec"]["config"] = {**described["spec"].get("config", {}), **config}
    with Run(folder, described) as run:
        for victim in ("worker", "jobmanager", "supervisor"):
            run.wait_completed(len(run.completed()) + 2)
            run.one(victim).signal(signal.SIGKILL)
        run.wait_completed(len(run.completed()) + 2)
        (folder / "gate").touch()
        assert run.finish() == 0, run.story()
    return {
        path.name: oracle.visible(str(path))
        for path in folder.iterdir()
        if path.name in {"good", "dead", "side"}
    }


def check_sums(good: list[oracle.Line]) -> None:
    assert Counter(line["n"] for line in good) == Counter(dict.fromkeys(SOUND, 1))
    sums = {key: max(line["sum"] for line in good if line["k"] == key) for key in range(KEYS)}
    assert sums == {key: sum(n for n in range(key, ROWS, KEYS) if n not in POISON) for key in range(KEYS)}


def test_each_poison_record_is_once_among_the_dead_letters_and_in_no_sum(tmp_path: Path) -> None:
    written = killed_and_finished(tmp_path, "function", {})
    dead = written["dead"]
    assert Counter(line["n"] for line in dead) == Counter(dict.fromkeys(POISON, 1))
    assert all(line["text"] == text_of(line["n"]) and "invalid literal" in line["why"] for line in dead)
    check_sums(written["good"])


@pytest.mark.parametrize(
    ("who", "config"),
    [("code", {}), ("config", {"pipeline.on-error": "dead-letter"})],
    ids=["code", "config"],
)
def test_a_policy_diverts_each_poison_record_once_and_nothing_else_of_it_is_written(
    tmp_path: Path, who: str, config: dict[str, str]
) -> None:
    written = killed_and_finished(tmp_path, who, config)
    dead = written["dead"]
    assert Counter(line["record"]["n"] for line in dead) == Counter(dict.fromkeys(POISON, 1))
    for line in dead:
        text = line["record"]["text"]
        assert text == text_of(line["record"]["n"])
        assert line["message"] == f"invalid literal for int() with base 10: {text!r}"
        assert (line["exception"], line["operator"], line["timestamp"]) == ("ValueError", "add", None)
        assert "poisoned_job.py:" in line["place"]
    # Results and side outputs of a call that raised are dropped; states that it had changed stay changed, once.
    check_sums(written["good"])
    assert Counter(line["n"] for line in written["side"]) == Counter(dict.fromkeys(SOUND, 1))
    for key in range(KEYS):
        seen = [line["seen"] for line in written["good"] if line["k"] == key]
        assert len(seen) == len(set(seen)) < max(seen) <= len(range(key, ROWS, KEYS))
