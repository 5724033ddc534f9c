"""Many small pipelines in one job: source, exchange by key, keyed count into nothing. Arguments: pipelines, rows a second of each."""

from __future__ import annotations

from benchmarks.jobs.full_load import Count, Nowhere
from weir import DataGeneratorSource, StreamExecutionEnvironment


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    for number in range(int(args[0])):
        numbers = env.from_source(
            DataGeneratorSource(lambda i: i, rows_per_second=float(args[1])), name=f"numbers-{number}"
        ).uid(f"numbers-{number}")
        counted = numbers.key_by(lambda n: n % 101).process(Count()).uid(f"count-{number}")
        counted.sink_to(Nowhere()).uid(f"out-{number}")
