"""Rows of text, some of which are no numbers: those go to a file of dead letters, the others are added up by key.

Arguments: a folder, and who diverts them: ``function`` (it catches what it raises), ``code`` (the operator's ``on_error``) or
``config`` (the setting ``pipeline.on-error``). In the folder: ``gate`` (until it exists rows come slowly, and hold), outputs ``good`` and ``dead``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.reference_job import GatedReader
from weir import (
    DataGeneratorSource,
    DataStream,
    FileSink,
    KeyedProcessFunction,
    OnError,
    OutputTag,
    ReaderContext,
    SplitReader,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)

ROWS, SPLITS, KEYS, RATE = 6000, 2, 13, 600.0
DEAD = OutputTag("dead", dict)


def text_of(number: int) -> str:
    """Every seventh row is poison."""
    return f"poison {number}" if number % 7 == 3 else str(number)


class Rows(DataGeneratorSource):
    def __init__(self, gate: Path) -> None:
        super().__init__(lambda i: {"n": i, "text": text_of(i)}, count=ROWS, num_splits=SPLITS)
        self.gate = str(gate)

    def create_reader(self, context: ReaderContext) -> SplitReader:
        limit = int(ROWS / SPLITS * 0.7)
        rate = RATE / context.parallelism
        return GatedReader(super().create_reader(context), self.gate, limit, rate, context.monotonic)


class Adding(KeyedProcessFunction):
    """The policy: what cannot be read is passed on with the reason, before any state is touched."""

    def open(self, ctx: Any) -> None:
        self.sum = ctx.get_state(ValueStateDescriptor("sum", int))

    def process_element(self, value: Any, ctx: Any) -> Any:
        try:
            number = int(value["text"])
        except ValueError as error:
            ctx.output(DEAD, {**value, "why": str(error)})
            return
        total = (self.sum.value() or 0) + number
        self.sum.update(total)
        yield {"n": value["n"], "k": ctx.get_current_key(), "sum": total}


class Trusting(KeyedProcessFunction):
    """Leaves it to the operator's policy: it raises in the middle of its work, with results, a side output and a state behind it."""

    def open(self, ctx: Any) -> None:
        self.sum = ctx.get_state(ValueStateDescriptor("sum", int))
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value: Any, ctx: Any) -> Any:
        seen = (self.seen.value() or 0) + 1
        self.seen.update(seen)
        ctx.output(DEAD, value)
        if value["n"] % 7 == 3:
            yield {"n": value["n"], "half": "done"}
        total = (self.sum.value() or 0) + int(value["text"])
        self.sum.update(total)
        yield {"n": value["n"], "k": ctx.get_current_key(), "sum": total, "seen": seen}


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    folder, who = Path(arguments[0]), arguments[1]
    rows = env.from_source(Rows(folder / "gate"), name="rows").uid("rows").key_by(lambda row: row["n"] % KEYS)
    if who == "function":
        added = rows.process(Adding()).uid("add")
        dead: DataStream[Any] = added.get_side_output(DEAD)
    else:
        added = rows.process(Trusting()).uid("add")
        if who == "code":
            added.on_error(OnError.DEAD_LETTER)
        dead = added.get_dead_letters()
        added.get_side_output(DEAD).sink_to(FileSink.for_json_lines(str(folder / "side"))).uid("side")
    added.sink_to(FileSink.for_json_lines(str(folder / "good"))).uid("good")
    dead.sink_to(FileSink.for_json_lines(str(folder / "dead"))).uid("dead")
