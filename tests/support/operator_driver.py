"""Drives one operator by hand: batches, watermarks and time in, elements out; snapshots and restores it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from tests.support.checkpoints import JOB, ManualClock
from weir.operators.base import Operator, OperatorContext, RestoredState
from weir.operators.failures import operator_failure
from weir.records import RowBatch, StreamElement, Watermark


def context(clock: ManualClock | None = None, **overrides: Any) -> OperatorContext:
    """A place in a job, by default the only subtask."""
    base = OperatorContext(
        job_id=JOB,
        job_name="job",
        operator_id="ab" * 16,
        name="Op",
        uid="op",
        subtask_index=0,
        parallelism=1,
        max_parallelism=128,
        epoch=1,
        attempt=1,
        keyed=False,
        location="job.py:7",
        clock=clock or ManualClock(),
    )
    return replace(base, **overrides)


class Driver:
    """One operator under test."""

    def __init__(
        self,
        make: Callable[[], Operator],
        key: Callable[[Any], Any] | None = None,
        restored: RestoredState | None = None,
        clock: ManualClock | None = None,
        **overrides: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self._make, self._key, self._overrides = make, key, overrides
        self.operator = make()
        self.operator.open(context(self.clock, keyed=key is not None, **overrides), restored)

    def batch(self, values: Iterable[Any], stamps: list[int] | None = None) -> RowBatch:
        values = list(values)
        keys = None if self._key is None else [self._key(value) for value in values]
        return RowBatch(values, stamps, keys)

    def process(
        self, *values: Any, stamps: list[int] | None = None, side: int = 0, keyless: bool = False
    ) -> list[StreamElement]:
        """Everything that a batch of rows leads to."""
        batch = self.batch(values, stamps)
        if keyless:
            batch.keys = None
        return list(self.operator.process(batch, side))

    def rows(self, *values: Any, **how: Any) -> list[Any]:
        """The main output's rows of ``process``."""
        return rows_of(self.process(*values, **how))

    def watermark(self, timestamp: int) -> list[StreamElement]:
        return list(self.operator.on_watermark(Watermark(timestamp)))

    def time(self, milliseconds: int) -> list[StreamElement]:
        """What is due after that much more time, as the task asks for it."""
        self.clock.now += milliseconds / 1000
        due = self.operator.next_timer()
        if due is None or due > self.clock.wall_ms():
            return []
        return list(self.operator.on_processing_time(self.clock.wall_ms()))

    def saved(self, watermark: int | None = None, **also: Any) -> RestoredState:
        """A snapshot, as a restore gets it."""
        snapshot = self.operator.snapshot(1)
        if snapshot.finish is not None:
            snapshot.finish()
        return RestoredState(
            keyed=() if snapshot.keyed is None else (snapshot.keyed.encode(),),
            operator=() if snapshot.operator is None else (snapshot.operator,),
            own_only=snapshot.split_only,
            watermark=watermark,
            old_parallelism=1,
            **also,
        )

    def restored(self, watermark: int | None = None, clock: ManualClock | None = None) -> Driver:
        """A fresh operator that continues from a snapshot of this one."""
        return Driver(self._make, self._key, self.saved(watermark), clock, **self._overrides)


def failure_message(driver: Driver, call: Callable[[], object]) -> str:
    """What people read when ``call`` raises in the operator; frames before the engine's own do not count."""
    try:
        call()
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and os.sep + "tests" + os.sep in trace.tb_frame.f_code.co_filename:
            trace = trace.tb_next
        where = driver.operator.context
        return str(operator_failure(error.with_traceback(trace), where.label, where.location))
    raise AssertionError("it did not fail")


def rows_of(elements: Iterable[StreamElement], tag: str | None = None) -> list[Any]:
    """Rows of one output."""
    return [
        value
        for element in elements
        if isinstance(element, RowBatch) and element.tag == tag
        for value in element.values
    ]


def stamped(elements: Iterable[StreamElement], tag: str | None = None) -> list[tuple[Any, int | None]]:
    """Rows of one output with their event times."""
    return [
        pair
        for element in elements
        if isinstance(element, RowBatch) and element.tag == tag
        for pair in zip(element.values, element.timestamps or [None] * len(element), strict=True)
    ]
