"""A two-phase sink on the simulated storage, beside the file sink; and how the output of both is read.

Rows are staged under a key before the snapshot is acknowledged and appear under ``committed/`` with their commit. The
``auditor`` knows from the fence log which keys may appear.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from typing import Any

import msgspec

from weir import Committer, Sink, Writer, WriterContext
from weir.errors import ObjectExists, ObjectNotFound, StorageError
from weir.storage import MemoryStorage, Storage, open_storage

ROOT = "memory://simulation/out"
#: Where file sinks write.
FILES = "memory://simulation/files"


class Receipt(msgspec.Struct, frozen=True):
    """What is committed: the rows of one subtask between two barriers."""

    sink: str
    key: str


class LedgerSink(Sink[Any, Receipt]):
    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def committable_type(self) -> type[Receipt]:
        return Receipt

    def create_writer(self, context: WriterContext) -> LedgerWriter:
        return LedgerWriter(self.name, context)

    def create_committer(self) -> LedgerCommitter:
        return LedgerCommitter(self.name)


def folder(name: str) -> Storage:
    return open_storage(f"{ROOT}/{name}")


class LedgerWriter(Writer[Any, Receipt]):
    def __init__(self, name: str, context: WriterContext) -> None:
        self._name = name
        self._prefix = f"{context.subtask_index}-{context.epoch}-{context.attempt}"
        self._storage = folder(name)
        self._rows: list[Any] = []
        self._counter = 0
        self._unstaged: dict[str, list[Any]] = {}

    def write(self, values: list[Any], timestamps: list[int] | None) -> None:
        self._rows.extend(values)

    def prepare_commit(self) -> list[Receipt]:
        if not self._rows:
            return []
        self._counter += 1
        key = f"{self._prefix}-{self._counter}"
        self._unstaged[key], self._rows = self._rows, []
        return [Receipt(self._name, key)]

    def finish_prepare(self, committables: Sequence[Receipt]) -> None:
        for receipt in committables:
            rows = self._unstaged.get(receipt.key)
            if rows is not None:
                self._storage.write(f"staged/{receipt.key}", pickle.dumps(rows))
                self._unstaged.pop(receipt.key, None)


class LedgerCommitter(Committer[Receipt]):
    def __init__(self, name: str) -> None:
        self._storage = folder(name)

    def commit(self, committables: Sequence[Receipt]) -> None:
        for receipt in committables:
            self._commit(receipt.key)

    def _commit(self, key: str) -> None:
        try:
            data = self._storage.read(f"staged/{key}")
        except ObjectNotFound:
            try:
                self._storage.size(f"committed/{key}")
            except ObjectNotFound:
                raise StorageError(f"staged rows {key} are lost") from None
            return
        try:
            self._storage.create_if_absent(f"committed/{key}", data)
        except ObjectExists:
            pass
        self._storage.delete(f"staged/{key}")

    def abort_leftovers(self, context: WriterContext) -> None:
        for info in list(self._storage.list("staged/")):
            index, epoch, attempt, _ = map(int, info.name.removeprefix("staged/").split("-"))
            mine = index % context.parallelism == context.subtask_index
            if mine and (epoch, attempt) < (context.epoch, context.attempt):
                self._storage.delete(info.name)


def committed_rows(storage: MemoryStorage, sink: str) -> list[Any]:
    """All rows that are visible, of a sink of either kind."""
    rows = [
        row
        for info in storage.list(f"out/{sink}/committed/")
        for row in pickle.loads(storage.read(info.name))
    ]
    for info in storage.list(f"files/{sink}/part-"):
        rows += [_tuples(json.loads(line)) for line in storage.read(info.name).splitlines()]
    return rows


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
