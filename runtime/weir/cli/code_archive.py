"""Fetches a job's code from storage, verifies it, and unpacks it where Python finds it: what an init container does.

Nothing is unpacked before the whole archive has the SHA-256 that was asked for, and every entry of it was looked at: plain
files and folders below the target only, and not more than a pod should hold.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from typing import IO, Final

from weir.errors import ConfigError
from weir.storage import Storage, absolute_uri, open_storage

#: Bytes read at once, the largest archive, and the most that it may hold.
PIECE: Final = 8 * 1024 * 1024
MAX_ARCHIVE: Final = 512 * 1024 * 1024
MAX_UNPACKED: Final = 1024 * 1024 * 1024
MAX_ENTRIES: Final = 20_000


def fetch_code(uri: str, sha256: str, folder: str) -> int:
    """Put the code at ``uri`` (a ``.zip``, ``.whl`` or ``.py``) into ``folder``; the number of files. Raises ``ConfigError``, ``StorageError``."""
    if not uri.endswith((".zip", ".whl", ".py")):
        raise ConfigError(f"{uri}: code comes as a .zip, a .whl or one .py file")
    where, _, name = absolute_uri(uri).rpartition("/")
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile() as file:
        found = _download(open_storage(where), name, uri, file)
        if found != sha256.lower():
            raise ConfigError(
                f"{uri} has sha256 {found}, and {sha256.lower()} was asked for; correct spec.job.code.sha256, or bring the "
                "archive back that it stands for"
            )
        file.seek(0)
        if uri.endswith(".py"):
            with open(os.path.join(folder, name), "wb") as target:
                shutil.copyfileobj(file, target)
            return 1
        return _unpack(file, uri, folder)


def _download(storage: Storage, name: str, uri: str, file: IO[bytes]) -> str:
    """Copy the object piece by piece; its SHA-256."""
    size = storage.size(name)
    if size > MAX_ARCHIVE:
        raise ConfigError(
            f"{uri} has {size} bytes, and the most is {MAX_ARCHIVE}; build an image with the code instead"
        )
    digest = hashlib.sha256()
    for start in range(0, size, PIECE):
        piece = storage.read_range(name, start, min(PIECE, size - start))
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()


def _unpack(file: IO[bytes], uri: str, folder: str) -> int:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check(entries, uri)
            for entry in entries:
                archive.extract(entry, folder)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise ConfigError(f"{uri} is no zip archive that can be read: {error}") from error
    return sum(not entry.is_dir() for entry in entries)


def _check(entries: list[zipfile.ZipInfo], uri: str) -> None:
    """Raises ``ConfigError`` before anything is written."""
    if len(entries) > MAX_ENTRIES:
        raise ConfigError(f"{uri} has {len(entries)} entries, and the most is {MAX_ENTRIES}")
    size = sum(entry.file_size for entry in entries)
    if size > MAX_UNPACKED:
        raise ConfigError(f"{uri} unpacks to {size} bytes, and the most is {MAX_UNPACKED}")
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise ConfigError(f"{uri} has an entry {entry.filename!r} that leads out of the folder")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ConfigError(f"{uri} has an entry {entry.filename!r} that is neither a file nor a folder")
