"""``weir run`` as people use it: output on stdout, the rest on stderr, Ctrl-C, and nothing left when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.counting_job import faults, make_trouble
from tests.support.waiting import stat_of, wait_for

ROOT = Path(__file__).parent.parent.parent
ROWS = 8000


def gate(folder: Path) -> Path:
    """Holds the last rows until it is there, so that the job cannot end before what a test does to it."""
    return folder / "gate"


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    path = tmp_path / "counting.yaml"
    spec = {
        "job": {
            "entrypoint": "tests.support.counting_job:build",
            "args": [str(ROWS), "4000", str(tmp_path / "out"), str(gate(tmp_path))],
            "parallelism": 2,
        },
        "checkpoints": {"interval": "200ms"},
        "storage": {"checkpoints": str(tmp_path / "checkpoints")},
        "restart": {"strategy": "FixedDelay", "attempts": 1, "delay": "50ms"},
    }
    resource = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "counting"},
        "spec": spec,
    }
    path.write_text(yaml.safe_dump(resource))
    return path


def start(*arguments: str | Path, folder: Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "weir", "run", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A test run in the background hands an ignored SIGINT down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def checkpoints(folder: Path) -> int:
    return len(list((folder / "checkpoints").glob("*/fence/*"))) - 1


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    return stat_of(pid)[0] not in "ZX"


def test_a_job_runs_to_its_end_and_sums_up(job_file: Path, tmp_path: Path) -> None:
    gate(tmp_path).touch()
    code, out, err = end(start(job_file, "-o", "json"))
    assert code == 0, err
    assert faults(tmp_path / "out", ROWS) == []
    status = json.loads(out)
    assert (status["state"], status["records_in"], status["records_out"]) == ("FINISHED", ROWS, ROWS)
    assert "is FINISHED after" in err.splitlines()[-2]
    assert err.splitlines()[-1].startswith("checkpoints: file://")


def test_ctrl_c_suspends_and_the_same_command_goes_on(job_file: Path, tmp_path: Path) -> None:
    first = start(job_file)
    wait_for(lambda: checkpoints(tmp_path) >= 2, "two checkpoints are complete")
    first.send_signal(signal.SIGINT)
    code, _, err = end(first)
    assert code == 130, err
    assert "is SUSPENDED after" in err
    assert "the same command goes on from checkpoint" in err.splitlines()[-1]
    assert faults(tmp_path / "out", ROWS) != []
    gate(tmp_path).touch()
    code, _, err = end(start(job_file))
    assert code == 0, err
    assert "found under this name" in err
    assert faults(tmp_path / "out", ROWS) == []


def test_a_failing_job_shows_the_users_line_first_and_exits_with_1(job_file: Path, tmp_path: Path) -> None:
    make_trouble(tmp_path / "out", "always-raise")
    code, out, err = end(start(job_file))
    assert (code, out) == (1, "")
    told = [line for line in err.splitlines() if line.startswith("weir: ") and "counting_job.py:" in line]
    assert told[0].startswith("weir: attempt 1 failed, restarting: ")
    final = told[-1].removeprefix("weir: ")
    assert final.split(": ")[0].rpartition(":")[0].endswith("counting_job.py")
    assert "ValueError: a row that cannot be counted" in final
    assert "all 1 restarts of FixedDelay are used" in final
    assert "weir: cause: user (operator 'KeyedProcess' (uid count)" in err


def test_when_weir_run_is_killed_nothing_of_it_is_left(job_file: Path, tmp_path: Path) -> None:
    process = start(job_file)
    wait_for(lambda: checkpoints(tmp_path) >= 1, "a checkpoint is complete")
    children = descendants(process.pid)
    assert len(children) >= 4, "a JobManager, a TaskManager, two workers"
    process.kill()
    end(process)
    wait_for(lambda: not any(map(alive, children)), "its children are gone")


def test_plain_python_runs_a_script_and_execute_returns(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "import sys\n"
        "from weir import StreamExecutionEnvironment\n"
        "env = StreamExecutionEnvironment.get_execution_environment()\n"
        "env.from_collection(range(int(sys.argv[1]))).map(lambda v: v * 2).print()\n"
        "print('ended', env.execute('doubled').job_name)\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script), "3"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["0", "2", "4", "ended doubled"]


def test_two_functions_of_a_module_are_two_jobs(tmp_path):
    (tmp_path / "two.py").write_text(
        "from weir import *\n"
        "def evens(env, args):\n"
        "    numbers = env.from_source(DataGeneratorSource(lambda i: 2 * i, rows_per_second=200), name='g')\n"
        "    numbers.key_by(lambda x: 0).reduce(lambda a, b: a + b).print()\n"
        "def odds(env, args):\n"
        "    numbers = env.from_source(DataGeneratorSource(lambda i: 2 * i + 1, count=3), name='g')\n"
        "    numbers.key_by(lambda x: 0).reduce(lambda a, b: a + b).print()\n"
    )
    settings = (
        "--set",
        "execution.checkpointing.interval=100ms",
        "--set",
        "state.checkpoints.dir=checkpoints",
    )
    first = start(*settings, "two:evens", folder=tmp_path)
    wait_for(lambda: checkpoints(tmp_path) >= 2, "two checkpoints are complete")
    first.send_signal(signal.SIGINT)
    assert end(first)[0] == 130
    code, out, err = end(start(*settings, "two:odds", folder=tmp_path))
    assert (code, out) == (1, "")
    assert "is that of two:evens, and two:odds would be named so, too; give this one a name" in err
    code, out, err = end(start(*settings, "--name", "odds", "two:odds", folder=tmp_path))
    assert (code, out.splitlines()) == (0, ["1", "4", "9"]), err
