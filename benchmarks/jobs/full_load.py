"""Full load through a ``key_by``: a generator as fast as it goes, a keyed count, a second exchange, a counting sink."""

from __future__ import annotations

from typing import Any, NoReturn

from weir import (
    DataGeneratorSource,
    KeyedProcessFunction,
    Sink,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
    Writer,
    WriterContext,
)


class Count(KeyedProcessFunction[int, int, tuple[int, int]]):
    def open(self, runtime_context: Any) -> None:
        self.seen = runtime_context.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value: int, ctx: Any) -> Any:
        seen = (self.seen.value() or 0) + 1
        self.seen.update(seen)
        yield value % 97, seen


class _Nowhere(Writer[Any, NoReturn]):
    def write(self, values: list[Any], timestamps: list[int] | None) -> None:
        """Taken."""

    def prepare_commit(self) -> list[NoReturn]:
        return []


class Nowhere(Sink[Any, NoReturn]):
    transactional = False

    @property
    def committable_type(self) -> None:
        return None

    def create_writer(self, context: WriterContext) -> _Nowhere:
        return _Nowhere()


def build(env: StreamExecutionEnvironment) -> None:
    numbers = env.from_source(DataGeneratorSource(lambda i: i)).uid("numbers")
    counted = numbers.key_by(lambda n: n % 10_007).process(Count()).uid("count")
    counted.key_by(lambda pair: pair[0]).map(lambda pair: pair[1]).uid("again").sink_to(Nowhere()).uid("out")
