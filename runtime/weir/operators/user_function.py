"""A user function and its life: opened once with a runtime context, called by its operator, closed once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from weir.errors import StateAccessError, UserCodeError
from weir.functions import Function, RuntimeContext
from weir.operators.base import OperatorContext
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from weir.state.operator_state import OperatorStateStore
from weir.state.registration import KeyedStates


class WrongUse(UserCodeError):
    """A user function has the wrong form or result; ``place`` is ``file:line`` of its definition."""

    def __init__(self, function: object, message: str) -> None:
        super().__init__(message)
        code = getattr(function, "__code__", None)
        self.place = f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


class StreamingRuntimeContext(RuntimeContext):
    """The runtime context of one operator of one subtask."""

    def __init__(
        self, context: OperatorContext, keyed: KeyedStates | None, operator_state: OperatorStateStore
    ) -> None:
        self._context = context
        self._keyed = keyed
        self._operator_state = operator_state
        self._opening = True

    def opened(self) -> None:
        """``open`` has returned: from now on only states that exist are given out."""
        self._opening = False
        if self._keyed is not None:
            self._keyed.freeze_registration()

    def get_job_id(self) -> str:
        return self._context.job_id

    def get_task_name(self) -> str:
        return self._context.name

    def get_index_of_this_subtask(self) -> int:
        return self._context.subtask_index

    def get_number_of_parallel_subtasks(self) -> int:
        return self._context.parallelism

    def get_max_number_of_parallel_subtasks(self) -> int:
        return self._context.max_parallelism

    def get_attempt_number(self) -> int:
        return self._context.attempt

    def _keyed_state(self, descriptor: Any) -> Any:
        if self._keyed is None:
            raise StateAccessError(
                f"state '{descriptor.name}' of operator {self._context.label} is keyed state, but the operator "
                "does not run on a keyed stream; put key_by(...) before it, or use get_operator_list_state"
            )
        return self._keyed.get_state(descriptor)

    def get_state(self, descriptor: ValueStateDescriptor[Any]) -> Any:
        return self._keyed_state(descriptor)

    def get_list_state(self, descriptor: ListStateDescriptor[Any]) -> Any:
        return self._keyed_state(descriptor)

    def get_map_state(self, descriptor: MapStateDescriptor[Any, Any]) -> Any:
        return self._keyed_state(descriptor)

    def get_reducing_state(self, descriptor: ReducingStateDescriptor[Any]) -> Any:
        return self._keyed_state(descriptor)

    def get_aggregating_state(self, descriptor: AggregatingStateDescriptor[Any, Any, Any]) -> Any:
        return self._keyed_state(descriptor)

    def _check_opening(self, name: str) -> None:
        if not self._opening:
            raise StateAccessError(
                f"state '{name}' of operator {self._context.label} was asked for outside open(); "
                "get state in open() and keep the handle"
            )

    def get_operator_list_state(self, descriptor: ListStateDescriptor[Any]) -> Any:
        self._check_opening(descriptor.name)
        return self._operator_state.get_list_state(descriptor)

    def get_operator_union_list_state(self, descriptor: ListStateDescriptor[Any]) -> Any:
        self._check_opening(descriptor.name)
        return self._operator_state.get_union_list_state(descriptor)


def open_function(function: Any, context: StreamingRuntimeContext) -> None:
    """Call ``open`` of a rich function; a plain callable has none."""
    if isinstance(function, Function):
        function.open(context)


def close_function(function: Any) -> None:
    """Call ``close`` of a rich function."""
    if isinstance(function, Function):
        function.close()


def takes_out(method: Callable[..., Any], plain: int) -> bool:
    """Whether ``method`` wants the ``out`` parameter beyond its ``plain`` positional ones.

    Raises ``UserCodeError`` naming the method when it takes neither number.
    """
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        return False
    required = [
        p
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    if len(required) in (plain, plain + 1):
        return len(required) == plain + 1
    kinds = [p.kind for p in signature.parameters.values()]
    most = sum(kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
    if Parameter.VAR_POSITIONAL in kinds or len(required) < plain <= most:
        return False
    raise WrongUse(
        method,
        f"{getattr(method, '__qualname__', method)!s} takes {len(required)} values; the engine gives it "
        f"{plain} (or {plain + 1}, with out)",
    )


def not_iterable(function: Any, result: object) -> UserCodeError:
    """The error for a function that returned something that cannot be iterated."""
    name = getattr(function, "__qualname__", repr(function))
    return WrongUse(
        function,
        f"{name} returned {type(result).__name__} {result!r:.200}; expected an iterable of results (yield them, or "
        "return a list) or None",
    )


def stopped_early(function: Callable[..., Any]) -> UserCodeError:
    """The error for a function that raised ``StopIteration``, which ends the loops that call it from C.

    Nothing shows in a traceback then: the callers compare the number of results with the number of rows.
    """
    name = getattr(function, "__qualname__", repr(function))
    return WrongUse(
        function, f"{name} raised StopIteration; give next(...) a default, or catch it in the function"
    )
