"""A source of rows in files: a folder, a glob or a file, local or ``s3://``; read once, or watched for new files.

This is the description that a job holds. ``enumerator`` finds files and cuts them into ``splits``; a ``reader``
per subtask turns splits into rows, in the way its ``formats`` say. Nothing is opened before the job runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec

from weir.config import Duration, parse_duration, parse_size
from weir.connectors.files.reading.enumerator import EnumeratorState, FileEnumerator, input_files
from weir.connectors.files.reading.formats import CsvRows, Format, JsonLines, TextLines
from weir.connectors.files.reading.reader import FileReader
from weir.connectors.files.reading.splits import FileSplit
from weir.connectors.source import EnumeratorContext, ReaderContext, Source, SplitEnumerator, SplitReader
from weir.errors import UserError
from weir.storage import S3Options, open_storage

T = TypeVar("T")

OnError = Literal["fail", "skip"]


class FileSource(Source[T, FileSplit], Generic[T]):
    """Rows of text files; made by ``for_text_lines``, ``for_csv`` or ``for_json_lines``.

    A path is a file, a folder (all files in it and below) or a glob (``*``, ``?``, ``[a-z]``, ``**`` over folders).
    Names that begin with ``.`` or ``_`` are left out. Files are read in the order of their names; with several readers,
    each file (or part of one) is in order. Input files must not change while a job reads them: let new
    ones appear by a rename.

    What all three take: ``on_error``: a row that cannot be parsed fails the job (``"fail"``) or is left out, counted and
    logged (``"skip"``). ``split_size``: larger files are cut into parts of about this size (``"64Mi"``), for
    several readers. ``s3``: how to reach ``s3://`` paths, completed from the ``AWS_*`` variables.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format_: Format,
        on_error: OnError = "fail",
        split_size: str | int = "64Mi",
        s3: S3Options | None = None,
        interval: float | None = None,
    ) -> None:
        self.path = os.fspath(path)
        if not self.path:
            raise UserError("FileSource got an empty path; give a file, a folder, a glob or an s3:// URI")
        if on_error not in ("fail", "skip"):
            raise UserError(f"FileSource got on_error={on_error!r}; use 'fail' or 'skip'")
        self._format = format_
        self._on_error = on_error
        self._split_bytes = _split_bytes(split_size)
        self._s3 = s3
        self._interval = interval

    @classmethod
    def for_text_lines(
        cls,
        path: str | os.PathLike[str],
        *,
        on_error: OnError = "fail",
        split_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> FileSource[str]:
        """A row is a line of UTF-8 text, without its end; an empty line is an empty row."""
        return FileSource(path, TextLines(), on_error, split_size, s3)

    @classmethod
    def for_json_lines(
        cls,
        path: str | os.PathLike[str],
        type: Any = Any,  # noqa: A002  reads as at msgspec's decoders
        *,
        on_error: OnError = "fail",
        split_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> FileSource[Any]:
        """A row is the JSON value of a line; blank lines are none.

        With ``type`` (a dataclass, a TypedDict, ``dict[str, int]``) rows are checked and become such values.
        """
        return FileSource(path, JsonLines(type), on_error, split_size, s3)

    @classmethod
    def for_csv(
        cls,
        path: str | os.PathLike[str],
        delimiter: str = ",",
        fields: Sequence[str] | None = None,
        *,
        header: bool | None = None,
        splittable: bool = False,
        on_error: OnError = "fail",
        split_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> FileSource[dict[str, str]]:
        """A row is a dict of strings by the names in each file's first line, or by ``fields``.

        With ``fields`` files have no header line, unless ``header=True`` says that there is one to be left out. A
        field in double quotes may hold newlines, so a file is read by one reader, whole; ``splittable=True``
        promises that no field holds a newline (it is checked), and then large files are cut into parts.
        """
        if len(delimiter) != 1 or delimiter in '"\r\n\x02\x03':
            raise UserError(
                f"for_csv got delimiter={delimiter!r}; use one character, such as ',', ';' or '\\t'"
            )
        names = None if fields is None else tuple(fields)
        if names is not None and (not names or len(set(names)) < len(names)):
            raise UserError(f"for_csv got fields={list(names)!r}; name each column once")
        has_header = names is None if header is None else header
        if names is None and not has_header:
            raise UserError("for_csv got header=False without fields; name the columns: fields=['a', 'b']")
        return FileSource(path, CsvRows(delimiter, names, has_header, splittable), on_error, split_size, s3)

    def monitor_continuously(self, interval: Duration) -> FileSource[T]:
        """The same, without an end: looks for new files each ``interval`` (``"10s"``). A name is read once."""
        try:
            seconds = parse_duration(interval)
        except ValueError as error:
            raise UserError(f"monitor_continuously: {error}") from None
        if seconds <= 0:
            raise UserError(
                f"monitor_continuously got {interval!r}; look at most a thousand times a second: '1ms'"
            )
        return FileSource(self.path, self._format, self._on_error, self._split_bytes, self._s3, seconds)

    @property
    def split_type(self) -> type[FileSplit]:
        return FileSplit

    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[FileSplit]:
        return self._enumerator(context, None)

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> SplitEnumerator[FileSplit]:
        return self._enumerator(context, msgspec.msgpack.decode(state, type=EnumeratorState))

    def _enumerator(self, context: EnumeratorContext, state: EnumeratorState | None) -> FileEnumerator:
        return FileEnumerator(
            lambda: input_files(self.path, self._s3, may_be_empty=self._interval is not None),
            self._split_bytes,
            self._format.splittable,
            context.parallelism,
            self._interval,
            state,
        )

    def create_reader(self, context: ReaderContext) -> SplitReader[T, FileSplit]:
        skip = self._on_error == "skip"
        return FileReader(self._format, skip, lambda root: open_storage(root, self._s3), context.wake)


def _split_bytes(split_size: str | int) -> int:
    try:
        size = parse_size(split_size)
    except ValueError as error:
        raise UserError(f"FileSource got split_size={split_size!r}: {error}") from None
    if size < 1:
        raise UserError(f"FileSource got split_size={split_size!r}; use 1 byte or more, such as '64Mi'")
    return size
