"""Part files in an object store: spooled here, uploaded below ``.pending/``, then copied by the server and deleted.

An object appears as a whole or not at all, so a crash leaves either no pending object or a good one, and between
copy and delete both: then the copy is done again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

from weir import crashpoints
from weir.connectors.files.writing.parts import Part, Parts, both_gone, storage_errors
from weir.errors import ObjectNotFound, StorageDenied, UserError
from weir.storage import Storage, begun_uploads

#: What one part may hold in memory before it goes on in a temporary file.
_SPOOL_BYTES = 4 * 1024 * 1024
_PENDING = ".pending/"


class ObjectParts(Parts):
    """Objects below ``.pending/`` of the target."""

    def __init__(self, target: Storage) -> None:
        self._target = target

    def check(self, probe: str) -> None:
        try:
            self._target.write(_PENDING + probe, b"")
            self._target.delete(_PENDING + probe)
        except (StorageDenied, ObjectNotFound) as error:
            raise UserError(f"the file sink cannot write to {self._target.uri}: {error}") from error

    def create(self, name: str) -> Part:
        return ObjectPart(name, self._target)

    def commit(self, names: Iterable[str]) -> None:
        for name in names:
            crashpoints.hit("file-sink.before-rename")
            try:
                self._target.rename(_PENDING + name, name)
            except ObjectNotFound:
                self._require_final(name)
            crashpoints.hit("file-sink.renamed")

    def _require_final(self, name: str) -> None:
        try:
            self._target.size(name)
        except ObjectNotFound:
            uri = self._target.uri
            raise both_gone(f"{uri}/{_PENDING}{name}", f"{uri}/{name}") from None

    def pending(self) -> list[str]:
        found = {info.name for info in self._target.list(_PENDING)}
        found |= {upload.name for upload in begun_uploads(self._target, _PENDING)}
        return sorted(name.removeprefix(_PENDING) for name in found)

    def remove(self, name: str) -> None:
        self._target.delete(_PENDING + name)
        for upload in begun_uploads(self._target, _PENDING + name):
            if upload.name == _PENDING + name:
                self._target.abort(upload)


class ObjectPart(Part):
    """A spool on this machine, until it is uploaded."""

    def __init__(self, name: str, target: Storage) -> None:
        super().__init__(name, tempfile.SpooledTemporaryFile(_SPOOL_BYTES))  # noqa: SIM115  closed by its owner
        self._target = target

    @property
    def place(self) -> str:
        return f"the temporary folder, for {self._target.uri}/{_PENDING}{self.name}"

    def make_durable(self) -> None:
        with storage_errors("read", self.place):
            self._file.seek(0)
            data = self._file.read()
        self._target.write(_PENDING + self.name, data)
        self._file.close()

    def discard(self) -> None:
        self._file.close()
