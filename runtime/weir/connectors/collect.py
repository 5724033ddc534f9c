"""A sink that keeps its rows in this process: for tests, notebooks and the one-process mode.

The rows are shared by all users of one ``CollectSink`` object, so only subtasks in the same process as the reader
of ``results`` are seen. With ``two_phase=True`` rows appear with their checkpoint, exactly once, which tests of
recovery need; else they appear at once, and a restart repeats some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from weir.connectors.sink import Committer, Sink, Writer, WriterContext
from weir.errors import StorageError

T = TypeVar("T")


class CollectedRows(msgspec.Struct, frozen=True):
    """Names rows that wait in this process for their checkpoint."""

    key: str


class _Rows:
    """What the writers and committers of one sink share. Lists are only appended to: no lock is needed."""

    def __init__(self) -> None:
        self.visible: list[tuple[list[Any], list[int] | None]] = []
        self.waiting: dict[str, list[tuple[list[Any], list[int] | None]]] = {}
        self.committed: set[str] = set()


class CollectSink(Sink[T, CollectedRows], Generic[T]):
    """Collects all rows; read them by ``results`` and ``timestamped`` when (or while) the job runs."""

    def __init__(self, two_phase: bool = False) -> None:
        self.transactional = two_phase
        self._rows = _Rows()

    @property
    def results(self) -> list[T]:
        """The visible rows; those of one subtask in their order."""
        return [value for values, _ in list(self._rows.visible) for value in values]

    @property
    def timestamped(self) -> list[tuple[int | None, T]]:
        """The visible rows with their event times."""
        return [
            (timestamps[i] if timestamps is not None else None, value)
            for values, timestamps in list(self._rows.visible)
            for i, value in enumerate(values)
        ]

    @property
    def committable_type(self) -> type[CollectedRows] | None:
        return CollectedRows if self.transactional else None

    def create_writer(self, context: WriterContext) -> Writer[T, CollectedRows]:
        return CollectWriter(self._rows, context, self.transactional)

    def create_committer(self) -> Committer[CollectedRows]:
        return CollectCommitter(self._rows)


class CollectWriter(Writer[T, CollectedRows], Generic[T]):
    """Appends batches to the shared rows, or keeps them for the next barrier."""

    def __init__(self, rows: _Rows, context: WriterContext, two_phase: bool) -> None:
        self._rows = rows
        self._two_phase = two_phase
        self._batches: list[tuple[list[Any], list[int] | None]] = []
        self._name = "-".join(map(str, context))
        self._counter = 0

    def write(self, values: list[T], timestamps: list[int] | None) -> None:
        (self._batches if self._two_phase else self._rows.visible).append((values, timestamps))

    def prepare_commit(self) -> list[CollectedRows]:
        if not self._batches:
            return []
        key = f"{self._name}-{self._counter}"
        self._counter += 1
        self._rows.waiting[key], self._batches = self._batches, []
        return [CollectedRows(key)]


class CollectCommitter(Committer[CollectedRows]):
    """Moves waiting rows to the visible ones."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

    def commit(self, committables: Sequence[CollectedRows]) -> None:
        for committable in committables:
            if committable.key in self._rows.committed:
                continue
            batches = self._rows.waiting.pop(committable.key, None)
            if batches is None:
                raise StorageError(
                    f"CollectSink has no rows {committable.key}: they were in the memory of a process that is gone; "
                    "use a FileSink where results must outlive a process"
                )
            self._rows.visible.extend(batches)
            self._rows.committed.add(committable.key)
