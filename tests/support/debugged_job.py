"""A job that stops at a breakpoint in a map function and in a keyed process function; run by pdb in tests."""

from __future__ import annotations

from weir import FileSink, KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor


def double(number: int) -> int:
    if number == 50:
        breakpoint()  # noqa: T100  what the test is about
    return number * 2


class Count(KeyedProcessFunction):
    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value, ctx):
        seen = (self.seen.value() or 0) + 1
        self.seen.update(seen)
        if ctx.get_current_key() == 3 and seen == 5:
            breakpoint()  # noqa: T100  what the test is about
        yield {"key": ctx.get_current_key(), "seen": seen}


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    numbers = env.from_collection(list(range(100))).map(double)
    numbers.key_by(lambda n: n // 2 % 5).process(Count()).sink_to(FileSink.for_json_lines(args[0]))


if __name__ == "__main__":
    import sys

    environment = StreamExecutionEnvironment.get_execution_environment()
    build(environment, sys.argv[1:])
    environment.execute("debugged")
