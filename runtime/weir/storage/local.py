"""A local (or mounted) folder as a storage.

Every object is written to a file without a name, synced, then hard-linked into place (``new_file``), and the folder is
synced: so a reader or a crash sees a whole object or none, and among racing creators exactly one wins. Folders appear with their first object and go with their last.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from weir.errors import ObjectExists, ObjectNotFound, StorageDenied, StorageError, StorageUnavailable
from weir.storage.base import ObjectInfo, Upload
from weir.storage.names import check_name, check_prefix
from weir.storage.new_file import TEMP_PREFIX, written

_DENIED = {
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.EROFS: "read-only file system",
}
_MAY_PASS = {
    errno.ENOSPC: "no space left on the device; free some",
    errno.EDQUOT: "disk quota exceeded; free some space",
    errno.EIO: "input/output error",
    errno.ESTALE: "stale network file handle",
    errno.ETIMEDOUT: "timed out",
    errno.EMFILE: "too many open files in this process",
    errno.ENFILE: "too many open files on this machine",
}
#: A folder that we just made may be pruned by a concurrent ``delete`` before our file is in it.
_FOLDER_RACES = 8


class LocalStorage:
    """Objects are files below ``root``, which need not exist yet."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(os.path.abspath(root))

    @property
    def uri(self) -> str:
        return f"file://{self._root}"

    @property
    def root(self) -> Path:
        """The folder, absolute."""
        return self._root

    def read(self, name: str) -> bytes:
        path = self._path(name)
        with _mapped("read", path):
            _check_file(path)
            return path.read_bytes()

    def read_range(self, name: str, start: int, length: int) -> bytes:
        path = self._path(name)
        with _mapped("read", path):
            _check_file(path)
            with path.open("rb") as file:
                file.seek(start)
                return file.read(length)

    def size(self, name: str) -> int:
        path = self._path(name)
        with _mapped("stat", path):
            return _check_file(path).st_size

    def write(self, name: str, data: bytes) -> None:
        self.write_pieces(name, (data,))

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        path = self._path(name)
        with _mapped("write", path), written(path, pieces, _make_folder) as file:
            file.replace(path)
            _sync_folder(path.parent)

    def create_if_absent(self, name: str, data: bytes) -> None:
        path = self._path(name)
        with _mapped("create", path), written(path, (data,), _make_folder) as file:
            try:
                file.create(path)
            except OSError as error:
                _raise_link_error(path, error)
            _sync_folder(path.parent)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        with _mapped("list", self._root):
            yield from _walk(str(self._root), "", prefix, ())

    def delete(self, name: str) -> None:
        path = self._path(name)
        with _mapped("delete", path):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            self._prune(path.parent)

    def rename(self, source: str, target: str) -> None:
        from_path, to_path = self._path(source), self._path(target)
        with _mapped("rename", from_path):
            if not from_path.is_file():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(from_path))
            for left in reversed(range(_FOLDER_RACES)):
                _make_folder(to_path.parent)
                try:
                    os.replace(from_path, to_path)
                    break
                except FileNotFoundError:
                    if not left or not from_path.exists():
                        raise
            _sync_folder(to_path.parent)
            if from_path.parent != to_path.parent:
                self._prune(from_path.parent)

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        """None: objects appear as a whole."""
        return iter(())

    def abort(self, upload: Upload) -> None:
        """There is none."""

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    def _prune(self, folder: Path) -> None:
        """Remove folders that became empty, up to (never including) the root."""
        while folder != self._root and self._root in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                break
            folder = folder.parent
        with contextlib.suppress(FileNotFoundError):
            _sync_folder(folder)


def _walk(root: str, folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[ObjectInfo]:
    """Objects below ``folder`` ("" or "a/b/") in the order of their names, which is not the order of a plain walk."""
    try:
        at = os.stat(os.path.join(root, folder))
        with os.scandir(os.path.join(root, folder)) as scan:
            entries = sorted((e.name + "/" if e.is_dir() else e.name, e) for e in scan)
    except (FileNotFoundError, NotADirectoryError):
        return
    here = (at.st_dev, at.st_ino)
    if here in above:  # a link to a folder above it
        return
    for name, entry in entries:
        full = folder + name
        if name.endswith("/"):
            if full.startswith(prefix) or prefix.startswith(full):
                yield from _walk(root, full, prefix, (*above, here))
        elif full.startswith(prefix) and not name.startswith(TEMP_PREFIX):
            try:
                found = entry.stat()
            except FileNotFoundError:  # deleted meanwhile, or a dangling link
                continue
            yield ObjectInfo(full, found.st_size, found.st_mtime_ns // 1_000_000)


def _check_file(path: Path) -> os.stat_result:
    """What a read may begin: a link to a pipe would block it for ever, one to ``/dev/zero`` fill the memory."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(
            f"{path} is refused: it is a device, a pipe or a socket, or a link to one; put a file there"
        )
    return found


def _make_folder(folder: Path) -> None:
    """Create ``folder`` and what is missing above it, each entry synced into its parent."""
    missing = []
    at = folder
    while not at.is_dir():
        missing.append(at)
        at = at.parent
    for path in reversed(missing):
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except FileNotFoundError:  # its parent was pruned meanwhile: the caller tries again
            return
        with contextlib.suppress(FileNotFoundError):
            _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_link_error(path: Path, error: OSError) -> None:
    if error.errno == errno.EEXIST:
        raise ObjectExists(f"{path} exists already") from None
    if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
        raise StorageError(
            f"the file system of {path.parent} cannot make hard links ({error.strerror}), which creating an object "
            "at most once needs; use a folder on a local disk, or s3://"
        ) from error
    raise error


@contextlib.contextmanager
def _mapped(operation: str, path: Path) -> Iterator[None]:
    """Turn what the operating system raises into the tree of ``weir.errors``, naming path and operation."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        if operation in ("write", "create"):
            raise StorageError(
                f"cannot {operation} {path}: {error.strerror} ({error.filename}); "
                "a file stands where a folder is needed, or the other way round"
            ) from error
        raise ObjectNotFound(f"no object {path} ({error.strerror})") from error
    except OSError as error:
        if error.errno in _DENIED:
            raise StorageDenied(
                f"cannot {operation} {path}: {_DENIED[error.errno]} for user id {os.getuid()}; "
                "check owner and mode of the folder, or use another one"
            ) from error
        if error.errno in _MAY_PASS:
            raise StorageUnavailable(f"cannot {operation} {path}: {_MAY_PASS[error.errno]}") from error
        raise StorageError(f"cannot {operation} {path}: {error.strerror or error}") from error
