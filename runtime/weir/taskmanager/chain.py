"""A chain of operators run over one element, operator by operator. Hot path: a few calls per batch, none per row.

``run`` is a generator that pauses after each batch it handed to an output, so that the task can stop it while an
output has no credit; nothing else of the engine pauses in the middle of an element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from weir.errors import WeirError
from weir.functions import DEAD_LETTERS
from weir.graph.physical import PhysicalVertex
from weir.operators.base import Operator, RestoredState
from weir.operators.dead_letters import Diverted
from weir.operators.failures import OperatorFailure, operator_failure
from weir.records import BATCHES, EndOfInput, StreamElement, StreamStatus, Watermark
from weir.taskmanager.exchange.edge_output import EdgeOutput
from weir.taskmanager.exchange.fanout import shares
from weir.taskmanager.exchange.most_starved import MostStarved

#: Outputs and chained positions that read one output (main or side) of an operator.
_Consumers = tuple[list[EdgeOutput], list[int]]
_NOBODY: _Consumers = ([], [])


class Chain:
    """The operators of one subtask, with the outputs of each."""

    def __init__(
        self,
        vertex: PhysicalVertex,
        operators: list[Operator],
        outputs: list[tuple[int, str | None, EdgeOutput]],
        locations: Mapping[int, str] | None = None,
        diverting: frozenset[int] = frozenset(),
    ) -> None:
        """``locations``: where the user made each operator, by node; for messages. ``diverting``: nodes whose dead letters go
        to who reads them; where nobody does, the operator fails.
        """
        self.operators = operators
        self.rows_in = [0] * len(operators)
        self.labels = [f"'{op.name}'" + (f" (uid {op.uid})" if op.uid else "") for op in vertex.operators]
        self.outputs = [output for _, _, output in outputs]
        self.most_starved = MostStarved(self.outputs)
        self._locations = [(locations or {}).get(op.node, "") for op in vertex.operators]
        #: By position and side tag.
        self._consumers: list[dict[str | None, _Consumers]] = [{} for _ in operators]
        for position, tag, output in outputs:
            self._consumers[position].setdefault(tag, ([], []))[0].append(output)
        for position, operator in enumerate(vertex.operators):
            if operator.upstream is not None:
                consumers = self._consumers[operator.upstream]
                consumers.setdefault(operator.side_tag, ([], []))[1].append(position)
        #: Positions behind an operator that makes watermarks.
        self._other_marks: set[int] = set()
        for position, upstream in enumerate(operator.upstream for operator in vertex.operators):
            if upstream is not None and (
                operators[upstream].makes_watermarks or upstream in self._other_marks
            ):
                self._other_marks.add(position)
        #: Who is called in place of an operator that diverts.
        self._diverted = {
            position: Diverted(operators[position])
            for position, operator in enumerate(vertex.operators)
            if DEAD_LETTERS in self._consumers[position] and operator.node in diverting
        }
        #: Position that runs now; for progress reports and failure messages.
        self.running = 0

    @property
    def dead_letters(self) -> int:
        """Records that were diverted since the chain was made."""
        return sum(diverted.count for diverted in self._diverted.values())

    def with_own_marks(self, restored: Sequence[RestoredState | None]) -> list[RestoredState | None]:
        """What each operator is opened with: a snapshot has the watermark of the chain's input, which is not that of operators
        behind one that makes watermarks. They wait for the first of these.
        """
        return [
            replace(state, watermark=None) if state is not None and position in self._other_marks else state
            for position, state in enumerate(restored)
        ]

    def run(self, element: StreamElement, input_index: int = 0) -> Iterator[None]:
        """One element into the head."""
        return self._push(0, element, input_index)

    def run_at(self, position: int, element: StreamElement) -> Iterator[None]:
        """One element into an operator inside the chain."""
        return self._push(position, element, 0)

    def emit_from(self, position: int, elements: Iterator[StreamElement]) -> Iterator[None]:
        """What an operator gives outside of ``run`` (timers, source rows, end of input)."""
        self.running = position
        try:
            for out in elements:
                yield from self._emit(position, out)
                self.running = position
        except (Exception, SystemExit) as error:
            failure = self._failure(error, position)
            if failure is error:
                raise
            raise failure from error

    def end_input(self, *, drained: bool = False) -> Iterator[None]:
        """Each operator in turn gives what it still held; then nothing but barriers may follow."""
        for position, operator in enumerate(self.operators):
            yield from self.emit_from(position, operator.end_input())
        for output in self.outputs:
            output.control(EndOfInput(drained))

    def _push(self, position: int, element: StreamElement, input_index: int) -> Iterator[None]:
        operator = self.operators[position]
        if isinstance(element, BATCHES):
            self.rows_in[position] += len(element)
            process = self._diverted.get(position, operator).process
            elements = self._guarded(position, process, element, input_index)
        elif isinstance(element, Watermark):
            elements = operator.on_watermark(element)
        elif isinstance(element, StreamStatus):
            elements = operator.on_status(element)
        else:
            raise TypeError(f"{element!r} cannot run through a chain")
        return self.emit_from(position, elements)

    def _guarded(
        self, position: int, process: Callable[..., Iterator[StreamElement]], batch: Any, input_index: int
    ) -> Iterator[StreamElement]:
        """An operator that is not a generator function may raise when it is called."""
        self.running = position
        try:
            return process(batch, input_index)
        except (Exception, SystemExit) as error:
            failure = self._failure(error, position)
            if failure is error:
                raise
            raise failure from error

    def _emit(self, position: int, element: StreamElement) -> Iterator[None]:
        if isinstance(element, BATCHES):
            outputs, children = self._consumers[position].get(element.tag, _NOBODY)
            copies = iter(shares(element, len(outputs) + len(children)))
            for output in outputs:
                output.rows_out += len(element)
                output.send(next(copies))
            if outputs:
                yield
            for child in children:
                yield from self._push(child, next(copies), 0)
            return
        for outputs, children in self._consumers[position].values():
            for output in outputs:
                output.control(element)
            for child in children:
                yield from self._push(child, element, 0)

    def _failure(self, error: BaseException, position: int) -> BaseException:
        if isinstance(error, WeirError) and error.retryable:
            return error
        return self.failure(error, position)

    def failure(self, error: BaseException, position: int) -> OperatorFailure:
        """What the operator at ``position`` raised, as a message to people."""
        origin = self.operators[0].origin()
        return operator_failure(error, self.labels[position], self._locations[position], origin)
