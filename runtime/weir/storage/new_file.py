"""A file that is not seen before it is whole: without a name until it is put in place, where the file system knows that.

So a process that dies while it writes leaves nothing behind. Where files need a name (NFS, some FUSE file systems), it is one with
``TEMP_PREFIX``, which a death leaves; listings skip it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

#: What a half-written object is called; listings skip it.
TEMP_PREFIX: Final = ".weir-tmp-"
#: A folder that we just made may be pruned by a concurrent ``delete`` before our file is in it.
_FOLDER_RACES: Final = 8
#: How file systems and kernels say that they know no file without a name; ext4 says EPERM of a folder that was just removed.
_NAMES_NEEDED: Final = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOSYS, errno.EINVAL, errno.EPERM}


class NewFile(Protocol):
    """Whole and synced, not yet in place."""

    def create(self, target: Path) -> None:
        """Put it there. Raises ``FileExistsError`` where something is."""

    def replace(self, target: Path) -> None:
        """Put it there, whatever was there before."""


@contextlib.contextmanager
def written(target: Path, pieces: Iterable[bytes], make_folder: Callable[[Path], None]) -> Iterator[NewFile]:
    """``pieces`` as a new file on the file system of ``target``, whose folder is made. What was not put in place is gone."""
    descriptor, name = _opened(target, make_folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(descriptor)
            yield _Unnamed(descriptor, make_folder) if name is None else _Named(name)
    finally:
        if name is not None:
            with contextlib.suppress(OSError):
                name.unlink()


def _opened(target: Path, make_folder: Callable[[Path], None]) -> tuple[int, Path | None]:
    for left in reversed(range(_FOLDER_RACES)):
        make_folder(target.parent)
        try:
            return _open_in(target)
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError


def _open_in(target: Path) -> tuple[int, Path | None]:
    try:
        return os.open(target.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666), None
    except OSError as error:
        if error.errno not in _NAMES_NEEDED:
            raise
    name = _temporary(target)
    return os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666), name


def _temporary(target: Path) -> Path:
    return target.with_name(f"{TEMP_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")


class _Unnamed:
    def __init__(self, descriptor: int, make_folder: Callable[[Path], None]) -> None:
        self._descriptor = descriptor
        self._make_folder = make_folder

    def create(self, target: Path) -> None:
        for left in reversed(range(_FOLDER_RACES)):
            try:
                return self._link(target)
            except FileNotFoundError:  # nothing of ours was in the folder, so it could be pruned
                if not left:
                    raise
            self._make_folder(target.parent)
        return None

    def replace(self, target: Path) -> None:
        try:
            return self.create(target)
        except FileExistsError:
            name = _temporary(target)
            self.create(name)
        try:
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                name.unlink()
            raise
        return None

    def _link(self, target: Path) -> None:
        # With a folder's descriptor, link() follows what it is given, as the link in /proc needs it.
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.link(f"/proc/self/fd/{self._descriptor}", target, src_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)


class _Named:
    def __init__(self, name: Path) -> None:
        self._name = name

    def create(self, target: Path) -> None:
        os.link(self._name, target)

    def replace(self, target: Path) -> None:
        os.replace(self._name, target)
