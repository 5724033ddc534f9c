"""The local folder, on a real file system."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.support.storage_contract import StorageContract
from weir.errors import ObjectExists, StorageDenied, StorageError, StorageUnavailable
from weir.storage import LocalStorage


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return LocalStorage(tmp_path / "not" / "yet")


@pytest.fixture
def storage(tmp_path):
    return LocalStorage(tmp_path)


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, StorageUnavailable, "no space left"),
        (errno.EDQUOT, StorageUnavailable, "quota"),
        (errno.EACCES, StorageDenied, "permission denied"),
        (errno.EROFS, StorageDenied, "read-only"),
        (errno.ENAMETOOLONG, StorageError, "too long"),
    ],
)
@pytest.mark.parametrize("operation", ["write", "create_if_absent"])
def test_what_the_system_refuses_is_mapped_and_leaves_nothing(
    storage, tmp_path, monkeypatch, number, kind, said, operation
):
    storage.write("a", b"old")

    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match="a") as raised:
        getattr(storage, operation)("a", b"new")
    assert type(raised.value) is kind
    assert said in str(raised.value).lower()
    assert str(tmp_path / "a") in str(raised.value)
    assert os.listdir(tmp_path) == ["a"]
    assert storage.read("a") == b"old"


def test_a_file_system_without_hard_links_is_said_to_have_none(storage, tmp_path, monkeypatch):
    def fail(source, target, **more):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(StorageError, match="hard links"):
        storage.create_if_absent("a", b"1")
    assert os.listdir(tmp_path) == []


def test_a_file_where_a_folder_is_needed_is_named(storage):
    storage.write("a", b"1")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        storage.write("a/b", b"2")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        storage.create_if_absent("a/b", b"2")


def test_a_left_over_temporary_file_is_not_listed(storage, tmp_path):
    storage.write("a/b", b"1")
    (tmp_path / "a" / ".weir-tmp-1-2").write_bytes(b"half")
    (tmp_path / "a" / ".part-1").write_bytes(b"pending")
    assert [info.name for info in storage.list()] == ["a/.part-1", "a/b"]


DIES_BEFORE_ITS_FILE_IS_IN_PLACE = """
import os, signal, sys
from weir.storage import LocalStorage

os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
getattr(LocalStorage(sys.argv[1]), sys.argv[2])(sys.argv[3], b"new" * 1000)
"""


@pytest.mark.parametrize(("how", "name"), [("write", "a/x"), ("write", "a/y"), ("create_if_absent", "a/y")])
def test_a_writer_that_is_killed_leaves_nothing(storage, tmp_path, how, name):
    storage.write("a/x", b"old")
    program = [sys.executable, "-c", DIES_BEFORE_ITS_FILE_IS_IN_PLACE, str(tmp_path), how, name]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    assert os.listdir(tmp_path / "a") == ["x"]
    assert storage.read("a/x") == b"old"


def test_where_files_need_a_name_objects_are_written_all_the_same(storage, tmp_path, monkeypatch):
    plain = os.open

    def without_unnamed(path, flags, *mode, **more):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return plain(path, flags, *mode, **more)

    monkeypatch.setattr(os, "open", without_unnamed)
    storage.write("a/x", b"1")
    storage.write("a/x", b"2")
    storage.create_if_absent("a/y", b"3")
    with pytest.raises(ObjectExists):
        storage.create_if_absent("a/y", b"4")
    assert sorted(os.listdir(tmp_path / "a")) == ["x", "y"]
    assert (storage.read("a/x"), storage.read("a/y")) == (b"2", b"3")


def test_links_to_files_and_folders_are_followed_but_not_in_circles(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"1")
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(outside)
    (root / "circle").symlink_to(root)
    (root / "dangling").symlink_to(root / "nowhere")
    storage = LocalStorage(root)
    assert [info.name for info in storage.list()] == ["linked/x"]


def test_a_reader_never_sees_a_part_of_an_object(storage):
    old, new = b"a" * 2_000_000, b"b" * 2_000_000
    storage.write("x", old)
    seen = set()
    done = threading.Event()

    def read():
        while not done.is_set():
            seen.add(storage.read("x"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            storage.write("x", new)
            storage.write("x", old)
    finally:
        done.set()
        reader.join()
    assert seen <= {old, new}


def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(storage):
    failures = []

    def churn(writer):
        try:
            for _ in range(200):
                storage.write(f"deep/folder/{writer}", b"x")
                storage.delete(f"deep/folder/{writer}")
                storage.create_if_absent(f"deep/folder/{writer}", b"x")
                storage.rename(f"deep/folder/{writer}", f"deep/other/{writer}")
                storage.delete(f"deep/other/{writer}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=churn, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(storage.list()) == []


def test_two_processes_with_the_same_folder_see_one_winner(tmp_path):
    LocalStorage(tmp_path).create_if_absent("fence/1", b"first")
    with pytest.raises(ObjectExists, match="fence/1"):
        LocalStorage(tmp_path).create_if_absent("fence/1", b"second")


def test_the_room_is_imported_without_minio():
    code = "import sys, weir.storage; sys.exit('minio' in sys.modules or 'urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
