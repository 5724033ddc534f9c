"""A job whose commits wait for a file: between a completed checkpoint and its output there is as long as a test wants."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from tests.support.reference_job import GatedReader
from weir import (
    Committer,
    DataGeneratorSource,
    FileSink,
    ReaderContext,
    Sink,
    StreamExecutionEnvironment,
    Writer,
    WriterContext,
)

_POLL_S = 0.01


class Held(DataGeneratorSource):
    """Never ends: behind ``limit`` rows of each split it waits for a file that nobody makes."""

    def __init__(self, limit: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.limit = limit

    def create_reader(self, context: ReaderContext):
        return GatedReader(super().create_reader(context), "/nowhere/gate", self.limit, 0, context.monotonic)


class LateSink(Sink):
    def __init__(self, sink: Sink, permit: str) -> None:
        self.sink = sink
        self.permit = permit

    @property
    def committable_type(self):
        return self.sink.committable_type

    def create_writer(self, context: WriterContext) -> Writer:
        return self.sink.create_writer(context)

    def create_committer(self) -> Committer:
        return LateCommitter(self.sink.create_committer(), self.permit)


class LateCommitter(Committer):
    def __init__(self, committer: Committer, permit: str) -> None:
        self.committer = committer
        self.permit = permit

    def commit(self, committables: Sequence[Any]) -> None:
        while not os.path.exists(self.permit):
            time.sleep(_POLL_S)
        self.committer.commit(committables)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """Arguments: output folder, file that permits commits, rows."""
    out, permit, rows = args
    limit = int(rows) // 2
    source = Held(limit, generator_fn=lambda i: i, count=2 * int(rows), num_splits=2)
    numbers = env.from_source(source, name="numbers").uid("numbers")
    passed = numbers.key_by(lambda i: i % 8).map(lambda i: {"i": i}).uid("lines")
    passed.sink_to(LateSink(FileSink.for_json_lines(out), permit)).uid("out")
