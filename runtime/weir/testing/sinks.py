"""Sinks that collect what a job wrote: in one process (``CollectSink``), or in a folder, over all processes of a cluster.

``FolderSink`` keeps any Python values, with their event times; the test reads them by ``results`` whenever it likes.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Generic, TypeVar

from weir.connectors.collect import CollectSink
from weir.connectors.files.sink import FileCommittable, FileSink
from weir.connectors.files.writing import part_names
from weir.connectors.files.writing.encoders import RowEncoder
from weir.connectors.sink import Committer, Sink, Writer, WriterContext

__all__ = ["CollectSink", "FolderSink"]

T = TypeVar("T")
_SUFFIX = ".rows"


class _Pickled(RowEncoder):
    """A pickle for each batch."""

    suffix = _SUFFIX

    def encode(self, values: list[Any]) -> bytes:
        return pickle.dumps(values, protocol=5)


class FolderSink(Sink[T, FileCommittable], Generic[T]):
    """Collects rows in files of a folder. With ``two_phase`` (default) they appear with their checkpoint, exactly once;
    else at once, and a restart repeats some.
    """

    def __init__(self, folder: str | os.PathLike[str], two_phase: bool = True) -> None:
        self.transactional = two_phase
        self._folder = os.path.abspath(folder)

    def _files(self) -> FileSink[Any]:
        return FileSink(self._folder, _Pickled)

    @property
    def committable_type(self) -> type[FileCommittable] | None:
        return FileCommittable if self.transactional else None

    def create_writer(self, context: WriterContext) -> Writer[T, FileCommittable]:
        if self.transactional:
            return _Stamped(self._files().create_writer(context))
        os.makedirs(self._folder, exist_ok=True)
        return _AtOnce(os.path.join(self._folder, str(part_names.part_name(context, 0, _SUFFIX))))

    def create_committer(self) -> Committer[FileCommittable]:
        return self._files().create_committer()

    @property
    def results(self) -> list[T]:
        """All visible rows; those of one subtask in their order."""
        return [value for _, value in self.timestamped]

    @property
    def timestamped(self) -> list[tuple[int | None, T]]:
        """All visible rows with their event times."""
        return [row for name in self._names() for batch in self._batches(name) for row in batch]

    def _names(self) -> list[str]:
        """Visible files, by subtask and age."""
        names = os.listdir(self._folder) if os.path.isdir(self._folder) else []
        parsed = [name for name in map(part_names.parse, names) if name is not None]
        return [
            str(name) for name in sorted(parsed, key=lambda n: (n.subtask, n.epoch, n.attempt, n.counter))
        ]

    def _batches(self, name: str) -> Iterator[list[tuple[int | None, T]]]:
        with open(os.path.join(self._folder, name), "rb") as file:
            while True:
                try:
                    yield pickle.load(file)
                except (
                    EOFError,
                    pickle.UnpicklingError,
                ):  # the last batch may be cut if it is being written now
                    return


class _Stamped(Writer[T, FileCommittable]):
    """Gives each row its event time."""

    def __init__(self, inner: Writer[Any, FileCommittable]) -> None:
        self._inner = inner

    def write(self, values: list[T], timestamps: list[int] | None) -> None:
        self._inner.write(_pairs(values, timestamps), None)

    def prepare_commit(self) -> list[FileCommittable]:
        return self._inner.prepare_commit()

    def finish_prepare(self, committables: Sequence[FileCommittable]) -> None:
        self._inner.finish_prepare(committables)

    def close(self) -> None:
        self._inner.close()


class _AtOnce(Writer[T, FileCommittable]):
    """Rows are visible when they are written."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115  closed by its owner

    def write(self, values: list[T], timestamps: list[int] | None) -> None:
        self._file.write(pickle.dumps(_pairs(values, timestamps), protocol=5))

    def prepare_commit(self) -> list[FileCommittable]:
        return []

    def close(self) -> None:
        self._file.close()


def _pairs(values: list[Any], timestamps: list[int] | None) -> list[tuple[int | None, Any]]:
    stamps: Any = repeat(None) if timestamps is None else timestamps
    return list(zip(stamps, values))  # noqa: B905  stamps may be repeat()
