"""Harnesses for user functions: one line makes one, time and crashes are data, and a test takes less than 10 ms.

    h = keyed_harness(CountPerCarrier(), key=lambda flight: flight["carrier"])
    h.process({"carrier": "UA"}, timestamp=1000)
    h.snapshot()
    h.process({"carrier": "UA"}, timestamp=2000)
    h.crash()                                   # back to the snapshot
    assert h.state("seen") == {"UA": 1}

The functions here choose the engine's own operator for what they are given; ``drive`` has the harness itself. They
share these options. ``parallelism``: so many subtasks, 1 by default. ``max_parallelism``: key groups, 128 by default.
``strict`` (on by default): state that is changed without ``update`` and rows that are changed after they were emitted are
errors. ``clock``: one to share between harnesses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from weir.errors import GraphError, StateAccessError
from weir.functions import (
    BroadcastProcessFunction,
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    FilterFunction,
    FlatMapFunction,
    Function,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    KeySelector,
    MapFunction,
    ProcessFunction,
    ReduceFunction,
    callable_of,
)
from weir.operators.base import Operator
from weir.operators.connected import (
    BroadcastProcessOperator,
    CoFlatMapOperator,
    CoMapOperator,
    CoProcessOperator,
    KeyedBroadcastProcessOperator,
    KeyedCoProcessOperator,
)
from weir.operators.process import KeyedProcessOperator, ProcessOperator, ReduceOperator
from weir.operators.stateless import FilterOperator, FlatMapOperator, MapOperator
from weir.state import statefile
from weir.state.descriptors import MapStateDescriptor
from weir.state.operator_state import OperatorStateMode
from weir.testing.drive import ConnectedHarness, Harness
from weir.testing.manual_clock import ManualClock
from weir.testing.subject import Input, Settings, Subject

IN = TypeVar("IN")
IN2 = TypeVar("IN2")
K = TypeVar("K")
OUT = TypeVar("OUT")

_Choices = Sequence[tuple[type, Callable[[Any], Operator]]]

_ROW_WISE: _Choices = (
    (MapFunction, MapOperator),
    (FlatMapFunction, FlatMapOperator),
    (FilterFunction, FilterOperator),
)
_PLAIN: _Choices = ((ProcessFunction, ProcessOperator), *_ROW_WISE)
_KEYED: _Choices = (
    (KeyedProcessFunction, KeyedProcessOperator),
    (ReduceFunction, ReduceOperator),
    *_ROW_WISE,
)
_CONNECTED: _Choices = (
    (CoProcessFunction, CoProcessOperator),
    (CoMapFunction, CoMapOperator),
    (CoFlatMapFunction, CoFlatMapOperator),
)
_KEYED_CONNECTED: _Choices = (
    (KeyedCoProcessFunction, KeyedCoProcessOperator),
    (CoMapFunction, CoMapOperator),
    (CoFlatMapFunction, CoFlatMapOperator),
)


def function_harness(
    function: Function,
    *,
    parallelism: int = 1,
    max_parallelism: int = 128,
    strict: bool = True,
    clock: ManualClock | None = None,
) -> Harness[Any, Any]:
    """For a function without a key: ``ProcessFunction``, ``MapFunction``, ``FlatMapFunction``, ``FilterFunction``.

    Several subtasks get the values in turn. Raises ``GraphError`` for anything else.
    """
    subject = Subject(_name(function), _chosen("function_harness()", function, _PLAIN), function)
    return Harness(subject, Settings(parallelism, max_parallelism, strict), clock)


def keyed_harness(
    function: Function,
    key: Callable[[Any], Any] | KeySelector[Any, Any],
    *,
    parallelism: int = 1,
    max_parallelism: int = 128,
    strict: bool = True,
    clock: ManualClock | None = None,
) -> Harness[Any, Any]:
    """For a function behind ``key_by(key)``: ``KeyedProcessFunction``, ``ReduceFunction``, or a ``MapFunction``,
    ``FlatMapFunction`` or ``FilterFunction`` that keeps state by key. Raises ``GraphError`` for anything else.
    """
    make = _chosen("keyed_harness()", function, _KEYED)
    subject = Subject(_name(function), make, function, (_by(key),))
    return Harness(subject, Settings(parallelism, max_parallelism, strict), clock)


def connected_harness(
    function: Function,
    key1: Callable[[Any], Any] | KeySelector[Any, Any] | None = None,
    key2: Callable[[Any], Any] | KeySelector[Any, Any] | None = None,
    *,
    parallelism: int = 1,
    max_parallelism: int = 128,
    strict: bool = True,
    clock: ManualClock | None = None,
) -> ConnectedHarness[Any, Any, Any]:
    """For a function with two inputs: ``CoMapFunction``, ``CoFlatMapFunction``, ``CoProcessFunction``; with both keys
    ``KeyedCoProcessFunction``. Feed it by ``process1`` and ``process2``. Raises ``GraphError`` for anything else.
    """
    if (key1 is None) != (key2 is None):
        raise GraphError("connected_harness() got one key; give a key for both inputs, or none")
    choices = _CONNECTED if key1 is None else _KEYED_CONNECTED
    make = _chosen("connected_harness()", function, choices)
    subject = Subject(_name(function), make, function, (_by(key1), _by(key2)))
    return ConnectedHarness(subject, Settings(parallelism, max_parallelism, strict), clock)


def broadcast_harness(
    function: Function,
    *descriptors: MapStateDescriptor[Any, Any],
    key: Callable[[Any], Any] | KeySelector[Any, Any] | None = None,
    parallelism: int = 1,
    max_parallelism: int = 128,
    strict: bool = True,
    clock: ManualClock | None = None,
) -> BroadcastHarness:
    """For a ``BroadcastProcessFunction``, or with ``key`` a ``KeyedBroadcastProcessFunction``.

    ``descriptors`` are those given to ``broadcast()``. Feed it by ``process`` and ``process_broadcast``. Raises
    ``GraphError`` for anything else.
    """
    if key is None:
        choices: _Choices = ((BroadcastProcessFunction, lambda f: BroadcastProcessOperator(f, descriptors)),)
    else:
        choices = ((KeyedBroadcastProcessFunction, lambda f: KeyedBroadcastProcessOperator(f, descriptors)),)
    make = _chosen("broadcast_harness()", function, choices)
    subject = Subject(_name(function), make, function, (_by(key), Input(broadcast=True)))
    return BroadcastHarness(subject, Settings(parallelism, max_parallelism, strict), clock)


def operator_harness(
    make: Callable[[], Operator],
    key: Callable[[Any], Any] | KeySelector[Any, Any] | None = None,
    key2: Callable[[Any], Any] | KeySelector[Any, Any] | None = None,
    *,
    name: str = "operator",
    parallelism: int = 1,
    max_parallelism: int = 128,
    clock: ManualClock | None = None,
) -> ConnectedHarness[Any, Any, Any]:
    """For an operator of the engine (or of your own); ``make`` is called for each subtask and attempt.

    It may have one input (``process``) or two (``process1``, ``process2``). State is not watched.
    """
    inputs = (_by(key),) if key2 is None else (_by(key), _by(key2))
    subject = Subject(name, lambda _: make(), None, inputs)
    return ConnectedHarness(subject, Settings(parallelism, max_parallelism, strict=False), clock)


class BroadcastHarness(ConnectedHarness[Any, Any, Any]):
    """One operator with a broadcast input; every subtask gets all that is broadcast."""

    def process_broadcast(self, value: Any, timestamp: int | None = None) -> None:
        """A value of the broadcast input."""
        self.process2(value, timestamp)

    def _rows(self, index: int, values: list[Any], timestamps: list[int] | None) -> None:
        super()._rows(index, values, timestamps)
        if self._settings.strict and index == 1:
            self._compare()

    def _broadcast_states(self) -> list[list[statefile.Section]]:
        """Broadcast state of each subtask, as it would be written."""
        found = []
        for subtask in self._subtasks:
            blob = subtask.operator.snapshot(0).operator
            sections = [] if blob is None else statefile.read(blob)[1]
            found.append([part for part in sections if part.header.kind == OperatorStateMode.BROADCAST])
        return found

    def _compare(self) -> None:
        first, *others = self._broadcast_states()
        if any(other != first for other in others):
            raise StateAccessError(
                f"the subtasks of operator {self._subject.name!r} hold different broadcast state after the same broadcast elements; "
                "process_broadcast_element must do the same in every subtask"
            )


def _by(key: Callable[[Any], Any] | KeySelector[Any, Any] | None) -> Input:
    return Input() if key is None else Input(callable_of(key, "get_key", KeySelector))


def _name(function: object) -> str:
    return type(function).__name__


def _chosen(call: str, function: object, choices: _Choices) -> Callable[[Any], Operator]:
    """The operator for a function. Raises ``GraphError`` saying what was given and what to give."""
    for kind, make in choices:
        if isinstance(function, kind):
            return make
    wanted = ", ".join(kind.__name__ for kind, _ in choices)
    if isinstance(function, type) and issubclass(function, Function):
        raise GraphError(f"{call} got the class {function.__name__}; make an instance: {function.__name__}()")
    if callable(function) and not isinstance(function, Function):
        raise GraphError(f"{call} takes one of {wanted}; a plain callable is tested by calling it")
    hint = "; with a key use keyed_harness()" if isinstance(function, KeyedProcessFunction) else ""
    raise GraphError(f"{call} takes one of {wanted}, got {_name(function)}{hint}")
