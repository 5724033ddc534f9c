"""A breakpoint in user code stops there, in one process; what is written afterwards is exact."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOB = ROOT / "tests" / "support" / "debugged_job.py"


def debugged(command: list[str], typed: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        input=typed,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def written(folder: Path) -> Counter[tuple[int, int]]:
    lines = [line for part in folder.glob("part-*") for line in part.read_text().splitlines()]
    return Counter((row["key"], row["seen"]) for row in map(json.loads, lines))


def every_row() -> Counter[tuple[int, int]]:
    return Counter((key, seen) for key in range(5) for seen in range(1, 21))


def run_target(folder: Path, *options: str) -> list[str]:
    target = "tests.support.debugged_job:build"
    return ["-m", "weir", "run", "--one-process", *options, target, str(folder / "out")]


def test_breakpoints_in_map_and_process_stop_there_and_the_job_goes_on_to_an_exact_end(
    tmp_path: Path,
) -> None:
    settings = ["--parallelism", "2", "--set", "execution.checkpointing.interval=100ms"]
    ended = debugged(run_target(tmp_path, *settings), "p number\nc\np seen, value\nc\n", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "debugged_job.py" in ended.stdout
    assert "(Pdb) 50" in ended.stdout
    assert "(Pdb) (5, " in ended.stdout
    assert written(tmp_path / "out") == every_row()


def test_no_checkpoint_is_taken_while_somebody_looks(tmp_path: Path) -> None:
    settings = [
        "--set",
        "execution.checkpointing.interval=50ms",
        "--set",
        f"state.checkpoints.dir={tmp_path}/chk",
    ]
    # Three seconds are sixty intervals.
    looks = "import threading, time\np time.time()\nthreading.Event().wait(3)\np time.time()\nc\n"
    ended = debugged(run_target(tmp_path, *settings), looks + "c\n", tmp_path)
    assert ended.returncode == 0, ended.stderr
    began, over = (float(text) * 1000 for text in re.findall(r"\(Pdb\) (\d+\.\d+)", ended.stdout))
    [fence] = (tmp_path / "chk").glob("*/fence")
    written = [json.loads(path.read_bytes())["written_ms"] for path in fence.iterdir()]
    assert len(written) >= 3, "the job had started, and took its last checkpoint"
    assert [at for at in written if began + 100 < at < over - 100] == []


def test_quitting_the_debugger_interrupts_the_run_and_shows_nothing_half_done(tmp_path: Path) -> None:
    settings = ["--set", "execution.checkpointing.interval=1h"]
    ended = debugged(run_target(tmp_path, *settings), "p number\nq\n", tmp_path)
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    assert written(tmp_path / "out") == Counter()


def test_a_script_under_pdb_runs_in_that_process_and_meets_the_debuggers_own_breakpoints(
    tmp_path: Path,
) -> None:
    line = next(n for n, text in enumerate(JOB.read_text().splitlines(), 1) if "return number * 2" in text)
    typed = f"b {JOB}:{line}, number == 7\nc\np number * 1000\ncl 1\nc\nc\nc\nq\n"
    ended = debugged(["-m", "pdb", str(JOB), str(tmp_path / "out")], typed, tmp_path)
    assert "(Pdb) 7000" in ended.stdout
    assert written(tmp_path / "out") == every_row()


def test_a_failing_function_ends_the_run_with_its_own_line_first(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "def halve(n):\n    return n / (n - 3)\n\n"
        "def build(env):\n    env.from_collection([1, 2, 3]).map(halve).print()\n"
    )
    ended = debugged(["-m", "weir", "run", "--one-process", "failing:build"], "", tmp_path)
    assert ended.returncode == 1
    first = next(line for line in ended.stderr.splitlines() if "ZeroDivisionError" in line)
    assert "failing.py:2: ZeroDivisionError" in first
    assert "record 3" in first
