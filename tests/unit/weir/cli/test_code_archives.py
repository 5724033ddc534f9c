"""A job's code comes into a pod whole, verified, and nowhere but into its folder."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from weir.cli.code_archive import MAX_ENTRIES, _check, fetch_code
from weir.errors import ConfigError, ObjectNotFound


def archive(folder: Path, **files: str) -> tuple[str, str]:
    """URI and SHA-256 of a zip with these files; two underscores stand for a slash."""
    path = folder / "app.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "/") + ".py", text)
    return f"file://{path}", hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_is_unpacked_into_its_folder(tmp_path: Path) -> None:
    uri, sha256 = archive(tmp_path, flights__job="x = 1", helpers="y = 2")
    assert fetch_code(uri, sha256.upper(), str(tmp_path / "jobs")) == 2
    assert (tmp_path / "jobs/flights/job.py").read_text() == "x = 1"


def test_one_file_is_put_there_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("x = 1")
    sha256 = hashlib.sha256(b"x = 1").hexdigest()
    assert fetch_code(f"file://{tmp_path}/job.py", sha256, str(tmp_path / "jobs")) == 1
    assert (tmp_path / "jobs/job.py").read_text() == "x = 1"


def test_another_hash_is_refused_with_both_and_nothing_is_unpacked(tmp_path: Path) -> None:
    uri, sha256 = archive(tmp_path, job="x = 1")
    with pytest.raises(ConfigError, match=f"has sha256 {sha256}, and {'0' * 64} was asked for"):
        fetch_code(uri, "0" * 64, str(tmp_path / "jobs"))
    assert list((tmp_path / "jobs").iterdir()) == []


def test_what_is_no_archive_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.zip").write_text("no zip")
    sha256 = hashlib.sha256(b"no zip").hexdigest()
    with pytest.raises(ConfigError, match=r"app\.zip is no zip archive"):
        fetch_code(f"file://{tmp_path}/app.zip", sha256, str(tmp_path / "jobs"))
    with pytest.raises(ObjectNotFound):
        fetch_code(f"file://{tmp_path}/other.zip", sha256, str(tmp_path / "jobs"))
    with pytest.raises(ConfigError, match=r"a \.zip, a \.whl or one \.py"):
        fetch_code("s3://weir/app.tar", sha256, str(tmp_path / "jobs"))


@pytest.mark.parametrize("name", ["../evil.py", "a/../../evil.py", "/etc/evil.py", "\\evil.py", "C:/evil.py"])
def test_an_entry_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="leads out of the folder"):
        _check([zipfile.ZipInfo("job.py"), zipfile.ZipInfo(name)], "s3://b/app.zip")


def test_links_and_floods_are_refused() -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ConfigError, match="neither a file nor a folder"):
        _check([link], "s3://b/app.zip")
    bomb = zipfile.ZipInfo("bomb")
    bomb.file_size = 1 << 40
    with pytest.raises(ConfigError, match="unpacks to 1099511627776 bytes"):
        _check([bomb], "s3://b/app.zip")
    with pytest.raises(ConfigError, match="has 20001 entries"):
        _check([zipfile.ZipInfo(str(n)) for n in range(MAX_ENTRIES + 1)], "s3://b/app.zip")
