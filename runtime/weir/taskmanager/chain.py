"""A chain of operators run over one element, operator by operator. Hot path: a few calls per batch, none per row.

``run`` is a generator that pauses after each batch it handed to an output, so that the task can stop it while an
output has no credit; nothing else of the engine pauses in the middle of an element.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weir.errors import WeirError
from weir.graph.physical import PhysicalVertex
from weir.operators.base import Operator
from weir.operators.failures import OperatorFailure, operator_failure
from weir.records import EndOfInput, RowBatch, StreamElement, StreamStatus, Watermark
from weir.taskmanager.fanout import independent
from weir.taskmanager.outputs import EdgeOutput


class Chain:
    """The operators of one subtask, with the outputs of each."""

    def __init__(
        self,
        vertex: PhysicalVertex,
        operators: list[Operator],
        outputs: list[tuple[int, str | None, EdgeOutput]],
    ) -> None:
        self.operators = operators
        self.rows_in = [0] * len(operators)
        self.labels = [f"'{op.name}'" + (f" (uid {op.uid})" if op.uid else "") for op in vertex.operators]
        self.outputs = [output for _, _, output in outputs]
        #: Consumers by position and side tag: outputs, then chained positions.
        self._outputs: list[dict[str | None, list[EdgeOutput]]] = [{} for _ in operators]
        self._children: list[dict[str | None, list[int]]] = [{} for _ in operators]
        self._all_children: list[list[int]] = [[] for _ in operators]
        for position, tag, output in outputs:
            self._outputs[position].setdefault(tag, []).append(output)
        for position, operator in enumerate(vertex.operators):
            if operator.upstream is not None:
                self._children[operator.upstream].setdefault(operator.side_tag, []).append(position)
                self._all_children[operator.upstream].append(position)
        #: Position that runs now; for progress reports and failure messages.
        self.running = 0

    def run(self, element: StreamElement, input_index: int = 0) -> Iterator[None]:
        """One element into the head."""
        return self._push(0, element, input_index)

    def emit_from(self, position: int, elements: Iterator[StreamElement]) -> Iterator[None]:
        """What an operator gives outside of ``run`` (timers, source rows, end of input)."""
        self.running = position
        try:
            for out in elements:
                yield from self._emit(position, out)
                self.running = position
        except OperatorFailure:
            raise
        except Exception as error:
            raise self._failure(error, position) from error

    def end_input(self) -> Iterator[None]:
        """Each operator in turn gives what it still held; then nothing but barriers may follow."""
        for position, operator in enumerate(self.operators):
            yield from self.emit_from(position, operator.end_input())
        for output in self.outputs:
            output.control(EndOfInput())

    def _push(self, position: int, element: StreamElement, input_index: int) -> Iterator[None]:
        operator = self.operators[position]
        if element.__class__ is RowBatch:
            self.rows_in[position] += len(element.values)  # type: ignore[union-attr]
            elements = self._guarded(position, operator, element, input_index)
        elif element.__class__ is Watermark:
            elements = operator.on_watermark(element)  # type: ignore[arg-type]
        elif element.__class__ is StreamStatus:
            elements = operator.on_status(element)  # type: ignore[arg-type]
        else:
            raise TypeError(f"{element!r} cannot run through a chain")
        return self.emit_from(position, elements)

    def _guarded(
        self, position: int, operator: Operator, batch: Any, input_index: int
    ) -> Iterator[StreamElement]:
        """An operator that is not a generator function may raise when it is called."""
        self.running = position
        try:
            return operator.process(batch, input_index)
        except Exception as error:
            raise self._failure(error, position) from error

    def _emit(self, position: int, element: StreamElement) -> Iterator[None]:
        if element.__class__ is RowBatch:
            tag = element.tag  # type: ignore[union-attr]
            shared = False
            for output in self._outputs[position].get(tag, ()):
                output.rows_out += len(element.values)  # type: ignore[union-attr]
                output.send(independent(element) if shared else element)  # type: ignore[arg-type]
                shared = True
            if shared:
                yield
            for child in self._children[position].get(tag, ()):
                yield from self._push(child, independent(element) if shared else element, 0)  # type: ignore[arg-type]
                shared = True
            return
        for outputs in self._outputs[position].values():
            for output in outputs:
                output.control(element)
        for child in self._all_children[position]:
            yield from self._push(child, element, 0)

    def _failure(self, error: Exception, position: int) -> Exception:
        if isinstance(error, WeirError) and error.retryable:
            return error
        return operator_failure(error, self.labels[position])
