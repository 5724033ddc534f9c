"""Folders of workers on the local disk: gone with them, whatever ended them, and never while they live."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from weir.state.rocksdb.local_folder import LocalFolder, remove_left_overs

HOLDER = """
import sys
from weir.state.rocksdb.local_folder import LocalFolder
print(LocalFolder(sys.argv[1]).path, flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holder(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder, and the folder with a file in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            folder = Path(process.stdout.readline().strip())
            (folder / "000004.sst").write_bytes(b"x")
            yield process, folder
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    """Dead, and nobody has asked yet how: its id is still taken."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_a_killed_process_leaves_its_folder_to_the_next_one(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, folder):
        kill(process)
        mine = LocalFolder(str(tmp_path))
        assert not folder.exists()
        assert os.listdir(tmp_path) == [os.path.basename(mine.path)]


def test_a_living_process_keeps_its_folder(tmp_path: Path) -> None:
    with holder(tmp_path) as (_, folder):
        LocalFolder(str(tmp_path)).give_up()
        assert list(tmp_path.iterdir()) == [folder]
        assert (folder / "000004.sst").exists()


def test_giving_up_removes_what_died_since(tmp_path: Path) -> None:
    mine = LocalFolder(str(tmp_path))
    with holder(tmp_path) as (process, _):
        kill(process)
        mine.give_up()
        assert list(tmp_path.iterdir()) == []


def test_other_folders_stay(tmp_path: Path) -> None:
    for name in ("weir-state", "weir-state-of-mine", "wal"):
        (tmp_path / name).mkdir()
    remove_left_overs(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 3
