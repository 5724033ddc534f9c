"""The storage of an examination: remembers every name that may exist, so that nothing is left behind."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Iterable, Iterator

from weir.errors import ObjectNotFound, StorageError
from weir.storage.base import ObjectInfo, Storage, Upload


class Recording:
    """What the checks use; see the module."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self._names: set[str] = set()

    def read(self, name: str) -> bytes:
        return self._inner.read(name)

    def read_range(self, name: str, start: int, length: int) -> bytes:
        return self._inner.read_range(name, start, length)

    def size(self, name: str) -> int:
        return self._inner.size(name)

    def write(self, name: str, data: bytes) -> None:
        self._names.add(name)
        self._inner.write(name, data)

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        self._names.add(name)
        self._inner.write_pieces(name, pieces)

    def create_if_absent(self, name: str, data: bytes) -> None:
        self._names.add(name)
        self._inner.create_if_absent(name, data)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def rename(self, source: str, target: str) -> None:
        self._names.add(target)
        self._inner.rename(source, target)

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        return self._inner.uploads(prefix)

    def abort(self, upload: Upload) -> None:
        self._inner.abort(upload)

    def remove_all(self) -> builtins.list[str]:
        """Delete everything; the names of what is still there."""
        left = []
        for name in sorted(self._names):
            try:
                self._inner.delete(name)
                self._inner.size(name)
            except ObjectNotFound:
                continue
            except StorageError:
                with contextlib.suppress(ObjectNotFound, StorageError):
                    self._inner.size(name)
                    left.append(name)
                continue
            left.append(name)
        return left
