"""A view of a storage below one of its prefixes, for example one job's folder of the checkpoint root."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from weir.storage.base import ObjectInfo, Storage, Upload
from weir.storage.names import check_name, check_prefix


class PrefixedStorage:
    """Names are relative to ``<inner>/<prefix>``; everything else is the inner storage's."""

    def __init__(self, inner: Storage, prefix: str) -> None:
        self._inner = inner
        self._prefix = check_name(prefix.rstrip("/")) + "/"

    @property
    def uri(self) -> str:
        return f"{self._inner.uri.rstrip('/')}/{self._prefix.rstrip('/')}"

    def read(self, name: str) -> bytes:
        return self._inner.read(self._name(name))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        return self._inner.read_range(self._name(name), start, length)

    def size(self, name: str) -> int:
        return self._inner.size(self._name(name))

    def write(self, name: str, data: bytes) -> None:
        self._inner.write(self._name(name), data)

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        self._inner.write_pieces(self._name(name), pieces)

    def create_if_absent(self, name: str, data: bytes) -> None:
        self._inner.create_if_absent(self._name(name), data)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for info in self._inner.list(self._prefix + check_prefix(prefix)):
            yield info._replace(name=info.name[len(self._prefix) :])

    def delete(self, name: str) -> None:
        self._inner.delete(self._name(name))

    def rename(self, source: str, target: str) -> None:
        self._inner.rename(self._name(source), self._name(target))

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        for upload in self._inner.uploads(self._prefix + check_prefix(prefix)):
            yield upload._replace(name=upload.name[len(self._prefix) :])

    def abort(self, upload: Upload) -> None:
        self._inner.abort(upload._replace(name=self._name(upload.name)))

    def _name(self, name: str) -> str:
        return self._prefix + check_name(name)
