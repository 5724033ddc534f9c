"""A keyed count over 10,000 keys as fast as it goes. Argument: ``uniform``, or the exponent of Zipf's law for the keys.

With exponent 1 the most frequent key has a tenth of all rows.
"""

from __future__ import annotations

import random
from itertools import accumulate

from benchmarks.jobs.full_load import Count, Nowhere
from weir import DataGeneratorSource, StreamExecutionEnvironment

KEYS = 10_000
_DRAWN = 1 << 17


def drawn(law: str) -> list[int]:
    """Keys, the same in each process."""
    weights = [1.0 if law == "uniform" else rank ** -float(law) for rank in range(1, KEYS + 1)]
    return random.Random(1).choices(range(KEYS), cum_weights=list(accumulate(weights)), k=_DRAWN)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    keys = drawn(args[0])

    def rows(start: int, count: int) -> list[int]:
        at = start % _DRAWN
        found = keys[at : at + count]
        return found + keys[: count - len(found)]

    numbers = env.from_source(DataGeneratorSource(batch_fn=rows)).uid("numbers")
    numbers.key_by(lambda key: key).process(Count()).uid("count").sink_to(Nowhere()).uid("out")
