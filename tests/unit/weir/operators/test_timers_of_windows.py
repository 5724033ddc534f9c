"""A window's end is that of the keys that had it."""

from __future__ import annotations

from typing import Any

import pytest

from weir import (
    EventTimeTrigger,
    OutputTag,
    ProcessWindowFunction,
    TimeWindow,
    TumblingEventTimeWindows,
    ValueStateDescriptor,
)
from weir.testing import stream_harness

CLEARED = OutputTag("cleared")
TEN = TumblingEventTimeWindows.of("10s")


class Same(EventTimeTrigger):
    """Not the default one by its class, so that it is asked."""


def harness(job: Any) -> Any:
    return stream_harness(lambda stream: job(stream.key_by(lambda row: row[0])))


@pytest.mark.parametrize("trigger", [EventTimeTrigger.create(), Same()])
@pytest.mark.parametrize("lateness", ["0s", "10s"])
def test_clear_is_called_once_for_each_window_that_a_key_had(trigger: Any, lateness: str) -> None:
    class Clears(ProcessWindowFunction):
        def process(self, key, context, elements):
            yield key, context.window().start

        def clear(self, context):
            cleared = context.global_state().get_state(ValueStateDescriptor("cleared", int))
            cleared.update((cleared.value() or 0) + 1)
            context.output(CLEARED, (context.window(), cleared.value()))

    h = harness(lambda keyed: keyed.window(TEN).allowed_lateness(lateness).trigger(trigger).process(Clears()))
    h.process_all([("a", 1), ("b", 2)], [12_000, 2_000])
    for second in range(60):
        h.watermark(second * 1_000 + 999)
    assert h.output == [("b", 0), ("a", 10_000)]
    assert h.side_output(CLEARED) == [(TimeWindow(0, 10_000), 1), (TimeWindow(10_000, 20_000), 1)]
