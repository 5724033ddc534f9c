"""What the operators of each column query cost in CPU time, without generator, engine and sink: for a machine that others load, too.

The thread's own CPU seconds per million bids, the least of five turns; each begins without state, so keys are new in it once. ``python -m benchmarks.column_operators``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.jobs.bids import bids
from weir import Count, Max, Sum, col
from weir.columnar.expressions import Expression, as_expression
from weir.operators.base import Operator
from weir.operators.column_windows import WindowAggregateOperator
from weir.operators.columns import FilterColumnsOperator, ProjectOperator, RunningAggregateOperator
from weir.records import ColumnBatch, Watermark

ROWS, BATCHES, TURNS = 32768, 60, 5
ALL = ("auction", "bidder", "price", "channel", "url", "ts")


def select(*names: str) -> ProjectOperator:
    """As ``ColumnStream.select``."""
    return ProjectOperator({name: col(name) for name in names}, keep=False)


def with_columns(**named: Expression | int) -> ProjectOperator:
    """As ``ColumnStream.with_columns``."""
    return ProjectOperator({name: as_expression(value) for name, value in named.items()}, keep=True)


def tumbling(key: str, aggregate: Count | Max) -> WindowAggregateOperator:
    """Windows of ten seconds."""
    return WindowAggregateOperator((key,), (aggregate,), 10_000, 10_000)


def running_sum() -> RunningAggregateOperator:
    """Of the prices of each auction, with every bid."""
    return RunningAggregateOperator(("auction",), (Sum("price"),))


QUERIES: dict[str, Callable[[], Sequence[Operator]]] = {
    "q0": lambda: (select(*ALL),),
    "q1": lambda: (with_columns(price=col("price") * 0.908),),
    "q2": lambda: (FilterColumnsOperator(col("auction") % 123 == 0), select("auction", "price")),
    "q7": lambda: (with_columns(every=0), tumbling("every", Max("price"))),
    "q12": lambda: (tumbling("bidder", Count()),),
    "sum of 10k keys": lambda: (running_sum(),),
    "sum of 1M keys": lambda: (running_sum(),),
}


def through(operators: Sequence[Operator], batch: ColumnBatch) -> None:
    """One batch and the watermark behind it, through all of them."""
    assert batch.timestamps is not None
    elements = [batch, Watermark(int(batch.timestamps.max()) - 1)]
    for operator in operators:
        found = []
        for element in elements:
            made = (
                operator.on_watermark(element)
                if isinstance(element, Watermark)
                else operator.process(element, 0)
            )
            found += made
        elements = found


def main() -> None:
    for name, make in QUERIES.items():
        auctions = 1_000_000 if "1M" in name else 10_000
        data = [bids(number * ROWS, ROWS, auctions) for number in range(BATCHES)]
        batches = [ColumnBatch(each, each.column("ts").to_numpy()) for each in data]
        turns = []
        for _ in range(TURNS):
            operators = make()
            began = time.thread_time()
            for batch in batches:
                through(operators, batch)
            turns.append(time.thread_time() - began)
        print(f"{name:16} {min(turns) / (ROWS * BATCHES) * 1e9:6.1f} CPU milliseconds per million bids")


if __name__ == "__main__":
    main()
