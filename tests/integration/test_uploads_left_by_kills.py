"""A process is killed while it uploads a large object in parts: no listing has what it left, and whoever sweeps gives it up. Row R17."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.checkpoints import COUNT_OPERATOR, ManualClock
from tests.support.processes import ROOT
from tests.support.s3_servers import S3Server, each_s3
from tests.support.swept_lives import OURS, SPEC, Life
from tests.support.waiting import wait_for
from weir.checkpoint import paths, store
from weir.ids import AttemptId, CheckpointId, Epoch, JobId
from weir.jobmanager.care import caretaking
from weir.jobmanager.care.caretaking import Place
from weir.storage import Storage, Upload, open_storage

__all__ = ["each_s3"]  # the fixture: `s3` is SeaweedFS, then MinIO

GRACE_MS = 3_600_000


@pytest.fixture
def root(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Storage:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return open_storage(s3.uri)


def state(epoch: int, attempt: int = 1) -> str:
    return paths.state_name(Epoch(epoch), AttemptId(attempt), COUNT_OPERATOR, 0, paths.StateKind.KEYED)


def killed_while_uploading(root: Storage, folder: str, name: str) -> Upload:
    """What is left of the upload."""
    begun = {upload.id for upload in root.uploads(f"{folder}/{name}")}
    arguments = [sys.executable, "-m", "tests.support.endless_upload", f"{root.uri}/{folder}", name]
    with subprocess.Popen(arguments, cwd=ROOT) as process:

        def new() -> list[Upload]:
            assert process.poll() is None
            return [each for each in root.uploads(f"{folder}/{name}") if each.id not in begun]

        [left] = wait_for(new, "the upload is begun")
        process.send_signal(signal.SIGKILL)
    assert f"{folder}/{name}" not in [info.name for info in root.list()]
    return left


def names(root: Storage) -> list[str]:
    return [upload.name for upload in root.uploads()]


def test_the_next_epoch_gives_up_what_dead_workers_left_and_touches_nothing_else(root: Storage) -> None:
    life = Life(root.uri, 1)
    life.act("checkpoint")
    folder = f"cp/{OURS}"
    for name in (f"chk-2/{state(1)}", f"shared/2/{state(1)}-7", f"chk-9/{state(1)}", "notes/large"):
        killed_while_uploading(root, folder, name)
    killed_while_uploading(root, f"cp/{JobId('b' * 32)}", f"chk-2/{state(1)}")
    job = store.job_folder(open_storage(f"{root.uri}/cp"), OURS)
    Life(root.uri, 2).sweep(CheckpointId(1), below=CheckpointId(9))
    assert names(root) == [
        f"{folder}/chk-9/{state(1)}",  # of a number that may be under way
        f"{folder}/notes/large",  # not spelled as ours
        f"cp/{JobId('b' * 32)}/chk-2/{state(1)}",  # another job's
    ]
    assert [info.name for info in job.list("chk-1/")], "what is referred to is there"


def test_a_sweep_of_a_job_that_rests_gives_up_what_is_older_than_the_grace(root: Storage) -> None:
    life = Life(root.uri, 1)
    life.act("checkpoint")
    life.stop()
    ours = killed_while_uploading(root, f"cp/{OURS}", f"chk-7/{state(1)}")
    saving = f"sp/{paths.savepoint_folder(OURS, CheckpointId(8))}"
    killed_while_uploading(root, saving, state(1))
    killed_while_uploading(root, f"cp/{OURS}", "notes/large")
    killed_while_uploading(root, "sp", "notes/large")
    before = names(root)
    objects = [info.name for info in root.list()]
    clock = ManualClock()
    place = Place(SPEC, OURS, open_storage(f"{root.uri}/cp"), f"{root.uri}/sp", clock)
    clock.now = (ours.begun_ms + GRACE_MS - clock.wall_ms()) / 1000 - 60
    assert caretaking.sweep(place, GRACE_MS).deleted == 0
    assert names(root) == before, "younger than the grace"
    clock.now += 120
    assert caretaking.sweep(place, GRACE_MS, dry_run=True).would_delete == 2
    assert names(root) == before, "only asked"
    assert caretaking.sweep(place, GRACE_MS).deleted == 2
    assert names(root) == [f"cp/{OURS}/notes/large", "sp/notes/large"]
    assert {*objects} <= {info.name for info in root.list()}, "no object is gone"
