"""Functions that end, crash or hang their process, or leave something behind: one message, nothing left, the rest lives.

Scorecard row R28, beside ``test_bad_input_jobs`` (which has what raises, exits and hangs in Python). Each job gets one
restart, so what is shown also holds for the second attempt.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import oracle, small_jobs
from tests.support.processes import Run, small_job

JOBS = Path(small_jobs.__file__)
ROWS_BEFORE = 6000

MESSAGES = {
    "raise": ("ValueError: this row is bad", "record 6000", "split '0' before position "),
    "os._exit": ("exit code 7", "os._exit(7)"),
    "sys.exit": ("SystemExit: I end the program", "record 6000"),
    "segfault": ("SIGSEGV", "native code"),
    "abort": ("SIGABRT", "native code"),
    "recursion": ("RecursionError", "record 6000"),
    "hang": ("did not return from one call", "task.stall-timeout is 2 s"),
    "hang-native": ("did not return from one call", "task.stall-timeout is 2 s"),
    "child": ("ValueError: this row is bad",),
    "fork": ("ValueError: this row is bad",),
}


def line_of(function: str) -> range:
    """The lines of a function of ``small_jobs``."""
    code = getattr(small_jobs, function).__code__
    return range(code.co_firstlineno, max(line for *_, line in code.co_lines() if line) + 1)


@pytest.mark.parametrize("how", MESSAGES)
def test_a_function_that_misbehaves_is_named_and_leaves_nothing(tmp_path: Path, how: str) -> None:
    out = tmp_path / "out"
    described = small_job(
        "misbehaving",
        tmp_path,
        {"how": how, "out": out, "marker": tmp_path / "marker"},
        parallelism=1,
        config={"task.stall-timeout": "2s"},
        restart={"strategy": "FixedDelay", "attempts": 1, "delay": "100ms"},
    )
    with Run(tmp_path, described) as run:
        assert run.finish() == 1, run.story()  # also: no process is left, whatever the function started
    told = [line for line in run.stderr.splitlines() if line.startswith(f"weir: {JOBS}:")]
    assert len(told) == 1, run.story()
    (message,) = told
    assert [text for text in MESSAGES[how] if text not in message] == [], message
    place = int(message.removeprefix(f"weir: {JOBS}:").split(" ")[0].rstrip(":"))
    assert place in line_of(small_jobs.MISBEHAVIOUR[how].__name__), message
    assert "weir: cause: user (operator" in run.stderr, run.story()
    assert "/runtime/weir/" not in run.stderr.split(message)[1], "a frame of the engine is shown to the user"
    assert run.stderr.count("jobmanager listens") == 1, "the JobManager did not survive"
    # What was committed before stays, exactly once.
    numbers = [int(line) for path in oracle.part_files(str(out)) for line in path.read_text().split()]
    assert numbers == list(range(len(numbers)))
    assert 0 < len(numbers) <= ROWS_BEFORE
