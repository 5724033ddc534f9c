"""Paths and snapshots that somebody else wrote: what leads elsewhere, never ends or takes all memory is refused, and named."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkpoints import COUNT_OPERATOR, metadata
from tests.support.snapshots import job_folder
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import publishing, store
from weir.checkpoint.fence_records import RestorePoint, decode_entry
from weir.checkpoint.metadata import OperatorState, SnapshotKind
from weir.errors import SnapshotCorrupt, SnapshotError, StorageError, UserError
from weir.ids import CheckpointId
from weir.state.snapshot import OperatorSubtaskState, object_handle
from weir.storage import LocalStorage, MemoryStorage, PrefixedStorage, S3Options, open_storage

NO_SERVER = S3Options("http://127.0.0.1:9", "us-east-1", "key", "secret")

#: Names in a manifest that mean something outside the folder, for some system or other.
NAMES = [
    "../other/state",
    "chk-1/../../other/state",
    "..",
    "/etc/passwd",
    "//host/share",
    "s3://other-bucket/state",
    "file:///etc/passwd",
    "http://127.0.0.1/state",
    "a//b",
    "./a",
    "a/./b",
    "a\0b",
    "x" * 1025,
    "",
]
#: URIs of roots that try to be another bucket, host or scheme.
URIS = [
    "s3://bucket/../other",
    "s3://bucket/a/../../other",
    "s3://../bucket",
    "s3://user:secret@bucket/x",
    "s3://bucket@host/x",
    "s3://bucket:9000/x",
    "s3://bucket?versionId=1/x",
    "s3://bucket%2F..%2Fother/x",
    "s3://bucket#x/y",
    "s3://[::1]/x",
    "s3:///x",
    "s3:/bucket/x",
    "s3://bucket/a\0b",
    "http://169.254.169.254/latest",
    "https://host/bucket",
    "ftp://host/x",
    "gopher://host/x",
    "file://host/etc",
    "file:///a\0b",
    "S3A://bucket/x",
    "s3+http://host/x",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_state_file_of_a_manifest_stays_in_its_folder(name):
    state = OperatorSubtaskState(subtask=0, operator=object_handle(name, b"x"))
    operator = OperatorState(
        operator_id=COUNT_OPERATOR,
        uid="count",
        name="count",
        parallelism=1,
        max_parallelism=128,
        subtasks=(state,),
    )
    data = metadata_format.encode(metadata(1, operators=(operator,)))
    with pytest.raises(SnapshotCorrupt, match=r"s3://bucket/chk-1/_metadata: operator uid 'count' .*refused"):
        metadata_format.decode(data, "s3://bucket/chk-1/_metadata")


@pytest.mark.parametrize("name", [name for name in NAMES if "://" not in name])
def test_a_restore_point_of_a_log_stays_in_the_jobs_folder(name):
    everything = MemoryStorage()
    everything.write("other/state/_metadata", b"{}")
    point = RestorePoint(
        checkpoint_id=CheckpointId(1), path=name, metadata_sha256="0" * 64, kind=SnapshotKind.CHECKPOINT
    )
    with pytest.raises(StorageError, match="refused"):
        store.load_point(PrefixedStorage(everything, "job"), point)


@pytest.mark.parametrize("uri", URIS)
def test_a_root_is_a_folder_or_a_bucket_and_nothing_else(uri):
    with pytest.raises((UserError, StorageError)):
        open_storage(uri, NO_SERVER)


@pytest.mark.parametrize("encoded", ["%2e%2e/other/x", "..%2fother", "%2fetc", "..;/x"])
def test_what_only_looks_like_a_way_out_is_a_plain_name(s3, encoded):
    below = open_storage(f"{s3.uri}/job", s3.options)
    below.write(encoded, b"mine")
    assert below.read(encoded) == b"mine"
    assert [info.name for info in open_storage(s3.uri, s3.options).list()] == [f"job/{encoded}"]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize("make", [pipe, zeros, bound_socket])
def test_what_is_no_file_is_not_read(tmp_path, make):
    make(tmp_path / "object")
    storage = LocalStorage(tmp_path)
    for call in (storage.read, storage.size, lambda name: storage.read_range(name, 0, 1)):
        with pytest.raises(StorageError, match="a device, a pipe or a socket, or a link to one"):
            call("object")


def test_a_state_file_that_links_to_another_file_is_held_to_its_hash(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "savepoint"
    folder.mkdir()
    (folder / "state").symlink_to(tmp_path / "secret")
    with pytest.raises(SnapshotError, match=r"state file .*/savepoint/state has sha256") as raised:
        store.read_state(LocalStorage(folder), object_handle("state", b"public"))
    assert "secret" not in str(raised.value).replace(str(tmp_path), "")


def flood(path: Path) -> None:
    """Ten million subtasks."""
    entry = b'{"subtask":0},'
    with path.open("wb") as file:
        file.write(b'{"format_version":1,"operators":[{"subtasks":[')
        for _ in range(100):
            file.write(entry * 100_000)
        file.write(entry[:-1] + b"]}]}")


def nested(path: Path) -> None:
    path.write_bytes(b'{"format_version":1,"operators":' + b"[" * 4_000_000)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 1024**3)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


_LOAD = """
import json, resource, sys
from weir.checkpoint import publishing, store
from weir.errors import WeirError
from weir.storage import open_storage

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
open_storage(sys.argv[1])
before, said = peak(), None
try:
    store.load(sys.argv[1])
except WeirError as error:
    said = str(error)
print(json.dumps([said, peak() - before]))
"""


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (flood, "holds more than 500000 JSON objects"),
        (nested, "damaged"),
        (huge, "has 107374182400 bytes, and the most is"),
        (endless, "a device, a pipe or a socket, or a link to one"),
    ],
)
def test_a_manifest_that_would_take_all_memory_is_refused_within_64_mib(tmp_path, make, says):
    make(tmp_path / "_metadata")
    ended = subprocess.run(
        [sys.executable, "-c", _LOAD, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    said, grown_mib = json.loads(ended.stdout)
    assert said is not None
    assert f"{tmp_path}/_metadata" in said
    assert says in said
    assert grown_mib < 64


def test_a_fence_record_nested_without_end_is_damaged():
    with pytest.raises(SnapshotCorrupt, match="fence record here is damaged"):
        decode_entry(b'{"format_version":1,"record":' + b"[" * 1_000_000, "here")


def test_a_snapshot_that_nobody_would_read_again_is_not_published(monkeypatch):
    job, fence = job_folder(MemoryStorage(), numbers=())
    before = [info.name for info in job.list()]
    monkeypatch.setattr(metadata_format, "MAX_BYTES", 100)
    with pytest.raises(SnapshotError, match=r"_metadata of snapshot 1 has \d+ bytes, and the most is 100"):
        publishing.publish(fence, job, metadata(1))
    assert [info.name for info in job.list()] == before
