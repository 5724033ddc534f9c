"""The loops that call process functions over a batch. Hot path: see benchmarks/keyed_process.py.

One loop for each combination of {results yielded, results appended to ``out``} x {event times, none} x {keyed, not}
would be eight; the unkeyed ones are driven as keyed ones over a constant key, which costs 7 ns a row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat
from typing import Any

from weir.operators.base import MAX_BATCH_ROWS
from weir.operators.contexts import ElementContext
from weir.operators.user_function import not_iterable, takes_out
from weir.records import RowBatch
from weir.state.keyed import KeyCell

#: One step over (part of) a batch: yields main-output batches.
Call = Callable[[ElementContext, Iterable[Any], list[Any], "list[int] | None"], Iterator[RowBatch]]


def make_call(method: Callable[..., Any]) -> Call:
    """The loop for a ``process_element``-like ``method(value, ctx)``, or ``method(value, ctx, out)``.

    Raises ``UserCodeError`` for another number of parameters.
    """
    if takes_out(method, 2):
        return _appending(method)
    returning = _returning(method)
    return _yielding(method, returning) if inspect.isgeneratorfunction(method) else returning


def _appending(method: Callable[..., Any]) -> Call:
    def call(
        ctx: ElementContext, keys: Iterable[Any], values: list[Any], stamps: list[int] | None
    ) -> Iterator[RowBatch]:
        out: list[Any] = []
        append = out.append
        if stamps is None:
            ctx.ts = None
            for ctx.key, value in zip(keys, values):  # noqa: B905  keys may be repeat()
                method(value, ctx, append)
            yield from _slices(out, None)
            return
        out_stamps: list[int] = []
        for ctx.key, value, ctx.ts in zip(keys, values, stamps):  # noqa: B905
            method(value, ctx, append)
            added = len(out) - len(out_stamps)
            if added == 1:
                out_stamps.append(ctx.ts)
            elif added:
                out_stamps.extend([ctx.ts] * added)
        yield from _slices(out, out_stamps)

    return call


def _yielding(method: Callable[..., Any], stamped: Call) -> Call:
    """Generator functions are drained from C, which costs a third less than a loop of our own."""

    def call(
        ctx: ElementContext, keys: Iterable[Any], values: list[Any], stamps: list[int] | None
    ) -> Iterator[RowBatch]:
        if stamps is not None:
            yield from stamped(ctx, keys, values, stamps)
            return
        ctx.ts = None
        rows = iter(values)
        results = chain.from_iterable(map(method, keyed_rows(ctx, keys, rows), repeat(ctx)))
        while out := list(islice(results, MAX_BATCH_ROWS)):
            yield RowBatch(out)

    return call


def keyed_rows(cell: KeyCell, keys: Iterable[Any], rows: Iterator[Any]) -> Iterator[Any]:
    """The rows, each with its key set in ``cell`` before it is given."""
    for row, cell.key in zip(rows, keys):  # noqa: B905  keys may be repeat()
        yield row


def _returning(method: Callable[..., Any]) -> Call:
    """Functions that return an iterable or ``None``, and generator functions over rows with event times."""

    def call(
        ctx: ElementContext, keys: Iterable[Any], values: list[Any], stamps: list[int] | None
    ) -> Iterator[RowBatch]:
        out: list[Any] = []
        out_stamps: list[int] | None = None if stamps is None else []
        extend = out.extend
        for ctx.key, value, ctx.ts in zip(keys, values, repeat(None) if stamps is None else stamps):  # noqa: B905
            results = method(value, ctx)
            if results is None:
                continue
            try:
                results = iter(results)
            except TypeError:
                raise not_iterable(method, results) from None
            extend(islice(results, MAX_BATCH_ROWS))
            if out_stamps is not None:
                out_stamps.extend([ctx.ts] * (len(out) - len(out_stamps)))  # type: ignore[list-item]
            while len(out) >= MAX_BATCH_ROWS:
                timestamp = ctx.ts
                # While it is suspended here nothing else runs in this operator, so the key cell stays ours.
                yield RowBatch(out, out_stamps)
                out = list(islice(results, MAX_BATCH_ROWS))
                extend = out.extend
                if out_stamps is not None:
                    out_stamps = [timestamp] * len(out)  # type: ignore[list-item]
        if out:
            yield RowBatch(out, out_stamps)

    return call


def _slices(out: list[Any], stamps: list[int] | None) -> Iterator[RowBatch]:
    """What one call appended, in batches of bounded size."""
    if not out:
        return
    if len(out) <= 2 * MAX_BATCH_ROWS:
        yield RowBatch(out, stamps)
        return
    for start in range(0, len(out), MAX_BATCH_ROWS):
        end = start + MAX_BATCH_ROWS
        yield RowBatch(out[start:end], None if stamps is None else stamps[start:end])
