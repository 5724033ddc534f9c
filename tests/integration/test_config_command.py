"""``weir config explain`` and configuration files: every origin, for a shell and for a job, and bad files."""

from __future__ import annotations

import json

import pytest

from weir.config import OPTIONS, CheckpointOptions, JobOptions
from weir.jobmanager.planning import plan_job

INTERVAL = "execution.checkpointing.interval"
JOB = """
from weir import CollectionSource, PrintSink


def build(env):
    env.enable_checkpointing("40s")
    env.from_source(CollectionSource([1])).uid("rows").sink_to(PrintSink()).uid("out")
"""
RESOURCE = """
apiVersion: weir.dev/v1alpha1
kind: StreamJob
metadata: {name: sample}
spec:
  job: {entrypoint: "sample_config_job:build"}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_config_job.py").write_text(JOB)
    (tmp_path / "job.yaml").write_text(RESOURCE)
    (tmp_path / "conf.yaml").write_text(
        "execution:\n  checkpointing:\n    interval: 10s\n    num-retained: 2\n"
    )
    return tmp_path


def explained(weir, *arguments: str) -> dict:
    code, out, err = weir("config", "explain", *arguments, "-o", "json")
    assert code == 0, err
    return json.loads(out)


def test_every_origin_wins_over_those_below_it(folder, weir, monkeypatch):
    def said(*more: str) -> list[tuple[str, str]]:
        found = explained(weir, INTERVAL, *more)
        own = [(found["origin"], found["value"])]
        return own + [(layer["origin"], layer["value"]) for layer in found["overruled"]]

    assert said() == [("default", "not set")]
    assert said("--config", "conf.yaml") == [("file", "10s")]
    monkeypatch.setenv("WEIR_CONFIG", "conf.yaml")
    (folder / "job.yaml").write_text(RESOURCE + "  config: {execution.checkpointing.interval: 20s}\n")
    below = [("config", "20s"), ("file", "10s")]
    assert said("--for", "job.yaml") == [("code", "40s"), *below]
    monkeypatch.setenv("WEIR_EXECUTION_CHECKPOINTING_INTERVAL", "30s")
    below = [("code", "40s"), ("environment", "30s"), *below]
    assert said("--for", "job.yaml") == below
    with (folder / "job.yaml").open("a") as file:
        file.write("  checkpoints: {interval: 50s}\n")
    assert said("--for", "job.yaml") == [("resource", "50s"), *below]
    assert said("--for", "job.yaml", "--set", f"{INTERVAL}=60s")[:2] == [("flag", "1m"), ("resource", "50s")]


def test_places_name_file_and_line(folder, weir):
    assert explained(weir, INTERVAL, "--config", "conf.yaml")["place"] == "conf.yaml:3"
    with (folder / "job.yaml").open("a") as file:
        file.write("  checkpoints: {interval: 50s}\n")
    assert explained(weir, INTERVAL, "--for", "job.yaml")["place"] == "job.yaml:7, spec.checkpoints.interval"


def test_without_a_key_every_setting_is_in_the_table(folder, weir):
    code, out, _ = weir("config", "explain", "--config", "conf.yaml")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(OPTIONS)
    assert len(explained(weir)) == len(OPTIONS)


def test_one_key_is_told_with_type_default_value_and_origin(folder, weir):
    out = weir("config", "explain", INTERVAL, "--config", "conf.yaml")[1]
    said = dict(line.split(maxsplit=1) for line in out.splitlines()[2:])
    assert said == {
        "type": "a duration such as 500ms, 10s or 1h30m",
        "default": "not set",
        "value": "10s",
        "origin": "file (conf.yaml:3)",
        "variable": "WEIR_EXECUTION_CHECKPOINTING_INTERVAL",
        "field": "spec.checkpoints.interval",
    }


def test_an_unknown_key_fails_before_the_job_is_loaded(folder, weir):
    code, out, err = weir("config", "explain", "hearbeat.interval", "--for", "nowhere.yaml")
    assert (code, out) == (1, "")
    assert "did you mean heartbeat.interval?" in err


def test_a_job_that_cannot_be_loaded_is_the_answer(folder, weir):
    (folder / "sample_config_job.py").write_text("raise RuntimeError('no')")
    code, out, err = weir("config", "explain", INTERVAL, "--for", "job.yaml")
    assert (code, out) == (1, "")
    assert "RuntimeError: no" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty, expected settings"),
        ("- a\n", "expected settings (keys and values)"),
        ("a: [\n", "not YAML"),
        ("heartbeat.intervall: 1s\n", "conf.yaml:1: unknown setting heartbeat.intervall; did you mean"),
        ("heartbeat: {interval: soon}\n", "heartbeat.interval: got 'soon', expected a duration"),
        ("heartbeat:\n  interval: [1s]\n", "conf.yaml:2: heartbeat.interval: got a list, expected one value"),
        (
            "heartbeat.interval: 1s\nheartbeat: {interval: 2s}\n",
            "conf.yaml:2: heartbeat.interval is there twice",
        ),
        ("heartbeat.interval: 1s\nheartbeat.interval: 2s\n", "is there twice, first in line 1"),
        ("heartbeat.interval: !!python/name:os.system\n", "not YAML"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(folder, weir, text, message):
    (folder / "conf.yaml").write_text(text)
    code, out, err = weir("config", "explain", "--config", "conf.yaml")
    assert (code, out) == (1, "")
    assert message in err


def test_a_file_that_is_not_there_is_named(folder, weir, monkeypatch):
    monkeypatch.setenv("WEIR_CONFIG", "nowhere.yaml")
    code, _, err = weir("config", "explain")
    assert (code, err) == (1, "weir: nowhere.yaml cannot be read: No such file or directory\n")


def test_what_is_explained_is_what_the_job_gets(folder, weir, monkeypatch):
    import asyncio

    from weir.cli.resource import read_target

    monkeypatch.setenv("WEIR_CONFIG", "conf.yaml")
    planned = asyncio.run(plan_job(read_target("job.yaml").spec))
    assert planned.options == JobOptions.from_settings(planned.settings)
    assert planned.options.checkpoints == CheckpointOptions(interval=40.0, num_retained=2)
    by_key = {found["key"]: found for found in explained(weir, "--for", "job.yaml")}
    assert {key: found["origin"] for key, found in by_key.items() if found["origin"] != "default"} == {
        INTERVAL: "code",
        "execution.checkpointing.mode": "code",  # the second parameter of enable_checkpointing
        "execution.checkpointing.num-retained": "file",
    }
