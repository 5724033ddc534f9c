"""A sink that writes files and makes them visible with the checkpoint that covers them, exactly once.

The writer appends to a pending part file; at a barrier (or when it is large enough) the file is closed. What was
closed is made durable before the checkpoint is acknowledged, and moved to its final name when the checkpoint is
complete. ``part_names`` says what files are called, ``parts`` how they are written and moved, locally or on S3.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from weir import crashpoints
from weir.config import parse_size
from weir.connectors.files.writing import part_names
from weir.connectors.files.writing.encoders import CsvEncoder, JsonLinesEncoder, RowEncoder, TextLinesEncoder
from weir.connectors.files.writing.local_parts import LocalParts
from weir.connectors.files.writing.object_parts import ObjectParts
from weir.connectors.files.writing.parts import Part, Parts
from weir.connectors.sink import Committer, Sink, Writer, WriterContext
from weir.errors import StorageError, UserError
from weir.storage import LocalStorage, S3Options, Storage, absolute_uri, open_storage

T = TypeVar("T")

_log = structlog.get_logger(__name__)

#: What one writer may have closed and not yet made durable; beyond it, rows wait until it is.
MAX_WAITING_BYTES = 256 * 1024 * 1024
MAX_WAITING_FILES = 16


class FileCommittable(msgspec.Struct, frozen=True):
    """A durable pending file. Its target goes with it, since a job's target may change while commits are due."""

    target: str
    name: str


class FileSink(Sink[T, FileCommittable], Generic[T]):
    """Files of rows in a folder, local or ``s3://``; made by ``for_json_lines``, ``for_text_lines`` or ``for_csv``.

    Committed files are called ``part-*`` and never change. What is not committed begins with a dot (on S3: lies under
    ``.pending/``). A file is closed at each checkpoint, and before that at ``roll_size``. ``s3`` says how to
    reach ``s3://`` targets, completed from the ``AWS_*`` variables.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        encoder: Callable[[], RowEncoder],
        roll_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> None:
        self.path = os.fspath(path)
        if not self.path:
            raise UserError("FileSink got an empty path; give a folder or an s3:// URI")
        try:
            self._roll_bytes = parse_size(roll_size)
        except ValueError as error:
            raise UserError(f"FileSink got roll_size={roll_size!r}: {error}") from None
        self._encoder = encoder
        self._s3 = s3

    @classmethod
    def for_json_lines(
        cls, path: str | os.PathLike[str], *, roll_size: str | int = "64Mi", s3: S3Options | None = None
    ) -> FileSink[Any]:
        """A JSON value a line: any JSON-able value, tuples as lists, dataclasses as objects, datetimes in ISO 8601."""
        return FileSink(path, JsonLinesEncoder, roll_size, s3)

    @classmethod
    def for_text_lines(
        cls, path: str | os.PathLike[str], *, roll_size: str | int = "64Mi", s3: S3Options | None = None
    ) -> FileSink[Any]:
        """``str(value)`` a line; a value with a newline in it is refused."""
        return FileSink(path, TextLinesEncoder, roll_size, s3)

    @classmethod
    def for_csv(
        cls,
        path: str | os.PathLike[str],
        header: Sequence[str],
        delimiter: str = ",",
        *,
        roll_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> FileSink[Any]:
        """Dicts by the names in ``header``, or tuples and lists in its order; ``None`` becomes an empty field."""
        names = tuple(header)
        if isinstance(header, str) or not names or len(set(names)) < len(names):
            raise UserError(
                f"FileSink.for_csv got header={header!r}; give a list that names each column once"
            )
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise UserError(
                f"FileSink.for_csv got delimiter={delimiter!r}; use one character, such as ',' or ';'"
            )
        return FileSink(path, lambda: CsvEncoder(names, delimiter), roll_size, s3)

    @property
    def committable_type(self) -> type[FileCommittable]:
        return FileCommittable

    def create_writer(self, context: WriterContext) -> Writer[T, FileCommittable]:
        target = absolute_uri(self.path)
        parts = parts_of(open_storage(target, self._s3))
        writer: FileWriter[T] = FileWriter(target, parts, self._encoder(), context, self._roll_bytes)
        writer.check()
        return writer

    def create_committer(self) -> Committer[FileCommittable]:
        return FileCommitter(absolute_uri(self.path), lambda target: parts_of(open_storage(target, self._s3)))


def parts_of(target: Storage) -> Parts:
    """Part files below a storage's root."""
    return LocalParts(str(target.root)) if isinstance(target, LocalStorage) else ObjectParts(target)


class FileWriter(Writer[T, FileCommittable], Generic[T]):
    """Writes one part file at a time."""

    def __init__(
        self, target: str, parts: Parts, encoder: RowEncoder, context: WriterContext, roll_bytes: int
    ) -> None:
        self._target = target
        self._parts = parts
        self._encoder = encoder
        self._context = context
        self._roll_bytes = roll_bytes
        self._counter = 0
        self._part: Part | None = None  #: being written
        self._closed: list[str] = []  #: names since the last barrier; the data thread's own
        #: Complete, but not durable yet: the data thread adds, an I/O thread takes away.
        self._waiting: dict[str, Part] = {}
        self._discarded: set[str] = set()
        self._lock = threading.Lock()  #: held for moments, to look at ``_waiting``
        self._finishing = threading.Lock()  #: held while bytes are synced or uploaded

    def check(self) -> None:
        """Raises ``UserError`` when the target cannot be written to."""
        self._parts.check(str(part_names.part_name(self._context, 0, ".probe")))

    def write(self, values: list[T], timestamps: list[int] | None) -> None:
        if not values:
            return
        data = self._encoder.encode(values)
        if self._part is None:
            self._part = self._open_part()
        self._part.write(data)
        if self._part.size >= self._roll_bytes:
            self._close_part()
            self._make_room()

    def _open_part(self) -> Part:
        name = str(part_names.part_name(self._context, self._counter, self._encoder.suffix))
        self._counter += 1
        part = self._parts.create(name)
        part.write(self._encoder.head)
        return part

    def _close_part(self) -> None:
        if self._part is not None:
            self._closed.append(self._part.name)
            with self._lock:
                self._waiting[self._part.name] = self._part
            self._part = None

    def _make_room(self) -> None:
        """Back pressure: what was closed long before the next barrier is made durable here and now."""
        with self._lock:
            names = list(self._waiting)
            size = sum(part.size for part in self._waiting.values())
        if size > MAX_WAITING_BYTES or len(names) > MAX_WAITING_FILES:
            self._make_durable(names)

    def prepare_commit(self) -> list[FileCommittable]:
        self._close_part()
        crashpoints.hit("file-sink.closed")
        closed, self._closed = self._closed, []
        return [FileCommittable(self._target, name) for name in closed]

    def finish_prepare(self, committables: Sequence[FileCommittable]) -> None:
        """Also makes durable what a declined checkpoint left: its committables are in the next snapshot."""
        with self._lock:
            names = list(self._waiting)
        self._make_durable(names)
        lost = [committable.name for committable in committables if committable.name in self._discarded]
        if lost:
            raise StorageError(
                f"the writer was closed before {lost[0]} was durable; this checkpoint cannot complete"
            )
        crashpoints.hit("file-sink.durable")

    def _make_durable(self, names: Sequence[str]) -> None:
        with self._finishing:
            for name in names:
                with self._lock:
                    part = self._waiting.get(name)
                if part is not None:
                    part.make_durable()
                    with self._lock:
                        del self._waiting[name]

    def close(self) -> None:
        with self._finishing:
            if self._part is not None:
                self._part.discard()
                self._part = None
            for part in self._waiting.values():
                part.discard()
            self._discarded.update(self._waiting)
            self._waiting.clear()


class FileCommitter(Committer[FileCommittable]):
    """Moves pending files to their final names, in whatever target they were written."""

    def __init__(self, target: str, open_parts: Callable[[str], Parts]) -> None:
        self._target = target
        self._open_parts = open_parts
        self._opened: dict[str, Parts] = {}

    def commit(self, committables: Sequence[FileCommittable]) -> None:
        by_target: dict[str, list[str]] = {}
        for committable in committables:
            by_target.setdefault(committable.target, []).append(committable.name)
        for target, names in by_target.items():
            self._parts(target).commit(names)

    def abort_leftovers(self, context: WriterContext) -> None:
        """What cannot be removed does no harm but take room, so it is logged and left."""
        try:
            parts = self._parts(self._target)
            for name in part_names.leftovers(parts.pending(), context):
                parts.remove(name)
        except StorageError as error:
            _log.warning("leftovers of earlier attempts stay", target=self._target, error=str(error))

    def _parts(self, target: str) -> Parts:
        parts = self._opened.get(target)
        if parts is None:
            parts = self._opened[target] = self._open_parts(target)
        return parts
