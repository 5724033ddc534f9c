"""``weir doctor storage`` on real stores: a local folder and S3; rights, endings, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import msgspec
import pytest

from tests.support.s3_servers import READ_ONLY_KEY, READ_ONLY_SECRET, each_s3
from weir.cli.doctoring import StorageFacts
from weir.storage import open_storage
from weir.storage.doctor import PREFIX

__all__ = ["each_s3"]  # the fixture: `s3` is SeaweedFS, then MinIO

CHECKS = [
    "rights",
    "created objects stay",
    "create if absent",
    "read-back after refusal",
    "read after write",
    "list after write",
    "range reads",
    "rename",
    "large objects",
    "clock",
]


def test_a_local_folder_may_hold_checkpoints_and_stays_as_it_was(weir, tmp_path):
    (tmp_path / "mine").write_text("mine")
    code, out, err = weir("doctor", "storage", str(tmp_path), "--skip-large")
    assert (code, err) == (0, "")
    assert [line[11:].split("  ")[0] for line in out.splitlines()[1:-1]] == CHECKS
    assert out.endswith(f"file://{tmp_path} may hold checkpoints\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_was_not_there_is_gone_again(weir, tmp_path):
    assert weir("doctor", "storage", str(tmp_path / "a" / "b"), "--skip-large")[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_is_needed_fails(weir, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, _ = weir("doctor", "storage", str(tmp_path / "file"))
    assert code == 1
    assert "must not hold checkpoints: it fails rights" in out


def test_the_json_holds_to_the_published_schema(weir, golden):
    code, out, err = weir("doctor", "storage", "memory://doctor", "--skip-large", "-o", "json")
    assert (code, err) == (0, "")
    facts = msgspec.json.decode(out, type=StorageFacts)
    assert facts.fit
    assert [finding.check for finding in facts.findings] == CHECKS
    golden("cli/doctor-storage.schema.json", json.dumps(msgspec.json.schema(StorageFacts), indent=1) + "\n")


def test_a_uri_that_is_none_is_refused(weir):
    code, out, err = weir("doctor", "storage", "gs://bucket")
    assert (code, out) == (1, "")
    assert "unknown scheme 'gs'" in err


def test_s3_may_hold_checkpoints_large_objects_included(weir, s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    code, out, err = weir("doctor", "storage", f"{s3.uri}/checkpoints", "-o", "json")
    facts = msgspec.json.decode(out, type=StorageFacts)
    assert (code, facts.failed, err) == (0, (), "")
    assert {finding.check: str(finding.verdict) for finding in facts.findings} == dict.fromkeys(
        CHECKS, "pass"
    )
    assert list(open_storage(s3.uri, s3.options).list()) == []


def test_a_read_only_key_is_told_what_it_may_not(weir, s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", READ_ONLY_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", READ_ONLY_SECRET)
    code, out, _ = weir("doctor", "storage", s3.uri)
    assert code == 1
    assert "may not write, create" in out
    assert READ_ONLY_KEY in out
    assert READ_ONLY_SECRET not in out


def test_a_bucket_that_is_not_there_is_named(weir, s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    code, out, _ = weir("doctor", "storage", "s3://no-such-bucket-here/x")
    assert code == 1
    assert "no-such-bucket-here" in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_between_leaves_nothing_behind(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "weir", "doctor", "storage", str(tmp_path / "store")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "rights" in line:  # its objects are there
            break
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 130, out + err
    assert "weir: interrupted" in err
    assert list(tmp_path.rglob(f"{PREFIX}*")) == []
    assert not (tmp_path / "store").exists()
