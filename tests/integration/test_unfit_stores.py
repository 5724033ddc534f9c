"""A store that breaks conditional writes holds no fence: refused by name before a job runs, and told by ``weir doctor storage``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bad_jobs
from tests.support.processes import Run
from tests.support.s3_proxy import Fault, Proxy, proxied
from tests.support.s3_servers import S3Server, each_s3
from weir.cli.main import run_command
from weir.storage import open_storage
from weir.storage.doctor import broken_promise

__all__ = ["each_s3"]  # the fixture: `s3` is SeaweedFS, then MinIO

CODE = {"PYTHONPATH": str(Path(bad_jobs.__file__).parent), "WEIR_LOG_LEVEL": "ERROR"}

#: Each fault, the check that finds it, and what is said.
FAULTS = {
    Fault.STRIPS: ("created objects stay", "the store ignores If-None-Match"),
    Fault.REFUSES_YET_WRITES: ("created objects stay", "a refused creation changed the object"),
    Fault.LOOKS_FIRST: ("create if absent", "writers were told that they created the same object"),
}


@pytest.fixture
def proxy(s3: S3Server, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with proxied(s3.endpoint, request.param) as proxy:
        yield proxy


def behind(proxy: Proxy, s3: S3Server) -> S3Server:
    return dataclasses.replace(s3, endpoint=proxy.endpoint)


def left(s3: S3Server) -> list[str]:
    return [str(item.object_name) for item in s3.client().list_objects(s3.bucket, recursive=True)]


@pytest.mark.parametrize("proxy", [Fault.NONE], indirect=True)
def test_a_store_that_keeps_its_word_passes_also_behind_a_proxy(proxy: Proxy, s3: S3Server) -> None:
    seen = behind(proxy, s3)
    assert broken_promise(open_storage(f"{seen.uri}/checkpoints", seen.options)) is None
    assert proxy.conditional >= 16
    assert left(s3) == []


@pytest.mark.parametrize("proxy", FAULTS, indirect=True)
def test_each_way_to_break_a_conditional_write_is_found_and_named(proxy: Proxy, s3: S3Server) -> None:
    check, says = FAULTS[proxy.fault]
    seen = behind(proxy, s3)
    finding = broken_promise(open_storage(seen.uri, seen.options))
    assert finding is not None
    assert (finding.check, says in finding.said) == (check, True), finding
    assert left(s3) == []


@pytest.mark.parametrize("proxy", [Fault.STRIPS], indirect=True)
def test_the_doctor_finds_it_too(
    proxy: Proxy, s3: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in behind(proxy, s3).environment.items():
        monkeypatch.setenv(name, value)
    assert run_command(["doctor", "storage", s3.uri, "--skip-large", "-o", "json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["failed"] == ["created objects stay", "create if absent", "read-back after refusal"]
    assert facts["left_behind"] == []


@pytest.mark.parametrize("proxy", [Fault.STRIPS, Fault.NOT_IMPLEMENTED], indirect=True)
def test_an_exactly_once_job_is_refused_before_anything_runs(
    proxy: Proxy, s3: S3Server, tmp_path: Path
) -> None:
    seen = behind(proxy, s3)
    described = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "counts"},
        "spec": {
            "job": {"entrypoint": "bad_jobs:counts", "args": [str(tmp_path / "out")]},
            "checkpoints": {"interval": "200ms"},
            "storage": {"checkpoints": f"{s3.uri}/checkpoints", "s3": {"endpoint": seen.endpoint}},
        },
    }
    with Run(tmp_path, described, {**seen.environment, **CODE}) as run:
        assert run.finish() == 1, run.story()
        said = [line for line in run.stderr.splitlines() if "`weir doctor storage" in line]
        assert len(said) == 1, run.story()
        if proxy.fault is Fault.STRIPS:
            assert (
                f"{s3.uri}/checkpoints must not hold checkpoints: it fails 'created objects stay'" in said[0]
            )
        else:
            assert "answered 501 NotImplemented" in said[0]
        assert "Traceback (most recent call last)" not in run.stderr
    assert left(s3) == []
    assert not (tmp_path / "out").exists()
