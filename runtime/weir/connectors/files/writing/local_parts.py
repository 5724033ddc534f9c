"""Part files in a local (or mounted) folder: dot files beside their final names, synced, then renamed.

Pending files lie in the target folder itself, so that a rename never leaves the file system.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from typing import IO

from weir import crashpoints
from weir.connectors.files.writing.parts import Part, Parts, both_gone, storage_errors
from weir.errors import UserError

_BUFFER_BYTES = 256 * 1024


class LocalParts(Parts):
    """The part files of one folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def check(self, probe: str) -> None:
        if os.path.exists(self._folder) and not os.path.isdir(self._folder):
            raise UserError(f"the target of the file sink, {self._folder}, is a file; give a folder")
        try:
            os.makedirs(self._folder, exist_ok=True)
            descriptor = os.open(self._pending(probe), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666)
            os.close(descriptor)
            os.unlink(self._pending(probe))
        except NotADirectoryError:
            raise UserError(
                f"the target of the file sink, {self._folder}, lies below a file; give a folder"
            ) from None
        except OSError as error:
            raise UserError(
                f"the file sink cannot write to {self._folder}: {error.strerror} (user id {os.geteuid()}); "
                "check its owner and mode, or use another folder"
            ) from error

    def create(self, name: str) -> Part:
        path = self._pending(name)
        with storage_errors("create", path):
            if os.path.lexists(self._final(name)):
                raise FileExistsError(errno.EEXIST, "another attempt wrote that name", self._final(name))
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
            return LocalPart(name, path, os.fdopen(descriptor, "wb", buffering=_BUFFER_BYTES))

    def commit(self, names: Iterable[str]) -> None:
        names = list(names)
        with storage_errors("commit into", self._folder):
            for name in names:
                crashpoints.hit("file-sink.before-rename")
                self._rename(name)
            if names:
                _sync_folder(self._folder)
        crashpoints.hit("file-sink.renamed")

    def _rename(self, name: str) -> None:
        try:
            os.rename(self._pending(name), self._final(name))
        except FileNotFoundError:
            if not os.path.lexists(self._final(name)):
                raise both_gone(self._pending(name), self._final(name)) from None

    def pending(self) -> list[str]:
        with storage_errors("list", self._folder):
            return [name[1:] for name in os.listdir(self._folder) if name.startswith(".part-")]

    def remove(self, name: str) -> None:
        with storage_errors("delete", self._pending(name)), contextlib.suppress(FileNotFoundError):
            os.unlink(self._pending(name))

    def _pending(self, name: str) -> str:
        return os.path.join(self._folder, "." + name)

    def _final(self, name: str) -> str:
        return os.path.join(self._folder, name)


class LocalPart(Part):
    """A dot file."""

    def __init__(self, name: str, path: str, file: IO[bytes]) -> None:
        super().__init__(name, file)
        self._path = path

    @property
    def place(self) -> str:
        return self._path

    def make_durable(self) -> None:
        with storage_errors("write", self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            _sync_folder(os.path.dirname(self._path))

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
