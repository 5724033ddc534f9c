"""Every command with ``-o json``, piped: one JSON document on stdout that holds to its published schema, the rest on stderr, no colour."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_rest_of_a_cluster import FAST, Running
from tests.support.json_schema import faults
from weir.local import LocalCluster

SCHEMAS = Path(__file__).parent.parent / "golden" / "cli"
JOB = """
from weir import CollectionSource, FileSink


def build(env, args):
    env.from_source(CollectionSource([1, 2]), name="rows").uid("rows").sink_to(FileSink.for_json_lines(args[0])).uid("out")
"""


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str


class Terminal:
    """Runs commands in a folder, against the cluster of the job ``steered``."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.folder = running.folder
        (self.folder / "tiny_job.py").write_text(JOB)

    def __call__(self, *arguments: str) -> Done:
        environment = {
            **os.environ,
            "WEIR_ADDRESS": self.running.rest.address,
            "FORCE_COLOR": "1",
            "NO_COLOR": "1",
        }
        command = [sys.executable, "-m", "weir", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "\x1b" not in done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def answer(self, *arguments: str, schema: str = "") -> Any:
        """The JSON that the command prints, and nothing else, checked against its schema."""
        done = self(*arguments, "-o", "json")
        assert done.code == 0, done
        value = json.loads(done.stdout)
        published = json.loads((SCHEMAS / f"{schema or arguments[0]}.schema.json").read_text())
        assert faults(value, published) == []
        return value


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("answers")
    with LocalCluster(environment=FAST, rest="127.0.0.1:0") as cluster:
        made = Running(cluster, folder)
        made.rest.until(f"{made.path}/checkpoints", lambda found: found["counts"]["completed"] >= 1)
        yield Terminal(made)


@pytest.mark.parametrize("command", [("jobs",), ("status", "steered"), ("checkpoints", "steered")])
def test_what_only_looks(terminal: Terminal, command: tuple[str, ...]) -> None:
    assert terminal.answer(*command)
    told = terminal(*command)
    assert (told.code, told.stdout.count("steered") > 0 or "COMPLETED" in told.stdout) == (0, True)


def test_a_savepoint_and_what_is_in_it(terminal: Terminal) -> None:
    taken = terminal.answer("savepoint", "steered", "taken")["operation"]["location"]
    assert terminal.answer("inspect", taken)
    told = terminal("savepoint", "steered", "taken")
    assert re.fullmatch(r"file://\S+/taken/savepoint-\S+\n", told.stdout)
    assert "weir: taking a savepoint of steered" in told.stderr


def test_plan_explain_and_doctor(terminal: Terminal) -> None:
    assert terminal.answer("plan", "tiny_job:build", "here")
    assert terminal.answer("config", "explain", schema="config-explain")
    assert terminal.answer("config", "explain", "heartbeat.interval", schema="config-explain")
    assert terminal.answer("doctor", "storage", "store", "--skip-large", schema="doctor-storage")["fit"]


def test_run_says_its_progress_on_stderr_only(terminal: Terminal) -> None:
    status = terminal.answer("run", "tiny_job:build", "rows", "--address", "127.0.0.1:0")
    assert status["state"] == "FINISHED"
    told = terminal("run", "tiny_job:build", "more-rows", "--address", "127.0.0.1:0")
    assert (told.code, told.stdout) == (0, "")
    assert "is FINISHED after" in told.stderr


def test_what_fails_prints_no_data_and_one_message(terminal: Terminal) -> None:
    for code, *arguments in (
        (1, "status", "steerde"),
        (1, "savepoint", "steered"),
        (1, "plan", "nowhere:build"),
        (1, "inspect", "nowhere"),
        (1, "config", "explain", "heartbeat.intervall"),
        (1, "jobs", "--address", "127.0.0.1:9"),
        (2, "status"),
        (2, "jbos"),
        (2, "rescale", "steered", "many"),
        (2, "jobs", "-o", "yaml"),
    ):
        done = terminal(*arguments)
        assert (done.code, done.stdout) == (code, ""), (arguments, done)
        assert done.stderr
        assert "Traceback (most recent call last)" not in done.stderr


def test_rescale_and_at_last_stop_and_cancel(terminal: Terminal) -> None:
    assert terminal.answer("rescale", "steered", "1") == {"status": {"id": "COMPLETED"}, "operation": {}}
    rest, path = terminal.running.rest, terminal.running.path
    [entry] = rest.get(f"{path}/rescales/history")
    assert entry["terminalState"] == "COMPLETED"
    vertices = entry["vertices"].values()
    assert {(each["preRescaleParallelism"], each["postRescaleParallelism"]) for each in vertices} == {
        (2, 1),
        (1, 1),
    }
    assert rest.get(f"{path}/metrics?get=numRescales") == [{"id": "numRescales", "value": "1"}]
    stopped = terminal.answer("stop", "steered", "taken")
    assert stopped["operation"]["location"].startswith("file://")
    done = terminal("cancel", "steered", "-o", "json")
    assert (done.code, done.stdout) == (1, "")
    assert "is FINISHED already; there is nothing to cancel" in done.stderr


def test_cancel(terminal: Terminal) -> None:
    again = Running(terminal.running.cluster, terminal.folder / "again")
    again.rest.until(f"{again.path}/status", lambda found: found["status"] == "RUNNING")
    assert terminal.answer("cancel", again.job) == {"status": "CANCELED"}
