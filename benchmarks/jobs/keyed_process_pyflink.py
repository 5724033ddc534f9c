"""PyFlink's side of the keyed-process benchmark, in one JVM; run by Flink's own environment, which needs ``JAVA_HOME``.

Arguments: rows, keys, mode (``thread``: Python in the JVM's process, or ``process``), result file, folder for checkpoints.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors import Sink
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway

_ROW = Types.TUPLE([Types.STRING(), Types.LONG()])


class RunningSum(KeyedProcessFunction):
    """Keeps a sum per key, counts rows, and writes the rate down: a counting step behind it would cost one more call a row."""

    def __init__(self, rows: int, result: str) -> None:
        self._rows = rows
        self._result = result
        self._seen = 0
        self._began = 0.0

    def open(self, runtime_context: RuntimeContext) -> None:
        self._total = runtime_context.get_state(ValueStateDescriptor("total", Types.LONG()))

    def process_element(
        self, value: tuple[str, int], ctx: KeyedProcessFunction.Context
    ) -> Iterator[tuple[str, int]]:
        total = (self._total.value() or 0) + value[1]
        self._total.update(total)
        self._seen += 1
        if self._seen == self._rows // 4:
            self._began = time.perf_counter()
        elif self._seen == self._rows:
            rate = (self._rows - self._rows // 4) / (time.perf_counter() - self._began)
            Path(self._result).write_text(json.dumps({"rows": self._seen, "rate": rate}))
        yield value[0], total


def main() -> None:
    rows, keys, mode, result, checkpoints = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
    settings = Configuration()
    settings.set_string("python.execution-mode", mode)
    settings.set_string("python.executable", sys.executable)
    settings.set_string("python.client.executable", sys.executable)
    settings.set_string("pipeline.object-reuse", "true")
    settings.set_string("restart-strategy.type", "none")
    settings.set_string("execution.checkpointing.interval", "1s")
    settings.set_string("execution.checkpointing.dir", checkpoints)
    env = StreamExecutionEnvironment.get_execution_environment(settings)
    env.set_parallelism(1)
    names = [f"key-{key}" for key in range(keys)]
    numbers = env.from_source(
        NumberSequenceSource(0, rows - 1), WatermarkStrategy.no_watermarks(), "rows", Types.LONG()
    )
    sums = (
        numbers.map(lambda number: (names[number % keys], number + 1), _ROW)
        .key_by(lambda row: row[0], Types.STRING())
        .process(RunningSum(rows, result), _ROW)
    )
    nothing = get_gateway().jvm.org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink()
    sums.sink_to(Sink(nothing))
    env.execute("keyed sum")


if __name__ == "__main__":
    main()
