"""Chooses the operator for windows of rows: the quick one where nothing but the time decides, else the one that asks a trigger."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from weir.functions import AggregateFunction, ReduceFunction, callable_of
from weir.operators.base import Operator
from weir.operators.session_windows import SessionWindowOperator
from weir.operators.triggered_windows import TriggeredWindowOperator
from weir.operators.window_contents import AggregatedContents, Contents, ListedContents, ReducedContents
from weir.operators.windows import AlignedWindowOperator
from weir.state.layered import ABSENT
from weir.windows.assigners import AlignedWindows
from weir.windows.sessions import Sessions
from weir.windows.settings import WindowSettings
from weir.windows.triggers import EventTimeTrigger, ProcessingTimeTrigger


def window_operator(
    settings: WindowSettings, kind: str, function: Any, window_function: Any, value_type: Any
) -> Operator:
    """``kind``: ``reduce``, ``aggregate`` or ``process``; ``value_type``: of what is kept, or ``None``."""
    where = (function, window_function)
    listed = kind == "process"
    if settings.evictor is not None:
        pair_type = None if value_type is None else tuple[value_type, int]
        digest = _digest(kind, function)
        contents: Contents = ListedContents(pair_type)
        return TriggeredWindowOperator(settings, contents, *where, listed=listed, digest=digest)
    contents = _contents(kind, function, value_type)
    if _has_default_trigger(settings):
        if isinstance(settings.assigner, AlignedWindows):
            return AlignedWindowOperator(settings, contents, *where, listed=listed)
        if isinstance(settings.assigner, Sessions):
            return SessionWindowOperator(settings, contents, *where, listed=listed)
    return TriggeredWindowOperator(settings, contents, *where, listed=listed)


def _has_default_trigger(settings: WindowSettings) -> bool:
    default = EventTimeTrigger if settings.assigner.is_event_time() else ProcessingTimeTrigger
    return type(settings.trigger) is default


def _contents(kind: str, function: Any, value_type: Any) -> Contents:
    if kind == "reduce":
        return ReducedContents(function, value_type)
    if kind == "aggregate":
        return AggregatedContents(function, value_type)
    return ListedContents(value_type)


def _digest(kind: str, function: Any) -> Callable[[list[Any]], Any]:
    """The result of a list of rows."""
    if kind == "process":
        return list
    if kind == "reduce":
        reduce = callable_of(function, "reduce", ReduceFunction)
        return lambda rows: functools.reduce(reduce, rows) if rows else ABSENT
    assert isinstance(function, AggregateFunction)
    return lambda rows: function.get_result(_folded(function, rows)) if rows else ABSENT


def _folded(function: AggregateFunction[Any, Any, Any], rows: list[Any]) -> Any:
    accumulator = function.create_accumulator()
    for row in rows:
        accumulator = function.add(row, accumulator)
    return accumulator
