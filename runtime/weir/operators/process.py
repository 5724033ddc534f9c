"""Process functions: unkeyed, keyed with state and timers, and ``reduce``. Hot path.

``KeyedBase`` owns what every keyed operator has: the context (which is the key cell), the state store with
its timers, snapshot and restore.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

from weir.functions import (
    KeyedProcessFunction,
    ProcessFunction,
    ReduceFunction,
    TimeDomain,
    callable_of,
)
from weir.operators.base import (
    MAX_BATCH_ROWS,
    Operator,
    OperatorContext,
    OperatorSnapshot,
    RestoredState,
)
from weir.operators.calls import make_call
from weir.operators.contexts import ElementContext, KeyedTimers, UnkeyedTimers
from weir.operators.stateless import UserFunctionOperator
from weir.operators.user_function import (
    StreamingRuntimeContext,
    close_function,
    open_function,
)
from weir.records import RowBatch, StreamElement, Watermark
from weir.state.descriptors import ReducingStateDescriptor
from weir.state.heap import NO_KEY
from weir.state.isolation import IMMUTABLE, all_immutable, isolated
from weir.state.layered import ABSENT
from weir.state.operator_state import OperatorStateStore
from weir.state.registration import KeyedStates
from weir.state.timers import TimerQueue


class ProcessOperator(UserFunctionOperator):
    """A ``ProcessFunction`` (or a callable ``f(value, ctx)``) without a key."""

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._timers = UnkeyedTimers(context.clock, context.label)
        self._ctx = ElementContext(self._timers)
        method = callable_of(self._function, "process_element", ProcessFunction)
        self._call = make_call(method)
        if restored is not None and restored.watermark is not None:
            self._timers.watermark = restored.watermark

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        for out in self._call(self._ctx, repeat(NO_KEY), batch.values, batch.timestamps):
            yield out
            yield from self._ctx.take_side_outputs()
        yield from self._ctx.take_side_outputs()

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        self._timers.watermark = watermark.timestamp
        yield watermark

    def discard(self) -> None:
        self._ctx.take_side_outputs()


class KeyedBase(Operator):
    """State, timers and context of an operator on a keyed stream."""

    _store: KeyedStates

    def __init__(self, function: Any) -> None:
        self._function = function

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._operator_state = OperatorStateStore(context.label)
        self._ctx = ElementContext(None, self._operator_state)
        self._store = context.backend.open(self._ctx, context.keyed_place)
        self._timers = KeyedTimers(
            self._ctx, context.clock, self._store.event_timers, self._store.processing_timers
        )
        self._ctx.bind_timers(self._timers)
        if restored is not None:
            self._restore(restored)
        self._register()
        self.tends = self._store.tends
        self._ctx.key = NO_KEY

    def _restore(self, restored: RestoredState) -> None:
        if restored.keyed:
            self._store.restore(restored.keyed)
        if restored.operator:
            self._operator_state.restore(
                list(restored.operator),
                self.context.subtask_index,
                self.context.parallelism,
                own_only=restored.own_only,
            )
        if restored.watermark is not None:
            self._timers.watermark = self._store.time.watermark = restored.watermark

    def _register(self) -> None:
        """Open the user's function, which registers its states."""
        runtime = StreamingRuntimeContext(self.context, self._store, self._operator_state)
        open_function(self._function, runtime)
        runtime.opened()

    def snapshot(self, checkpoint_id: int) -> OperatorSnapshot:
        return OperatorSnapshot(
            keyed=self._store.begin_snapshot(),
            operator=self._operator_state.snapshot(),
            split_only=self._operator_state.split_only,
        )

    def next_timer(self) -> int | None:
        return self._store.processing_timers.next_timestamp()

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        # The clock moves first: a timer that fires sees the watermark that fired it, as in Flink.
        self._timers.watermark = self._store.time.watermark = watermark.timestamp
        yield from self._fire(self._store.event_timers, watermark.timestamp, TimeDomain.EVENT_TIME)
        yield watermark

    def on_processing_time(self, now_ms: int) -> Iterator[StreamElement]:
        yield from self._fire(self._store.processing_timers, now_ms, TimeDomain.PROCESSING_TIME)

    def _fire(self, queue: TimerQueue, until: int, domain: TimeDomain) -> Iterator[StreamElement]:
        """Fire what is due, a bucket at a time."""
        ctx = self._ctx
        ctx.domain = domain
        ctx.writable = False
        for timestamp, keys in queue.pop_due(until):
            self.timers_fired += len(keys)
            yield from self._fire_bucket(timestamp, keys)
        ctx.domain = None
        ctx.key = NO_KEY

    def _fire_bucket(self, timestamp: int, keys: list[Any]) -> Iterator[StreamElement]:
        yield from ()

    def tend(self) -> bool:
        return self._store.tend()

    def discard(self) -> None:
        self._ctx.take_side_outputs()

    def close(self) -> None:
        try:
            close_function(self._function)
        finally:
            self._store.close()


class TimedOperator(KeyedBase):
    """A keyed operator whose function has ``on_timer``."""

    def _register(self) -> None:
        super()._register()
        method = getattr(self._function, "on_timer", None)
        self._on_timer = None
        if method is not None:
            self._on_timer = make_call(method)

    def _fire_bucket(self, timestamp: int, keys: list[Any]) -> Iterator[StreamElement]:
        if self._on_timer is None:
            return
        # In slices, since what is appended to out or to side outputs is handed on after a call only.
        for start in range(0, len(keys), MAX_BATCH_ROWS):
            part = keys[start : start + MAX_BATCH_ROWS]
            rows = [timestamp] * len(part)
            for out in self._on_timer(self._ctx, part, rows, rows):
                yield out
                yield from self._ctx.take_side_outputs()
            yield from self._ctx.take_side_outputs()


class KeyedProcessOperator(TimedOperator):
    """A ``KeyedProcessFunction`` (or a callable ``f(value, ctx)``)."""

    def _register(self) -> None:
        super()._register()
        method = callable_of(self._function, "process_element", KeyedProcessFunction)
        self._call = make_call(method)

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        ctx = self._ctx
        assert batch.keys is not None
        self._store.foresee(batch.keys)
        for out in self._call(ctx, batch.keys, batch.values, batch.timestamps):
            yield out
            yield from ctx.take_side_outputs()
        yield from ctx.take_side_outputs()
        ctx.key = NO_KEY


class ReduceOperator(KeyedBase):
    """Emits the running reduction per key; the engine holds the value, the user's function sees two."""

    def _register(self) -> None:
        runtime = StreamingRuntimeContext(self.context, self._store, self._operator_state)
        open_function(self._function, runtime)
        self._reduce = callable_of(self._function, "reduce", ReduceFunction)
        descriptor = ReducingStateDescriptor("_reduced", self._reduce)
        self._store.get_state(descriptor)
        self._descriptor = descriptor
        runtime.opened()

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        assert batch.keys is not None
        out: list[Any] = []
        append = out.append
        table = self._store.values_of(self._descriptor, batch.keys)
        get = table.get
        reduce = self._reduce
        if of_immutable_rows(batch.values):
            for key, value in zip(batch.keys, batch.values, strict=True):
                reduced = get(key, ABSENT)
                reduced = value if reduced is ABSENT else reduce(reduced, value)
                table[key] = reduced
                append(reduced)
        else:
            # The function may change what it keeps of either; neither the row nor what was emitted may follow.
            for key, value in zip(batch.keys, map(isolated, batch.values), strict=True):
                reduced = get(key, ABSENT)
                reduced = value if reduced is ABSENT else reduce(reduced, value)
                table[key] = reduced
                append(isolated(reduced))
        self._store.note_written(self._descriptor, batch.keys)
        yield RowBatch(out, batch.timestamps)

    def locate_failure(self, frame: dict[str, Any]) -> dict[str, Any]:
        return {"record": frame["value"], "key": frame["key"]} if "key" in frame else {}


def of_immutable_rows(values: list[Any]) -> bool:
    """Whether a function can change nothing within these rows; of tuples, which streams have of one shape, a sample is asked."""
    kinds = set(map(type, values))
    if kinds == {tuple}:
        return all_immutable([values[0], values[len(values) // 2], values[-1]])
    return kinds <= IMMUTABLE
