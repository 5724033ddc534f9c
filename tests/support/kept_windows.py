"""Windows of each kind with rows in them, as a harness keeps them in a file.

``python -m tests.support.kept_windows FOLDER`` writes one for each, for versions to come to restore.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weir import (
    ContinuousEventTimeTrigger,
    EventTimeSessionWindows,
    ProcessWindowFunction,
    TimeEvictor,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
)
from weir.testing import stream_harness

TEN = TumblingEventTimeWindows.of("10s")


class Listed(ProcessWindowFunction):
    """The window and its rows."""

    def process(self, key, context, elements):
        yield key, *context.window(), [value for _, value in elements]


def add(one: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
    """Rows are a key and a number."""
    return one[0], one[1] + other[1]


JOBS: dict[str, Callable[[Any], Any]] = {
    "tumbling-reduce": lambda keyed: keyed.window(TEN).allowed_lateness("10s").reduce(add),
    "tumbling-process": lambda keyed: keyed.window(TEN).process(Listed()),
    "clock-reduce": lambda keyed: keyed.window(TumblingProcessingTimeWindows.of("10s")).reduce(add),
    "sessions-process": lambda keyed: keyed.window(EventTimeSessionWindows.with_gap("5s")).process(Listed()),
    "asked-reduce": lambda keyed: keyed.window(TEN).trigger(ContinuousEventTimeTrigger.of("4s")).reduce(add),
    "evicted-process": lambda keyed: keyed.window(TEN).evictor(TimeEvictor.of("5s")).process(Listed()),
}


def harness(job: Callable[[Any], Any], **how: Any) -> Any:
    """Rows of such a job go in here."""
    return stream_harness(lambda stream: job(stream.key_by(lambda row: row[0])), **how)


def filled(job: Callable[[Any], Any]) -> Any:
    """With windows that wait, and where rows may be late one that has given its result."""
    h = harness(job, parallelism=2)
    h.process_all([("a", 1), ("a", 2), ("b", 3), ("c", 4)], [1_000, 2_000, 11_000, 12_000])
    h.watermark(9_999)
    return h


if __name__ == "__main__":
    for name, job in JOBS.items():
        filled(job).snapshot().save(Path(sys.argv[1]) / name)
