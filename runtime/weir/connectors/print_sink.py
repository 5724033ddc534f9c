"""A sink that prints its rows, as ``DataStream.print`` does in Flink.

Lines look like ``row``, ``prefix> row``, and with several subtasks ``3> row`` or ``prefix:3> row`` (subtasks count
from one there, as in Flink). Each batch is one write, so that lines of several processes do not mix. What was
printed cannot be taken back: a restart prints some rows again.
"""

from __future__ import annotations

import sys
from typing import Generic, NoReturn, TextIO, TypeVar

from weir.connectors.sink import Sink, Writer, WriterContext

T = TypeVar("T")


class PrintSink(Sink[T, NoReturn], Generic[T]):
    """Prints ``str(row)`` to stdout, or to stderr."""

    transactional = False

    def __init__(self, prefix: str = "", to_stderr: bool = False) -> None:
        self._prefix = prefix
        self._to_stderr = to_stderr

    @property
    def committable_type(self) -> None:
        return None

    def create_writer(self, context: WriterContext) -> Writer[T, NoReturn]:
        parts = [self._prefix] if self._prefix else []
        if context.parallelism > 1:
            parts.append(str(context.subtask_index + 1))
        lead = ":".join(parts) + "> " if parts else ""
        return PrintWriter(lead, sys.stderr if self._to_stderr else sys.stdout)


class PrintWriter(Writer[T, NoReturn], Generic[T]):
    """Writes a line per row."""

    def __init__(self, lead: str, stream: TextIO) -> None:
        self._lead = lead
        self._stream = stream

    def write(self, values: list[T], timestamps: list[int] | None) -> None:
        lead = self._lead
        self._stream.write("".join([f"{lead}{value}\n" for value in values]))
        self._stream.flush()

    def prepare_commit(self) -> list[NoReturn]:
        return []
