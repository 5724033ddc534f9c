"""Weir's side of the bids benchmark: bids as tuples of seven, keyed by auction, a running sum of their prices.

Arguments: rows, keys, groups (``one`` or ``two`` slot sharing groups, that is worker processes), result file. No two of the
different bids share a text, so that no encoder gains from objects that real rows would not share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.jobs.keyed_process import Meter
from weir import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment, ValueStateDescriptor
from weir.connectors import CollectionSource
from weir.functions import KeyedContext

Bid = tuple[int, int, int, str, str, int, str]
DIFFERENT = 100_000


def bid(number: int, keys: int) -> Bid:
    """About 100 bytes; Flink's side makes the same."""
    return (
        number % keys,
        1000 + number * 7 % 10_000,
        100 + number % 4096,
        f"channel-{number % 4}",
        f"https://auctions.example/item/{number % 64}",
        1_700_000_000_000 + number,
        f"{number * 2_654_435_761:032x}",
    )


class Total(KeyedProcessFunction[int, Bid, int]):
    """A sum per auction."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.total = runtime_context.get_state(ValueStateDescriptor("total", int))

    def process_element(  # type: ignore[override]
        self, value: Bid, ctx: KeyedContext, out: Callable[[int], None]
    ) -> None:
        total = (self.total.value() or 0) + value[2]
        self.total.update(total)
        out(total)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows, keys, groups, result = int(args[0]), int(args[1]), args[2], args[3]
    different = [bid(number, keys) for number in range(DIFFERENT)]
    sums: Any = (
        env.from_source(CollectionSource(range(rows)), name="rows")
        .uid("rows")
        .map(lambda number: different[number % DIFFERENT])
        .uid("bids")
        .key_by(lambda found: found[0])
        .process(Total())
        .uid("total")
    )
    if groups == "two":
        sums = sums.slot_sharing_group("second")
    sums.sink_to(Meter(rows, result)).uid("meter")
