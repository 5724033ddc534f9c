"""A job whose input holds crashes of every kind, for a real cluster."""

from __future__ import annotations

from weir import KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor
from weir.testing import Checkpoint, Crash, Eof, Wait
from weir.testing.sinks import FolderSink
from weir.testing.sources import ScriptedSource, crash_when

EVEN = [2, 4, Checkpoint(), 6, Crash(), 8, Wait("10ms"), 10, Checkpoint(), 12, Crash("kill"), 14, Eof(), 16]
ODD = [1, 3, Crash("exit"), 5, Checkpoint(), 7, 9]
ROWS = sorted(item for item in [*EVEN[:-1], *ODD] if isinstance(item, int))


class Nth(KeyedProcessFunction):
    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value, ctx):
        self.seen.update((self.seen.value() or 0) + 1)
        yield value, self.seen.value()


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    folder, two_phase = args
    rows = env.from_source(ScriptedSource(EVEN, ODD, markers=f"{folder}/source"), name="rows").uid("rows")
    step = rows.map(crash_when(lambda row: row == 7, f"{folder}/step")).uid("step")
    counted = step.key_by(lambda row: row % 2).process(Nth()).uid("count")
    counted.sink_to(FolderSink(f"{folder}/out", two_phase=two_phase == "True")).uid("out")
