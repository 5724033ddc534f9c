"""Settings from file, environment, code and resource: what holds in a running job, and who is named for it by REST and by explain."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_rest_of_a_cluster import FAST, Rest
from tests.support.processes import Started

INTERVAL, RETAINED, PAUSE, TIMEOUT, TOLERATED = (
    "execution.checkpointing.interval",
    "execution.checkpointing.num-retained",
    "execution.checkpointing.min-pause",
    "execution.checkpointing.timeout",
    "execution.checkpointing.tolerable-failed-checkpoints",
)
CODE = f"""
from weir import DataGeneratorSource, PrintSink


def build(env):
    env.enable_checkpointing("40s")
    env.set_config("{RETAINED}", "4")
    rows = env.from_source(DataGeneratorSource(lambda i: i, rows_per_second=1), name="rows").uid("rows")
    rows.filter(lambda value: False).uid("none").sink_to(PrintSink()).uid("out")
"""
FILE = """
execution.checkpointing: {interval: 10s, num-retained: 2, min-pause: 3s, timeout: 5m, tolerable-failed-checkpoints: 1}
heartbeat.timeout: 9s
"""
RESOURCE = f"""
apiVersion: weir.dev/v1alpha1
kind: StreamJob
metadata: {{name: layered}}
spec:
  job: {{entrypoint: "layered_job:build"}}
  config: {{{TIMEOUT}: 6m, {TOLERATED}: 2}}
  storage: {{checkpoints: FOLDER/checkpoints}}
  checkpoints: {{retained: 3}}
"""
#: By key: what holds, and whose word it is.
HOLDS = {
    INTERVAL: ("40s", "code"),  # over the file
    RETAINED: ("3", "resource"),  # over the code and the file
    PAUSE: ("3s", "file"),
    TIMEOUT: ("7m", "environment"),  # over spec.config and the file
    TOLERATED: ("2", "config"),  # over the file
}


class Layered:
    def __init__(self, folder: Path, run: Started) -> None:
        self.folder = folder
        address = run.wait(lambda: re.findall(r"REST at http://(\S+)", run.stderr), "REST listens")[-1]
        self.rest = Rest(address)
        self.rest.until("/jobs/layered/status", lambda found: found["status"] == "RUNNING")

    def explained(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "weir", "config", "explain", *arguments, "-o", "json"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **environment(self.folder)},
            capture_output=True,
            check=True,
        )
        return json.loads(done.stdout)


def environment(folder: Path) -> dict[str, str]:
    return {
        **FAST,
        "WEIR_CONFIG": str(folder / "conf.yaml"),
        "WEIR_EXECUTION_CHECKPOINTING_TIMEOUT": "7m",
        "PYTHONPATH": str(folder),
    }


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layered]:
    folder = tmp_path_factory.mktemp("layered")
    for name, text in (("layered_job.py", CODE), ("conf.yaml", FILE), ("job.yaml", RESOURCE)):
        (folder / name).write_text(text.replace("FOLDER", str(folder)))
    command = ["weir", "run", str(folder / "job.yaml"), "--address", "127.0.0.1:0"]
    with Started(folder, command, environment(folder), "run") as run:
        yield Layered(folder, run)


def test_the_running_job_has_what_the_highest_layer_says(layered: Layered) -> None:
    config = layered.rest.get("/jobs/layered/checkpoints/config")
    shown = {name: config[name] for name in ("interval", "num_retained", "min_pause", "timeout")}
    assert shown == {"interval": 40_000, "num_retained": 3, "min_pause": 3000, "timeout": 420_000}
    assert config["tolerable_failed_checkpoints"] == 2


@pytest.mark.parametrize("key", HOLDS)
def test_explain_names_the_same_value_and_its_origin(layered: Layered, key: str) -> None:
    found = layered.explained(key, "--for", "job.yaml")
    assert (found["value"], found["origin"]) == HOLDS[key]


def test_rest_names_value_and_place_of_each_setting_of_the_job(layered: Layered) -> None:
    shown = {each["key"]: each for each in layered.rest.get("/jobs/layered/config")["settings"]}
    everything = {each["key"]: each for each in layered.explained("--for", "job.yaml")}
    for key in HOLDS:
        assert shown[key]["origin"].endswith(everything[key]["place"]), key
    assert shown[INTERVAL]["origin"] == "the job's code"


def test_rest_names_what_holds_for_the_jobmanager_itself(layered: Layered) -> None:
    shown = {each["key"]: each for each in layered.rest.get("/jobmanager/config")}
    assert (shown["heartbeat.timeout"]["value"], shown["heartbeat.timeout"]["origin"]) == (
        "5s",
        "environment",
    )
    pause = shown[PAUSE]
    assert (pause["value"], pause["origin"]) == ("3s", "file")
    assert pause["place"].endswith("conf.yaml:2")
    assert shown["job.load-timeout"]["origin"] == "default"
