"""A source and a sink that stand before another and tell a ``Probe`` of each call.

``leftovers`` collects what was made, for the kit to close in the end: a killed process closes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from weir.connectors.sink import Committer, Sink, Writer, WriterContext
from weir.connectors.source import (
    Assignment,
    EnumeratorContext,
    Fetched,
    ReaderContext,
    Source,
    SplitEnumerator,
    SplitReader,
)
from weir.testing.conformance.calls import Probe


class Closable(Protocol):
    """What holds threads, connections or files."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


def _kept(made: C, leftovers: list[Closable]) -> C:
    leftovers.append(made)
    return made


class ProbedSource(Source[Any, Any]):
    """``inner``, read at most ``rows_per_fetch`` rows at a time, so that a few rows make many calls."""

    def __init__(
        self, inner: Source[Any, Any], probe: Probe, rows_per_fetch: int, leftovers: list[Closable]
    ) -> None:
        self.replayable = inner.replayable
        self.columnar = inner.columnar
        self.endless = inner.endless
        self._inner = inner
        self._probe = probe
        self._rows_per_fetch = rows_per_fetch
        self._leftovers = leftovers

    @property
    def split_type(self) -> type[Any]:
        return self._inner.split_type

    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[Any]:
        made = self._made("create_enumerator", lambda: self._inner.create_enumerator(context))
        return _Enumerator(made, self._probe)

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> SplitEnumerator[Any]:
        made = self._made("restore_enumerator", lambda: self._inner.restore_enumerator(context, state))
        return _Enumerator(made, self._probe)

    def create_reader(self, context: ReaderContext) -> SplitReader[Any, Any]:
        made = self._made("create_reader", lambda: self._inner.create_reader(context))
        return _Reader(made, self._probe, self._rows_per_fetch)

    def _made(self, name: str, make: Callable[[], C]) -> C:
        return self._probe.around(f"source.{name}", lambda: _kept(make(), self._leftovers))


class _Enumerator(SplitEnumerator[Any]):
    def __init__(self, inner: SplitEnumerator[Any], probe: Probe) -> None:
        self._inner = inner
        self._probe = probe
        self.discovery_interval = inner.discovery_interval

    def start(self) -> list[Assignment]:
        return self._probe.around("enumerator.start", self._inner.start)

    def handle_request(self, reader: int) -> list[Assignment]:
        return self._probe.around("enumerator.handle_request", lambda: self._inner.handle_request(reader))

    def add_splits_back(self, splits: Sequence[Any], reader: int) -> list[Assignment]:
        return self._probe.around(
            "enumerator.add_splits_back", lambda: self._inner.add_splits_back(splits, reader)
        )

    def discover(self) -> list[Assignment]:
        return self._probe.around("enumerator.discover", self._inner.discover)

    def snapshot(self) -> bytes:
        return self._probe.around("enumerator.snapshot", self._inner.snapshot)

    def close(self) -> None:
        self._probe.quietly(self._inner.close, None)


class _Reader(SplitReader[Any, Any]):
    def __init__(self, inner: SplitReader[Any, Any], probe: Probe, rows_per_fetch: int) -> None:
        self._inner = inner
        self._probe = probe
        self._rows_per_fetch = rows_per_fetch

    def add_splits(self, splits: Sequence[Any]) -> None:
        self._probe.around("reader.add_splits", lambda: self._inner.add_splits(splits))

    def fetch(self, max_rows: int) -> Fetched | None:
        most = min(max_rows, self._rows_per_fetch)
        return self._probe.around("reader.fetch", lambda: self._inner.fetch(most))

    def finished_splits(self) -> list[str]:
        return self._probe.around("reader.finished_splits", self._inner.finished_splits)

    def is_idle(self) -> bool:
        return self._probe.quietly(self._inner.is_idle, otherwise=False)

    def next_fetch_at(self) -> float | None:
        return self._probe.quietly(self._inner.next_fetch_at, None)

    def snapshot(self) -> list[Any]:
        return self._probe.around("reader.snapshot", self._inner.snapshot)

    def close(self) -> None:
        self._probe.quietly(self._inner.close, None)


class ProbedSink(Sink[Any, Any]):
    """``inner``, with every call of its contract counted."""

    def __init__(self, inner: Sink[Any, Any], probe: Probe, leftovers: list[Closable]) -> None:
        self.transactional = inner.transactional
        self._inner = inner
        self._probe = probe
        self._leftovers = leftovers

    @property
    def committable_type(self) -> type[Any] | None:
        return self._inner.committable_type

    def create_writer(self, context: WriterContext) -> Writer[Any, Any]:
        made = self._probe.around(
            "sink.create_writer", lambda: _kept(self._inner.create_writer(context), self._leftovers)
        )
        return _Writer(made, self._probe)

    def create_committer(self) -> Committer[Any]:
        made = self._probe.around("sink.create_committer", self._inner.create_committer)
        return _Committer(made, self._probe)


class _Writer(Writer[Any, Any]):
    def __init__(self, inner: Writer[Any, Any], probe: Probe) -> None:
        self._inner = inner
        self._probe = probe

    def write(self, values: list[Any], timestamps: list[int] | None) -> None:
        self._probe.around("writer.write", lambda: self._inner.write(values, timestamps))

    def prepare_commit(self) -> list[Any]:
        return self._probe.around("writer.prepare_commit", self._inner.prepare_commit)

    def finish_prepare(self, committables: Sequence[Any]) -> None:
        self._probe.around("writer.finish_prepare", lambda: self._inner.finish_prepare(committables))

    def close(self) -> None:
        self._probe.quietly(self._inner.close, None)


class _Committer(Committer[Any]):
    def __init__(self, inner: Committer[Any], probe: Probe) -> None:
        self._inner = inner
        self._probe = probe

    def commit(self, committables: Sequence[Any]) -> None:
        self._probe.around("committer.commit", lambda: self._inner.commit(committables))

    def abort_leftovers(self, context: WriterContext) -> None:
        self._probe.around("committer.abort_leftovers", lambda: self._inner.abort_leftovers(context))
