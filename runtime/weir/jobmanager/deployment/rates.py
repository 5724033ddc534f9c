"""What a subtask did lately, from two of its reports: time shares that add up to 1000 ms/s, rows and bytes by second."""

from __future__ import annotations

from typing import Final

from weir.rpc.messages import TaskMetrics
from weir.rpc.requests import TaskRates

#: Reports (one a second) over which rates are taken: long enough to be steady, short enough to be news.
WINDOW: Final = 6
_SECOND_MS: Final = 1000


def rates(first: TaskMetrics, last: TaskMetrics) -> TaskRates | None:
    """From ``first`` to ``last``; ``None``: no time passed between them, as the subtask's own clock counts it."""
    elapsed = _elapsed(last) - _elapsed(first)
    if elapsed <= 0:
        return None
    busy = _share(last.busy_ms - first.busy_ms, elapsed)
    backpressured = min(_SECOND_MS - busy, _share(last.backpressured_ms - first.backpressured_ms, elapsed))
    return TaskRates(
        busy_ms=busy,
        idle_ms=_SECOND_MS - busy - backpressured,
        backpressured_ms=backpressured,
        records_in=_by_second(last.records_in - first.records_in, elapsed),
        records_out=_by_second(last.records_out - first.records_out, elapsed),
        bytes_in=_by_second(last.bytes_in - first.bytes_in, elapsed),
        bytes_out=_by_second(last.bytes_out - first.bytes_out, elapsed),
    )


def _elapsed(metrics: TaskMetrics) -> int:
    return metrics.busy_ms + metrics.idle_ms + metrics.backpressured_ms


def _share(milliseconds: int, elapsed: int) -> int:
    return max(0, min(_SECOND_MS, round(milliseconds * _SECOND_MS / elapsed)))


def _by_second(count: int, elapsed: int) -> float:
    return round(count * _SECOND_MS / elapsed, 3)
