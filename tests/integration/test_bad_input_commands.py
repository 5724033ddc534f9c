"""Faults of command lines and StreamJob files, as a person meets them: exit code, one message, nothing else done."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import bad_jobs

JOBS = Path(bad_jobs.__file__).parent
SECONDS = 60
HEAD = "apiVersion: weir.dev/v1alpha1\nkind: StreamJob\nmetadata: {name: flights}\n"


def weir(folder: Path, *arguments: str, memory: int | None = None) -> subprocess.CompletedProcess[str]:
    """One command as a real process in ``folder``, where ``bad_jobs`` can be imported; ``memory``: bytes that it may map."""
    # By a shell: what Python does between fork and exec, gRPC does too, whose threads this process has, and it may abort there.
    limited = [] if memory is None else ["sh", "-c", f'ulimit -v {memory >> 10}; exec "$@"', "sh"]
    return subprocess.run(
        [*limited, sys.executable, "-m", "weir", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(JOBS)},
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )


def check(ended: subprocess.CompletedProcess[str], code: int, *says: str) -> None:
    assert ended.returncode == code, ended.stderr
    assert [text for text in says if text not in ended.stderr] == [], ended.stderr
    assert "Traceback (most recent call last)" not in ended.stderr, ended.stderr
    assert "/runtime/weir/" not in ended.stderr, ended.stderr
    assert ended.stdout == ""


FILES = {
    "a misspelt key names the nearest": (
        "spec:\n  job: {entrypont: 'bad_jobs:counts'}\n",
        ("job.yaml:5", "entrypont", "did you mean entrypoint?"),
    ),
    "a misspelt setting names the nearest": (
        "spec:\n  job: {entrypoint: 'bad_jobs:counts'}\n  config: {heartbeat.intervall: 1s}\n",
        ("job.yaml:6", "heartbeat.intervall", "did you mean heartbeat.interval?"),
    ),
    "a wrong type names both": (
        "spec:\n  job:\n    entrypoint: 'bad_jobs:counts'\n    parallelism: many\n",
        ("job.yaml:7: spec.job.parallelism", "'many'", "a whole number"),
    ),
    "a wrong duration names what is accepted": (
        "spec:\n  job: {entrypoint: 'bad_jobs:counts'}\n  checkpoints: {interval: 10 parsecs}\n",
        ("job.yaml:6: spec.checkpoints.interval", "'10 parsecs'", "10s"),
    ),
    "parallelism above max parallelism names both": (
        "spec:\n  job: {entrypoint: 'bad_jobs:counts', parallelism: 9, maxParallelism: 8}\n",
        (
            "job.yaml:5: spec.job.parallelism",
            "9",
            "spec.job.maxParallelism is 8",
            "lower the first or raise the second",
        ),
    ),
    "two faults are told at once": (
        "spec:\n  job: {entrypoint: 'bad_jobs:counts', parallelism: 0}\n  chekpoints: {}\n",
        ("2 faults", "job.yaml:5", "job.yaml:6", "did you mean checkpoints?"),
    ),
    "a missing module names the nearest": (
        "spec:\n  job: {entrypoint: 'bad_job:counts'}\n",
        ("module bad_job not found", "there is no bad_job in"),
    ),
    "a missing function names the nearest": (
        "spec:\n  job: {entrypoint: 'bad_jobs:count'}\n",
        ("module bad_jobs has no function count", "did you mean counts?"),
    ),
    "a missing script is named": (
        "spec:\n  job: {entrypoint: jobs/count.py}\n",
        ("jobs/count.py cannot be read: No such file or directory",),
    ),
}


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("case", FILES)
def test_a_streamjob_file(tmp_path: Path, case: str, command: str) -> None:
    text, says = FILES[case]
    (tmp_path / "job.yaml").write_text(HEAD + text)
    check(weir(tmp_path, command, "job.yaml"), 1, *says)
    assert sorted(path.name for path in tmp_path.iterdir()) in (["job.yaml"], [".weir", "job.yaml"])


LINES = {
    "no such file": (1, ("run", "job.yaml"), ("job.yaml cannot be read: No such file",)),
    "no job": (1, ("run", "flights"), ("'flights' is no job; name a FILE.yaml, a script job.py",)),
    "no target": (2, ("run",), ("Missing argument 'TARGET'",)),
    "a misspelt option": (
        2,
        ("run", "--paralelism", "4", "bad_jobs:counts"),
        ("did you mean --parallelism?",),
    ),
    "a misspelt command": (2, ("rum", "job.yaml"), ("no such command 'rum'; did you mean run?",)),
    "a misspelt setting": (
        1,
        ("run", "--set", "task.stal-timeout=1s", "bad_jobs:counts"),
        ("unknown setting task.stal-timeout; did you mean task.stall-timeout?",),
    ),
    "a wrong value": (
        1,
        ("run", "--set", "task.stall-timeout=soon", "bad_jobs:counts"),
        ("task.stall-timeout: got 'soon', expected", "10s"),
    ),
    "no value": (1, ("run", "--set", "task.stall-timeout", "bad_jobs:counts"), ("expected KEY=VALUE",)),
    "no such snapshot": (
        1,
        (
            "run",
            "--from",
            "nowhere",
            "--set",
            "execution.checkpointing.interval=1s",
            "bad_jobs:counts",
            "out",
        ),
        ("nowhere/_metadata is missing", "name the folder of one (chk-N or savepoint-...)"),
    ),
    "a folder for checkpoints that is a file": (
        1,
        (
            *("run", "--set", "state.checkpoints.dir=afile", "--set", "execution.checkpointing.interval=1s"),
            *("bad_jobs:counts", "out"),
        ),
        ("checkpoints cannot be kept in", "afile", "state.checkpoints.dir=FOLDER"),
    ),
    "a port that does not exist": (2, ("serve", "jobmanager", "--port", "99999"), ("99999", "0<=x<=65535")),
}


@pytest.mark.parametrize("case", LINES)
def test_a_command_line(tmp_path: Path, case: str) -> None:
    code, arguments, says = LINES[case]
    (tmp_path / "afile").write_text("")
    check(weir(tmp_path, *arguments), code, *says)
    assert not (tmp_path / "out").exists()


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = weir(tmp_path, "serve", "jobmanager", "--port", str(port))
    check(
        ended, 1, f"cannot listen on 127.0.0.1:{port}", "another process has the port", "choose another port"
    )


def test_a_function_that_leaks_meets_the_limit_in_its_own_line(tmp_path: Path) -> None:
    """The limit is that of each process, as a container's is; the JobManager tells what happened."""
    ended = weir(tmp_path, "run", "bad_jobs:leaks", memory=3 << 30)
    place = next(
        n for n, line in enumerate((JOBS / "bad_jobs.py").read_text().splitlines(), 1) if "<- leaks" in line
    )
    check(ended, 1, f"bad_jobs.py:{place}: MemoryError", "operator 'Map'")
