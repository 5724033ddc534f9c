from __future__ import annotations

import pytest

from weir.cli import preflight
from weir.errors import SnapshotError
from weir.storage import MemoryStorage

HERE = {"s3://b/job/chk-7", "s3://b/savepoints/savepoint-a-1"}


@pytest.fixture(autouse=True)
def _bucket(monkeypatch):
    job = MemoryStorage()
    for name in ("chk-5/1-1-x", "chk-7/_metadata", "chk-8/1-1-x"):
        job.write(name, b"")

    def preview(_planned, snapshot):
        if snapshot not in HERE:
            raise SnapshotError(f"{snapshot} is missing")
        return snapshot

    monkeypatch.setattr(preflight, "open_storage", lambda uri: job)
    monkeypatch.setattr(preflight, "preview", preview)


@pytest.mark.parametrize(
    ("named", "compared"),
    [
        ("s3://b/job/chk-7", "s3://b/job/chk-7"),
        ("s3://b/job/chk-6", "s3://b/job/chk-7"),
        ("s3://b/job/chk-5/", "s3://b/job/chk-7"),
        ("s3://b/savepoints/savepoint-a-1", "s3://b/savepoints/savepoint-a-1"),
    ],
)
def test_a_checkpoint_that_retention_took_is_spoken_for_by_the_newest_complete_one(named, compared):
    assert preflight._beside(None, named) == compared


@pytest.mark.parametrize("named", ["s3://b/job/chk-9", "s3://b/savepoints/savepoint-a-2"])
def test_a_snapshot_that_never_was_is_refused(named):
    with pytest.raises(SnapshotError, match="is missing"):
        preflight._beside(None, named)
