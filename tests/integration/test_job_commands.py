"""``weir jobs``, ``status``, ``checkpoints``, ``cancel`` against a real cluster, and against what is none."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_rest_of_a_cluster import FAST, Running
from tests.support.ports import nobody_listens
from weir.cli.rest_client import job_names
from weir.local import LocalCluster


def weir(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "-m", "weir", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("commanded")
    with LocalCluster(environment=FAST, rest="127.0.0.1:0") as cluster:
        made = Running(cluster, folder)
        made.rest.until(f"{made.path}/checkpoints", lambda found: found["counts"]["completed"] >= 1)
        yield made


def test_jobs_are_listed_on_stdout(running: Running) -> None:
    done = weir("jobs", "--address", running.rest.address)
    assert (done.returncode, done.stderr) == (0, "")
    head, row = done.stdout.splitlines()
    assert head.split()[:3] == ["NAME", "ID", "STATE"]
    assert row.split()[:4] == ["steered", running.job, "RUNNING", "8/9"]


@pytest.mark.parametrize("by", ["name", "id"])
def test_status_shows_the_job_by_name_or_id(running: Running, by: str) -> None:
    job = "steered" if by == "name" else running.job
    done = weir("status", job, WEIR_ADDRESS=running.rest.address)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"job steered ({running.job}) is RUNNING for" in done.stdout
    assert "checkpoint " in done.stdout
    vertices = [line.split()[0] for line in done.stdout.splitlines()[-5:]]
    assert vertices == ["numbers", "numbers", "slow", "after", "FileSink"]


@pytest.mark.parametrize(
    ("command", "path"),
    [("jobs", "/jobs/overview"), ("status", "{path}"), ("checkpoints", "{path}/checkpoints")],
)
def test_json_is_the_answer_of_rest(running: Running, command: str, path: str) -> None:
    job = () if command == "jobs" else ("steered",)
    done = weir(command, *job, "-o", "json", "--address", f"http://{running.rest.address}/v1")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == set(running.rest.get(path.format(path=running.path)))


def test_checkpoints_are_a_table_and_their_counts_are_no_data(running: Running) -> None:
    done = weir("checkpoints", "steered", "--address", running.rest.address)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split()[:3] == ["ID", "STATUS", "KIND"]
    assert "chk-" in done.stdout
    assert " completed, 0 failed, " in done.stderr


def test_job_names_are_there_for_completion(running: Running) -> None:
    assert job_names(running.rest.address) == ["steered"]


@pytest.mark.parametrize("command", ["status", "checkpoints", "cancel"])
def test_an_unknown_job_is_told_with_the_nearest_one(running: Running, command: str) -> None:
    done = weir(command, "steerde", "--address", running.rest.address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"weir: no job 'steerde' at {running.rest.address}; did you mean steered?\n"


def test_cancel_waits_for_the_end(running: Running) -> None:
    done = weir("cancel", "steered", "--address", running.rest.address)
    assert (done.returncode, done.stdout) == (0, f"{running.job} CANCELED\n")
    again = weir("cancel", "steered", "--address", running.rest.address, "-o", "json")
    assert (again.returncode, json.loads(again.stdout)) == (0, {"status": "CANCELED"})


# ---- no JobManager, or not for us


@pytest.mark.parametrize("command", [("jobs",), ("status", "x"), ("checkpoints", "x"), ("cancel", "x")])
def test_a_jobmanager_that_is_not_there_is_one_clear_message(command: tuple[str, ...]) -> None:
    with nobody_listens() as address:
        done = weir(*command, "--address", address)
        names = job_names(address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"weir: no JobManager answers at {address}: nothing listens there; is it the address that `weir run` printed?\n"
    )
    assert names == []


@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1:x", "ftp://127.0.0.1:1", "http://", "127.0.0.1:99999"]
)
def test_what_is_no_address_is_told_so(address: str) -> None:
    done = weir("jobs", "--address", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"--address {address}: expected HOST:PORT" in done.stderr


class Somebody(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        pass


def test_something_else_on_the_port_is_no_jobmanager() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Somebody) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        done = weir("jobs", "--address", address)
        server.shutdown()
    assert done.returncode == 1
    assert done.stderr == f"weir: what answers at {address} is no JobManager of Weir\n"


def test_a_token_is_sent_from_file_or_environment(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("open sesame\n")
    with LocalCluster(environment=FAST, rest="127.0.0.1:0", rest_token_file=str(secret)) as cluster:
        address = str(cluster.rest_address)
        without = weir("jobs", "--address", address)
        assert without.returncode == 1
        assert "this needs the header 'Authorization: Bearer TOKEN'" in without.stderr
        assert weir("jobs", "--address", address, "--token-file", str(secret)).returncode == 0
        assert weir("jobs", "--address", address, WEIR_TOKEN="open sesame").returncode == 0
        missing = weir("jobs", "--address", address, "--token-file", str(tmp_path / "none"))
        assert "cannot be read" in missing.stderr


def test_a_command_loads_nothing_heavy_before_it_asks() -> None:
    code = "import weir.cli.main, weir.cli.job_commands, weir.cli.job_reports, sys; print(*sys.modules)"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert not loaded & {"aiohttp", "grpc", "rich", "msgspec", "yaml", "minio", "structlog"}
