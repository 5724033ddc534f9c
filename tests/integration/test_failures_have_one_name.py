"""An exception of user code as CLI, log and REST show it: the user's line first, operator, key and record without secrets, one fingerprint."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_rest_of_a_cluster import FAST, Rest
from tests.support.processes import Started

JOB = """
import os

from weir import DataGeneratorSource, KeyedProcessFunction, PrintSink


class Login(KeyedProcessFunction):
    def process_element(self, value, ctx):
        if os.path.exists(TROUBLE):
            raise ValueError(f"no such user, password={value['password']}")
        yield from ()


def build(env, args):
    global TROUBLE
    TROUBLE = args[0]
    rows = env.from_source(
        DataGeneratorSource(lambda i: {"user": i % 3, "password": "hunter2"}, rows_per_second=50), name="rows"
    ).uid("rows")
    rows.key_by(lambda row: row["user"]).process(Login()).uid("login").sink_to(PrintSink()).uid("out")
"""
LINE = 1 + JOB.splitlines().index(
    "            raise ValueError(f\"no such user, password={value['password']}\")"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("named")
    (made / "login_job.py").write_text(JOB)
    return made


def started(folder: Path, name: str, restart: str) -> Started:
    arguments = [
        "weir",
        "run",
        "login_job:build",
        str(folder / "trouble"),
        "--address",
        "127.0.0.1:0",
        "-o",
        "json",
    ]
    settings = [
        "--set",
        f"restart-strategy.type={restart}",
        "--set",
        "restart-strategy.fixed-delay.delay=200ms",
    ]
    kept = [
        "--set",
        "execution.checkpointing.interval=1s",
        "--set",
        f"state.checkpoints.dir={folder}/checkpoints",
    ]
    attempts = ["--set", "restart-strategy.fixed-delay.attempts=1000"]
    environment = {**FAST, "PYTHONPATH": str(folder), "WEIR_LOG_LEVEL": "WARNING"}
    return Started(folder, [*arguments, *settings, *kept, *attempts], environment, name)


@pytest.fixture(scope="module")
def shown(folder: Path) -> dict[str, str]:
    """What each place says of the failure."""
    trouble = folder / "trouble"
    with started(folder, "first", "fixed-delay") as run:
        address = run.wait(lambda: re.findall(r"REST at http://(\S+)", run.stderr), "REST listens")[-1]
        rest = Rest(address)
        job = "/jobs/" + rest.until("/jobs", lambda found: found["jobs"])["jobs"][0]["id"]
        rest.until(f"{job}/status", lambda found: found["status"] == "RUNNING")
        trouble.touch()
        exceptions = rest.until(f"{job}/exceptions", lambda found: found["root-exception"])
        trouble.unlink()
        status = subprocess.run(
            [sys.executable, "-m", "weir", "status", job.removeprefix("/jobs/"), "--address", address],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        run.wait(lambda: "event='job failure'" in run.stderr, "the log says it")
        run.wait(lambda: "failed, restarting" in run.stderr, "the terminal says it")
        log, terminal = run.stderr, run.stderr
    with started(folder, "second", "none") as run:
        trouble.touch()
        assert run.finish() == 1
        summary, told = run.stderr, run.stdout
    return {
        "REST": json.dumps(exceptions["exceptionHistory"]["entries"][-1]),
        "weir status": next(line for line in status.splitlines() if line.startswith("last failure")),
        "log": next(line for line in log.splitlines() if "event='job failure'" in line),
        "weir run": next(line for line in terminal.splitlines() if "failed, restarting" in line),
        "summary": "\n".join(line for line in summary.splitlines() if line.startswith("weir: ")),
        "weir run -o json": json.dumps(json.loads(told)["failures"][-1]),
    }


@pytest.mark.parametrize("where", ["REST", "weir status", "log", "weir run", "summary", "weir run -o json"])
def test_the_users_line_operator_key_and_record_are_shown_and_no_secret(
    shown: dict[str, str], where: str
) -> None:
    said = shown[where]
    assert re.search(rf"login_job\.py:{LINE}: ValueError: no such user, password=\*\*\* \(in operator", said)
    assert "(uid login)" in said
    assert re.search(r"key \d", said)
    assert "hunter2" not in said


def test_it_has_one_fingerprint_everywhere_and_again(shown: dict[str, str]) -> None:
    places = {
        "REST": r'"fingerprint": "([0-9a-f]{8})"',
        "weir status": r"last failure ([0-9a-f]{8}) ",
        "log": r"fingerprint='([0-9a-f]{8})'",
        "weir run": r" \[([0-9a-f]{8})\]$",
        "summary": r"cause: user \(.*, failure ([0-9a-f]{8})\)",
        "weir run -o json": r'"fingerprint": "([0-9a-f]{8})"',
    }
    found = {where: re.findall(pattern, shown[where]) for where, pattern in places.items()}
    assert all(found.values()), (found, shown)
    assert len({name for names in found.values() for name in names}) == 1, found
