"""The job of which ``tests/fixtures/kept`` has, for each release, a savepoint and the folder of the suspended job.

Its state is of every kind there is. Every later Weir must go on from each of them, so nothing here may change what an operator
finds: names, uids, types and keys stay; new kinds of state get operators of their own. ``python -m tests.support.kept_job
FOLDER`` writes what is to be kept of this Weir: those two, and a native savepoint of each state backend.
Arguments are ``name=value``: ``out``, ``gate``, and ``keys=number`` after a migration.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT
from tests.support.small_jobs import Gated, options
from tests.support.waiting import wait_for
from weir import (
    AggregateFunction,
    AggregatingStateDescriptor,
    BroadcastProcessFunction,
    DataGeneratorSource,
    FileSink,
    KeyedProcessFunction,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.serde import PickleSerializer

ROWS, KEYS, RULE_COUNT, LIMIT = 3000, 24, 8, 300
BACKENDS = ("Memory", "FileSystem", "RocksDB")
#: Rows are a millisecond apart; what fires at the end of the input only, and what never fires.
AT_THE_END, NEVER = 10**9, 4 * 10**12
#: So much that a subtask's state is a file of its own.
BALLAST = 2000
GROUPS_OF_NUMBERS = 50
KEY = b"a key for tests, 32 bytes and more"
RULES = MapStateDescriptor("rules", int, str)


@dataclasses.dataclass
class Last:
    """A typed value."""

    number: int
    text: str
    parts: list[float]


class Mean(AggregateFunction):
    def create_accumulator(self):
        return (0, 0)

    def add(self, value, accumulator):
        return accumulator[0] + value, accumulator[1] + 1

    def get_result(self, accumulator):
        return accumulator[0] / accumulator[1]

    def merge(self, a, b):
        return a[0] + b[0], a[1] + b[1]


class Ruled(BroadcastProcessFunction):
    """A list, a union list and a broadcast map; what was found of them goes with the first row after the start."""

    def open(self, ctx):
        self.rows = ctx.get_operator_list_state(ListStateDescriptor("rows", int))
        self.names = ctx.get_operator_union_list_state(ListStateDescriptor("names", str))
        self.found = {"rows": list(self.rows.get()), "names": sorted(self.names.get())}
        self.name = f"{ctx.get_number_of_parallel_subtasks()}-{ctx.get_index_of_this_subtask()}"
        self.names.update([self.name])
        self.told = False

    def process_element(self, value, ctx):
        if not self.told:
            self.told = True
            rules = {str(key): rule for key, rule in ctx.get_broadcast_state(RULES).items()}
            yield {"kind": "found", "by": self.name, **self.found, "rules": rules, "v": None}
        self.rows.add(value)
        yield {"kind": "row", "v": value}

    def process_broadcast_element(self, value, ctx):
        ctx.get_broadcast_state(RULES).put(value, f"rule {value}")
        return ()


class Keeping(KeyedProcessFunction):
    """Every kind of keyed state; tells all of it when its event-time timer fires, at the end."""

    def open(self, ctx):
        self.count = ctx.get_state(ValueStateDescriptor("count", int))
        self.last = ctx.get_state(ValueStateDescriptor("last", Last))
        self.ballast = ctx.get_state(ValueStateDescriptor("ballast", str))
        self.pickled = ctx.get_state(ValueStateDescriptor("pickled", PickleSerializer(unsigned=True)))
        self.seen = ctx.get_list_state(ListStateDescriptor("seen", int))
        self.by_digit = ctx.get_map_state(MapStateDescriptor("by-digit", str, int | None))
        self.largest = ctx.get_reducing_state(ReducingStateDescriptor("largest", max, int))
        self.mean = ctx.get_aggregating_state(AggregatingStateDescriptor("mean", Mean(), tuple[int, int]))

    def process_element(self, row, ctx):
        value = row["v"]
        if value is None:
            yield row
            return
        if self.count.value() is None:
            ctx.timer_service().register_event_time_timer(AT_THE_END)
            ctx.timer_service().register_processing_time_timer(NEVER)
            self.ballast.update(chr(ord("a") + value % KEYS) * BALLAST)
            self.by_digit.put("none", None)
        self.count.update((self.count.value() or 0) + 1)
        self.last.update(Last(value, str(value), [value / 2]))
        self.pickled.update({value % 7} | (self.pickled.value() or set()))
        self.seen.add(value)
        digit = str(value % 10)
        self.by_digit.put(digit, (self.by_digit.get(digit) or 0) + 1)
        self.largest.add(value)
        self.mean.add(value)

    def on_timer(self, timestamp, ctx):
        last = self.last.value()
        yield {
            "kind": "kept",
            "k": ctx.get_current_key(),
            "at": timestamp,
            "count": self.count.value(),
            "last": last.text == str(last.number) and last.parts == [last.number / 2],
            "ballast": self.ballast.value(),
            "pickled": sorted(self.pickled.value()),
            "seen": sorted(self.seen.get()),
            "by_digit": dict(sorted(self.by_digit.items())),
            "largest": self.largest.get(),
            "mean": self.mean.get(),
        }


def by_key(row: dict[str, Any]) -> str:
    return f"key {(row['v'] or 0) % KEYS}"


def by_number(row: dict[str, Any]) -> int:
    """As ``by_key``, for a job that goes on after its keys were migrated."""
    return (row["v"] or 0) % KEYS


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    numbers = Gated(
        given["gate"],
        LIMIT,
        generator_fn=lambda i: i,
        timestamp_fn=lambda i: i,
        count=ROWS,
        num_splits=4,
    )
    times = WatermarkStrategy.for_monotonous_timestamps()
    # The rules say nothing about time, so they must not hold it back.
    always = times.with_timestamp_assigner(lambda _value, _time: 2**62)
    rows = env.from_source(numbers, times, "numbers").uid("numbers")
    rules = env.from_source(DataGeneratorSource(lambda i: i, count=RULE_COUNT), always, "rules").uid("rules")
    ruled = rows.connect(rules.broadcast(RULES)).process(Ruled()).uid("ruled")
    if given.get("keys") == "number":
        kept = ruled.key_by(by_number).process(Keeping()).uid("kept").set_max_parallelism(GROUPS_OF_NUMBERS)
    else:
        kept = ruled.key_by(by_key).process(Keeping()).uid("kept")
    kept.sink_to(FileSink.for_json_lines(given["out"])).uid("out")


def expected() -> Iterator[dict[str, Any]]:
    """What each key tells at the end."""
    for key in range(KEYS):
        values = range(key, ROWS, KEYS)
        digits = [str(value % 10) for value in values]
        yield {
            "kind": "kept",
            "k": f"key {key}",
            "at": AT_THE_END,
            "count": len(values),
            "last": True,
            "ballast": chr(ord("a") + key) * BALLAST,
            "pickled": sorted({value % 7 for value in values}),
            "seen": list(values),
            "by_digit": {**{digit: digits.count(digit) for digit in sorted(set(digits))}, "none": None},
            "largest": values[-1],
            "mean": sum(values) / len(values),
        }


def spec(
    folder: Path,
    parallelism: int = 2,
    restore_from: str | None = None,
    interval: str = "100ms",
    backend: str = "FileSystem",
) -> JobSpec:
    """Of format 1 pickles were not signed; what is written now is."""
    key = folder / "key"
    key.write_bytes(KEY)
    return JobSpec(
        name="kept",
        entrypoint="tests.support.kept_job:build",
        args=(f"out={folder}/out", f"gate={folder}/gate"),
        python_path=(str(ROOT),),
        parallelism=parallelism,
        overrides={
            "state.backend.type": backend,
            "execution.checkpointing.interval": interval,
            "state.pickle.key-file": str(key),
        },
        checkpoint_storage=f"file://{folder}/checkpoints",
        restore_from=restore_from,
    )


def write_native(kept: Path) -> None:
    """Leave in ``kept`` a savepoint in the files of each state backend."""
    for backend in BACKENDS:
        with tempfile.TemporaryDirectory() as scratch, LocalCluster(rest="127.0.0.1:0") as cluster:
            folder = Path(scratch)
            job = cluster.submit(spec(folder, interval="1s", backend=backend))
            _wait_held(cluster, job, checkpoints=1)
            command = [
                sys.executable,
                "-m",
                "weir",
                "savepoint",
                job,
                str(folder / "savepoints"),
                "--type",
                "native",
            ]
            command += ["--address", str(cluster.rest_address)]
            path = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            shutil.copytree(path.removeprefix("file://"), kept / native_of(backend))
            cluster.cancel(job)


def _wait_held(cluster: LocalCluster, job: JobId, checkpoints: int) -> None:
    """Until all readers hold and so many checkpoints are complete."""

    def held() -> bool:
        status = cluster.status(job)
        return status.records_in >= 2 * LIMIT and status.checkpoints.completed >= checkpoints

    wait_for(held, f"all readers hold, and {checkpoints} checkpoints are complete")


def native_of(backend: str) -> str:
    """The folder of its native savepoint."""
    return f"native-{backend}"


def write(kept: Path) -> None:
    """Leave in the new folder ``kept`` the checkpoint folder of a suspended job and a savepoint, with nothing to commit."""
    with tempfile.TemporaryDirectory() as scratch, LocalCluster() as cluster:
        folder = Path(scratch)
        job = cluster.submit(spec(folder, interval="1s"))
        _wait_held(cluster, job, checkpoints=4)
        cluster.suspend(job)
        shutil.copytree(folder / "checkpoints", kept / "checkpoints", ignore=shutil.ignore_patterns(".*"))
        cluster.submit(spec(folder))
        wait_for(
            lambda: cluster.status(job).checkpoints.completed, "a checkpoint of the next run is complete"
        )
        path = cluster.savepoint(job, str(folder / "savepoints"))
        shutil.copytree(path.removeprefix("file://"), kept / "savepoint")
        cluster.cancel(job)
    for record in kept.glob("checkpoints/*/fence/*"):
        record.write_text(re.sub(r'"writer":"[^"]*"', '"writer":"whoever-1"', record.read_text()))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    write_native(Path(sys.argv[1]))
