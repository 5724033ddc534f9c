"""The job of which ``tests/fixtures/kept_in_flight`` has, for each format, an unaligned checkpoint with rows on their way.

Every later Weir must go on from each of them, so names, uids and types stay. ``python -m tests.support.kept_in_flight FOLDER`` writes what is to be kept of
this Weir. Arguments are ``name=value``: ``out``, ``gate`` and ``slow``, files that open the sources and slow the counter.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.support.kept_job import AT_THE_END, KEY
from tests.support.pressed_job import press
from tests.support.processes import ROOT
from tests.support.small_jobs import Gated, options
from tests.support.waiting import wait_for
from weir import FileSink, KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor
from weir.checkpoint.store import load
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec

ROWS, SPLITS, LIMIT, KEYS = 2000, 4, 300, 11
#: Bytes on their way that are worth keeping.
ENOUGH = 4000


@dataclasses.dataclass
class Reading:
    """A row that is written field by field."""

    number: int
    text: str


def row(number: int) -> Any:
    """Rows of each kind that a checkpoint writes in its own way: tuples, dicts, instances, and what has to be pickled."""
    match number % 4:
        case 0:
            return number, f"tuple {number}", number / 2, None
        case 1:
            return {"number": number, "parts": [number, str(number)]}
        case 2:
            return Reading(number, f"reading {number}")
    return Fraction(number)


def number_of(value: Any) -> int:
    """The number of a row that is still all of what it was."""
    match value:
        case (number, *_) | {"number": number} | Reading(number):
            pass
        case _:
            number = int(value)
    assert value == row(number), f"{value!r} was {row(number)!r}"
    return number


class Summing(KeyedProcessFunction):
    """Tells at the end how many rows a key had, and their sum."""

    def __init__(self, slow: str) -> None:
        self.slow = Path(slow)

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", tuple[int, int]))

    def process_element(self, value, ctx):
        press(self.slow, 0.01)
        count, total = self.seen.value() or (0, 0)
        self.seen.update((count + 1, total + number_of(value)))
        ctx.timer_service().register_event_time_timer(AT_THE_END)
        return ()

    def on_timer(self, timestamp, ctx):
        count, total = self.seen.value()
        yield {"k": ctx.get_current_key(), "count": count, "total": total}


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    numbers = Gated(given["gate"], LIMIT, generator_fn=lambda i: i, count=ROWS, num_splits=SPLITS)
    rows = env.from_source(numbers, name="numbers").uid("numbers").map(row).uid("rows")
    sums = rows.key_by(lambda value: number_of(value) % KEYS).process(Summing(given["slow"])).uid("sums")
    sums.sink_to(FileSink.for_json_lines(given["out"])).uid("out")


def expected() -> list[dict[str, int]]:
    """What the keys tell."""
    return [
        {"k": key, "count": len(range(key, ROWS, KEYS)), "total": sum(range(key, ROWS, KEYS))}
        for key in range(KEYS)
    ]


def spec(folder: Path, parallelism: int = 2, restore_from: str | None = None) -> JobSpec:
    """The job with its files in ``folder``."""
    key = folder / "key"
    key.write_bytes(KEY)
    return JobSpec(
        name="kept-in-flight",
        entrypoint="tests.support.kept_in_flight:build",
        args=tuple(f"{name}={folder / name}" for name in ("out", "gate", "slow")),
        python_path=(str(ROOT),),
        parallelism=parallelism,
        overrides={
            "execution.checkpointing.interval": "200ms",
            "execution.checkpointing.unaligned.enabled": "true",
            "execution.checkpointing.num-retained": "100",
            "state.pickle.key-file": str(key),
        },
        checkpoint_storage=f"file://{folder}/checkpoints",
        restore_from=restore_from,
    )


def write(kept: Path) -> None:
    """Leave in the new folder ``kept`` an unaligned checkpoint."""
    with tempfile.TemporaryDirectory() as scratch, LocalCluster() as cluster:
        folder = Path(scratch)
        (folder / "slow").touch()
        job = cluster.submit(spec(folder))

        def worth_keeping() -> str:
            last = cluster.status(job).checkpoints.last
            path = None if last is None else last.path
            return path if path and in_flight(path) >= ENOUGH else ""

        found = wait_for(worth_keeping, "a checkpoint has rows on their way")
        shutil.copytree(found.removeprefix("file://"), kept)
        cluster.cancel(job)


def in_flight(uri: str) -> int:
    """Bytes of a checkpoint that were on their way."""
    return sum(operator.in_flight for operator in load(uri).metadata.operators)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
