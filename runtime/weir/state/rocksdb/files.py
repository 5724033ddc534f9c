"""The files of a database at a moment: which of them are stored already, which are shared, and those of an increment on their way back.

A table file never changes and its number is never given again, so that it is stored once. What names the tables of a moment is
small and goes with the checkpoint itself; what RocksDB makes anew when it opens is left out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from weir.state.native import NativeKeyed, Reuse, Upload
from weir.state.rocksdb.database import Database, disk_errors
from weir.state.rocksdb.native import NativeFile
from weir.state.snapshot import StateHandle

_TABLE = ".sst"
_NAMING = ("CURRENT", "MANIFEST-")


class DatabaseFiles:
    """Of one open database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Stored, by the name of the file.
        self._stored: dict[str, StateHandle] = {}
        #: Increments are stored one after another, so that no file is stored under two names.
        self._storing = threading.Lock()
        self._copies = count(1)

    @contextlib.contextmanager
    def copied(self) -> Iterator[MomentFiles]:
        """The files of now; removed at the end. The GIL is free while they are written. Raises ``LocalDiskError``."""
        folder = f"{self._database.folder}-copy-{next(self._copies)}"
        try:
            self._database.flush()
            self._database.copy_to(folder)
            yield MomentFiles(folder)
        finally:
            for left in (folder, f"{folder}.tmp"):
                shutil.rmtree(left, ignore_errors=True)

    def store(self, moment: MomentFiles, upload: Upload, reuse: Reuse = Reuse.KNOWN) -> list[StateHandle]:
        """Where the tables of a moment are stored, in the order of their names; uploads what is not yet, or all."""
        with self._storing:
            known = self._stored if reuse is Reuse.KNOWN else {}
            found = {
                name: known[name] if name in known else upload(name.removesuffix(_TABLE), moment.read(name))
                for name in moment.tables
            }
            if reuse is not Reuse.APART:
                self._stored = found  # the others were merged into these
            return list(found.values())

    def adopt(self, stored: Mapping[str, StateHandle]) -> None:
        """These tables were restored from where they are stored."""
        self._stored = dict(stored)


class MomentFiles:
    """Files that do not change, in a folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        names = sorted(os.listdir(folder))
        self.tables = [name for name in names if name.endswith(_TABLE)]
        self._naming = [name for name in names if name.startswith(_NAMING)]

    def read(self, name: str) -> bytes:
        """Raises ``LocalDiskError``."""
        with disk_errors("read", self._folder), open(os.path.join(self._folder, name), "rb") as file:
            return file.read()

    def private(self) -> list[tuple[str, bytes]]:
        """Names and contents of what is not shared."""
        return [(name, self.read(name)) for name in self._naming]


def restored_files(file: NativeFile, increment: NativeKeyed) -> Iterable[tuple[str, bytes]]:
    """Names and contents of a database's files, one at a time. Raises ``SnapshotCorrupt``."""
    yield from file.private
    for name, handle in zip(file.shared, increment.shared, strict=True):
        yield name, increment.read(handle)
