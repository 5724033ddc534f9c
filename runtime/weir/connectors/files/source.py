"""A source of rows or columns in files: a folder, a glob or a file, local or ``s3://``; read once, or watched for new files.

This is the description that a job holds. ``enumerator`` finds files and cuts them into ``splits``; a ``reader``
per subtask turns splits into rows, in the way its ``formats`` say. Nothing is opened before the job runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from weir.config import Duration, parse_duration, parse_size
from weir.connectors.files.reading.column_formats import CsvColumns, JsonColumns, ParquetColumns
from weir.connectors.files.reading.column_text import csv_fault, json_fault
from weir.connectors.files.reading.enumerator import EnumeratorState, FileEnumerator, input_files
from weir.connectors.files.reading.formats import CsvRows, Format, JsonLines, TextLines
from weir.connectors.files.reading.reader import FileReader
from weir.connectors.files.reading.splits import FileSplit
from weir.connectors.source import EnumeratorContext, ReaderContext, Source, SplitEnumerator, SplitReader
from weir.errors import UserError
from weir.storage import S3Options, open_storage

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

OnError = Literal["fail", "skip"]


class FileSource(Source[T, FileSplit], Generic[T]):
    """Rows of files; made by ``for_text_lines``, ``for_csv`` or ``for_json_lines``, as columns by ``for_parquet``,
    ``for_csv_columns`` or ``for_json_lines_columns``.

    A path is a file, a folder (all files in it and below) or a glob (``*``, ``?``, ``[a-z]``, ``**`` over folders);
    a file or folder that has such a name, as ``run[1]``, is not taken for a glob.
    Names that begin with ``.`` or ``_`` are left out. Files are read in the order of their names; with several readers,
    each file (or part of one) is in order. Input files must not change while a job reads them: let new
    ones appear by a rename.

    What all but Parquet take: ``on_error``: a row that cannot be parsed fails the job (``"fail"``) or is left out, counted and
    logged (``"skip"``). What all take: ``split_size``: larger files are cut into parts of about this size (``"64Mi"``),
    for several readers. ``s3``: how to reach ``s3://`` paths, completed from the ``AWS_*`` variables.
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
        self.columnar = format_.columnar
        self._on_error = on_error
        self._split_bytes = _split_bytes(split_size)
        self._s3 = s3
        self._interval = interval
        self.endless = interval is not None

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
        _check_delimiter("for_csv", delimiter)
        names = None if fields is None else tuple(fields)
        if names is not None and (not names or len(set(names)) < len(names)):
            raise UserError(f"for_csv got fields={list(names)!r}; name each column once")
        has_header = names is None if header is None else header
        if names is None and not has_header:
            raise UserError("for_csv got header=False without fields; name the columns: fields=['a', 'b']")
        return FileSource(path, CsvRows(delimiter, names, has_header, splittable), on_error, split_size, s3)

    @classmethod
    def for_parquet(
        cls,
        path: str | os.PathLike[str],
        columns: Sequence[str] | None = None,
        *,
        timestamp_column: str | None = None,
        split_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> FileSource[Any]:
        """Columns of Parquet files, for ``env.from_columns``: those named, all by default; others are not read.

        ``timestamp_column`` holds event times: milliseconds (int64), or Arrow timestamps. A row group is read by
        one reader; a part of a file (``split_size``) has those that begin in it. After a restore a row group is decoded
        again from its start, and rows that were given are left out.
        """
        names = None if columns is None else tuple(columns)
        if isinstance(columns, str) or names == ():
            raise UserError(f"for_parquet got columns={columns!r}; name the columns: columns=['a', 'b']")
        _check_timestamps("for_parquet", timestamp_column, names)
        return FileSource(path, ParquetColumns(names, timestamp_column), "fail", split_size, s3)

    @classmethod
    def for_csv_columns(
        cls,
        path: str | os.PathLike[str],
        schema: pa.Schema,
        delimiter: str = ",",
        *,
        header: bool = True,
        splittable: bool = False,
        timestamp_column: str | None = None,
        on_error: OnError = "fail",
        split_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> FileSource[Any]:
        """Columns of CSV files, for ``env.from_columns``: those of ``schema``, by the names in each file's first line.

        With ``header=False`` files have no such line, and their columns are those of the schema, in its order. What is
        empty is null, but in a column of text; ``nan`` is a float, ``NA`` and ``NULL`` are none. Quotes stand around
        fields only, doubled within them (RFC 4180). ``splittable`` as for ``for_csv``, ``timestamp_column`` as for
        ``for_parquet``.
        """
        _check_delimiter("for_csv_columns", delimiter)
        if not delimiter.isascii():
            raise UserError(
                f"for_csv_columns got delimiter={delimiter!r}, but columns are parsed by bytes; use an ASCII character, or read "
                "rows: FileSource.for_csv"
            )
        _check_schema("for_csv_columns", schema)
        if fault := csv_fault(schema):
            raise UserError(
                f"for_csv_columns cannot read {fault}; take pa.string() and convert it in the job, or give the data as JSON "
                "lines or Parquet"
            )
        _check_timestamps("for_csv_columns", timestamp_column, schema.names)
        format_ = CsvColumns(schema, delimiter, header, timestamp_column, splittable)
        return FileSource(path, format_, on_error, split_size, s3)

    @classmethod
    def for_json_lines_columns(
        cls,
        path: str | os.PathLike[str],
        schema: pa.Schema,
        *,
        timestamp_column: str | None = None,
        on_error: OnError = "fail",
        split_size: str | int = "64Mi",
        s3: S3Options | None = None,
    ) -> FileSource[Any]:
        """Columns of JSON lines, for ``env.from_columns``: the members of each object that ``schema`` names.

        Members that are missing are null, others are left out. ``timestamp_column`` as for ``for_parquet``.
        """
        _check_schema("for_json_lines_columns", schema)
        if fault := json_fault(schema):
            raise UserError(
                f"for_json_lines_columns cannot read {fault}; take a plain type and convert it in the job, or give the data as "
                "Parquet"
            )
        _check_timestamps("for_json_lines_columns", timestamp_column, schema.names)
        return FileSource(path, JsonColumns(schema, timestamp_column), on_error, split_size, s3)

    def monitor_continuously(self, interval: Duration) -> FileSource[T]:
        """The same, without an end: looks for new files each ``interval`` (``"10s"``). A name is read once.

        The state of a job that did not watch yet goes on with it, unless that had read all its input.
        """
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
            lambda: input_files(
                self.path, self._s3, may_be_empty=self._interval is not None, binary=self._format.binary
            ),
            self._split_bytes,
            self._format.splittable,
            context.parallelism,
            self._interval,
            state,
        )

    def create_reader(self, context: ReaderContext) -> SplitReader[T, FileSplit]:
        skip = self._on_error == "skip"
        return FileReader(self._format, skip, lambda root: open_storage(root, self._s3), context.wake)


def _check_delimiter(call: str, delimiter: str) -> None:
    if len(delimiter) != 1 or delimiter in '"\r\n\x02\x03':
        raise UserError(f"{call} got delimiter={delimiter!r}; use one character, such as ',', ';' or '\\t'")


def _check_schema(call: str, schema: Any) -> None:
    names = getattr(schema, "names", None)
    if not isinstance(names, list) or not names or len(set(names)) < len(names):
        raise UserError(
            f"{call} got schema={schema!r:.200}; give a pyarrow.Schema that names each column once: "
            "pa.schema({'a': pa.int64()})"
        )


def _check_timestamps(call: str, timestamp_column: str | None, columns: Sequence[str] | None) -> None:
    if timestamp_column is not None and columns is not None and timestamp_column not in columns:
        raise UserError(
            f"{call} got timestamp_column={timestamp_column!r}, which is not one of the columns {', '.join(columns)}; "
            "add it to them"
        )


def _split_bytes(split_size: str | int) -> int:
    try:
        size = parse_size(split_size)
    except ValueError as error:
        raise UserError(f"FileSource got split_size={split_size!r}: {error}") from None
    if size < 1:
        raise UserError(f"FileSource got split_size={split_size!r}; use 1 byte or more, such as '64Mi'")
    return size
