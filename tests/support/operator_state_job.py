"""A job with all three kinds of operator state; each instance writes down what it has when it sees its first row.

``dump/<parallelism>-<attempt>-<index>.json``: the instance's own list, what it got of the union list, and the broadcast map.
Arguments are ``name=value``: ``out``, ``dump``, ``gate``, ``rows``, ``limit``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.support.small_jobs import Gated, options
from weir import (
    BroadcastProcessFunction,
    DataGeneratorSource,
    FileSink,
    ListStateDescriptor,
    MapStateDescriptor,
    StreamExecutionEnvironment,
)

RULES = MapStateDescriptor("rules", int, int)
RULE_COUNT = 20


class Remembering(BroadcastProcessFunction):
    """Keeps every row that it sees in its list; says its name in the union list."""

    def __init__(self, dump: str) -> None:
        self.dump = dump
        self.written = False

    def open(self, ctx):
        self.place = f"{ctx.get_number_of_parallel_subtasks()}-{ctx.get_attempt_number()}-{ctx.get_index_of_this_subtask()}"
        self.rows = ctx.get_operator_list_state(ListStateDescriptor("rows", int))
        self.names = ctx.get_operator_union_list_state(ListStateDescriptor("names", str))
        self.found = {"rows": list(self.rows.get()), "names": list(self.names.get())}
        self.names.update([self.place])
        self.write(None)

    def process_element(self, value, ctx):
        if not self.written:
            self.written = True
            self.write({str(k): v for k, v in ctx.get_broadcast_state(RULES).items()})
        self.rows.add(value)
        yield {"v": value}

    def process_broadcast_element(self, value, ctx):
        ctx.get_broadcast_state(RULES).put(value, value * value)
        return ()

    def write(self, rules: dict[str, int] | None) -> None:
        path = Path(self.dump) / f"{self.place}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps({**self.found, "rules": rules}))
        os.replace(new, path)


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    source = Gated(
        given["gate"],
        int(given["limit"]),
        generator_fn=lambda i: i,
        count=int(given["rows"]),
        rows_per_second=float(given["rate"]),
        num_splits=8,
    )
    rows = env.from_source(source, name="rows").uid("rows")
    rules = env.from_source(DataGeneratorSource(lambda i: i, count=RULE_COUNT), name="rules").uid("rules")
    kept = rows.connect(rules.broadcast(RULES)).process(Remembering(given["dump"])).uid("remember")
    kept.sink_to(FileSink.for_json_lines(given["out"])).uid("out")
