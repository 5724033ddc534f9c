"""A keyed count written exactly once: every number up to a limit, its key, and how often that key came before it."""

from __future__ import annotations

import collections
import json
import os
import sys
import time
from pathlib import Path

from weir import DataGeneratorSource, KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor
from weir.connectors.files import FileSink

KEYS = 10
GATE_POLL_S = 0.02


class Count(KeyedProcessFunction):
    """Counts per key. ``trouble`` (a file that holds a word) makes it misbehave once, at any row."""

    def __init__(self, trouble: str) -> None:
        self.trouble = trouble

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value, ctx):
        if os.path.exists(self.trouble):
            misbehave(self.trouble)
        count = (self.seen.value() or 0) + 1
        self.seen.update(count)
        yield value, ctx.get_current_key(), count


def make_trouble(target: Path, word: str) -> None:
    """From its next row on, whichever subtask is first: "raise", "hang" or "exit", with "always-" before it each time."""
    # Whole at once: a row may look between a file's creation and its first byte.
    written = Path(f"{target}.trouble.new")
    written.write_text(word)
    os.replace(written, f"{target}.trouble")


def misbehave(trouble: str) -> None:
    taken = f"{trouble}.{os.getpid()}"
    try:
        os.rename(trouble, taken)
    except FileNotFoundError:
        return  # another subtask was first
    what = Path(taken).read_text()
    if what.startswith("always-"):
        os.rename(taken, trouble)
        what = what.removeprefix("always-")
    if what == "raise":
        raise ValueError("a row that cannot be counted")
    if what == "hang":
        time.sleep(3600)
    if what == "exit":
        sys.stderr.write("about to exit\n")
        sys.stderr.flush()
        os._exit(3)
    raise AssertionError(f"no trouble is called {what!r}")


class Gated(DataGeneratorSource):
    """Gives the last third of each split's rows only when a file is there, so that a test has time for what it does before."""

    def __init__(self, gate: str, **settings) -> None:
        super().__init__(**settings)
        self.gate = gate

    def create_reader(self, context):
        reader = super().create_reader(context)
        fetch, due = reader.fetch, reader.next_fetch_at

        def held() -> bool:
            far = any(split.position * 3 > split.length * 2 for split in reader.snapshot())
            return far and not os.path.exists(self.gate)

        # Few at once: what is made up for after a stall must not pass the gate.
        reader.fetch = lambda most: None if held() else fetch(min(most, 20))
        reader.next_fetch_at = lambda: context.monotonic() + GATE_POLL_S if held() else due()
        return reader


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """``args``: how many numbers, how many a second, the output, and a file that opens the gate if there is one."""
    count, rate, target = int(args[0]), float(args[1]), args[2]
    settings = {"generator_fn": lambda i: i, "count": count, "rows_per_second": rate}
    source = Gated(args[3], **settings) if args[3:] else DataGeneratorSource(**settings)
    rows = env.from_source(source, name="numbers").uid("numbers")
    counted = rows.key_by(lambda v: v % KEYS).process(Count(f"{target}.trouble")).uid("count")
    counted.sink_to(FileSink.for_json_lines(target)).uid("out")


def faults(target: Path, count: int) -> list[str]:
    """What is wrong with the output, read without Weir."""
    rows = [
        json.loads(line) for part in sorted(target.rglob("part-*")) for line in part.read_text().splitlines()
    ]
    seen = collections.Counter(value for value, _, _ in rows)
    found = [f"{value} is missing" for value in range(count) if not seen[value]]
    found += [f"{value} is there {n} times" for value, n in seen.items() if n > 1]
    by_key = collections.defaultdict(list)
    for _, key, nth in rows:
        by_key[key].append(nth)
    for key, numbers in by_key.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            found.append(f"counts of key {key} are not 1 to {len(numbers)}")
    return found[:10]
