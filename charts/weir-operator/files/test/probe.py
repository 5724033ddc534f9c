"""The job of ``helm test``: numbers, added up by their last digit, with state that checkpoints hold."""

from weir import DataGeneratorSource, StreamExecutionEnvironment


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """Numbers from 0 on, a hundred a second; the sums go nowhere."""
    numbers = env.from_source(DataGeneratorSource(lambda n: n, rows_per_second=100), name="numbers").uid(
        "numbers"
    )
    sums = numbers.key_by(lambda n: n % 10).reduce(lambda a, b: a + b).uid("sums")
    sums.filter(lambda _: False).uid("none").print()
