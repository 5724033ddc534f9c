"""Whatever object of a job is replaced by a pickle: the command line and the JobManager's reading of it run no code. Row R36."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkpoints import ManualClock
from tests.support.snapshots import job_folder, savepoint_in
from weir.checkpoint import store
from weir.checkpoint.fence import FenceLog
from weir.errors import WeirError
from weir.storage import MemoryStorage


class Gadget:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def root(request: pytest.FixtureRequest) -> MemoryStorage:
    storage = MemoryStorage.named(f"gadgets-{request.node.name}")
    storage._objects.clear()
    return storage


def test_the_gadget_would_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Gadget(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_no_object_of_a_savepoint_is_unpickled_by_a_command(
    weir: Any, root: MemoryStorage, tmp_path: Path
) -> None:
    proof = tmp_path / "ran"
    savepoint_in(root)
    whole = {info.name: root.read(info.name) for info in root.list()}
    assert len(whole) >= 3
    for name, content in whole.items():
        for data in (pickle.dumps(Gadget(proof)), pickle.dumps(Gadget(proof), protocol=0)):
            root.write(name, data)
            codes = {weir("inspect", root.uri)[0], weir("diff", root.uri, root.uri)[0]}
            assert codes <= {0, 1}
            assert name != "_metadata" or codes == {1}
        root.write(name, content)
    assert not proof.exists()


def test_no_object_of_a_jobs_folder_is_unpickled_by_who_takes_it_over(
    root: MemoryStorage, tmp_path: Path
) -> None:
    proof = tmp_path / "ran"
    folder, _ = job_folder(root)
    whole = {info.name: folder.read(info.name) for info in folder.list()}
    for name in whole:
        folder.write(name, pickle.dumps(Gadget(proof)))
        with contextlib.suppress(WeirError):
            view = FenceLog(folder, "another", ManualClock()).start("local", lambda view: None)
            assert view is not None
        for number in (1, 2):
            with contextlib.suppress(WeirError):
                store.check_files(store.load(f"{folder.uri}/chk-{number}"))
        for info in list(folder.list()):
            folder.delete(info.name)
        for other, data in whole.items():
            folder.write(other, data)
    assert not proof.exists()
