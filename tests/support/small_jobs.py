"""Small jobs, each for one thing that a test shows with real processes; arguments are ``name=value``."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.support.reference_job import Delegating, GatedReader
from weir import (
    DataGeneratorSource,
    FileSink,
    KeyedProcessFunction,
    MapFunction,
    ProcessFunction,
    ReaderContext,
    Sink,
    SplitReader,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
    Writer,
    WriterContext,
)


def options(arguments: list[str]) -> dict[str, str]:
    return dict(argument.split("=", 1) for argument in arguments)


class Gated(DataGeneratorSource):
    """Numbers that hold at ``limit`` a split until a file exists."""

    def __init__(self, gate: str, limit: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.gate = gate
        self.limit = limit

    def create_reader(self, context: ReaderContext) -> SplitReader:
        return GatedReader(super().create_reader(context), self.gate, self.limit, 0, context.monotonic)


# ---- processing-time timers


class Alarm(KeyedProcessFunction):
    """Each row asks twice for a timer ``delay`` milliseconds after its key's first row, and for one right after it."""

    def __init__(self, delay: int) -> None:
        self.delay = delay

    def open(self, ctx):
        self.rows = ctx.get_state(ValueStateDescriptor("rows", int))
        self.due = ctx.get_state(ValueStateDescriptor("due", int))

    def process_element(self, value, ctx):
        self.rows.update((self.rows.value() or 0) + 1)
        timers = ctx.timer_service()
        due = self.due.value() or timers.current_processing_time() + self.delay
        self.due.update(due)
        for at in (due, due, due + 1):
            timers.register_processing_time_timer(at)
        yield {"kind": "row", "k": ctx.get_current_key(), "due": due}

    def on_timer(self, timestamp, ctx):
        now = ctx.timer_service().current_processing_time()
        key = ctx.get_current_key()
        yield {"kind": "timer", "k": key, "at": timestamp, "now": now, "rows": self.rows.value()}


def alarms(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    keys = int(given["keys"])
    source = Gated(given["gate"], keys * 2, generator_fn=lambda i: i, count=keys * 3, num_splits=1)
    rows = env.from_source(source, name="rows").uid("rows").set_parallelism(1)
    fired = rows.key_by(lambda i: f"k{i % keys}").process(Alarm(int(given["delay"]))).uid("alarm")
    fired.sink_to(FileSink.for_json_lines(given["out"])).uid("out")


# ---- functions that misbehave, at one row


class Misbehaving(MapFunction):
    def __init__(self, how: str, at: int, marker: str) -> None:
        self.how = how
        self.at = at
        self.marker = marker

    def map(self, value):
        if value == self.at:
            MISBEHAVIOUR[self.how](self.marker)
        return value


def raise_error(_marker: str) -> None:
    raise ValueError("this row is bad")  # the line that messages must name


def hang(_marker: str) -> None:
    while True:
        time.sleep(0.01)


def hang_in_native_code(_marker: str) -> None:
    while True:
        ctypes.PyDLL(None).sleep(600)  # holds the GIL; a signal ends it early


def os_exit(_marker: str) -> None:
    os._exit(7)


def sys_exit(_marker: str) -> None:
    sys.exit("I end the program")


def segfault(_marker: str) -> None:
    ctypes.string_at(0)


def abort(_marker: str) -> None:
    os.abort()


def exhaust_recursion(marker: str) -> None:
    exhaust_recursion(marker)


def leave_a_child_and_fail(marker: str) -> None:
    """A child that would live on for minutes, and a failure after it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(marker, "w") as note:
        note.write(str(child.pid))
    raise ValueError("this row is bad")


def fork_and_fail(marker: str) -> None:
    """A forked copy of the worker that goes on, and a failure after it."""
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(0.1)
    with open(marker, "w") as note:
        note.write(str(pid))
    raise ValueError("this row is bad")


MISBEHAVIOUR: dict[str, Callable[[str], None]] = {
    "raise": raise_error,
    "hang": hang,
    "hang-native": hang_in_native_code,
    "os._exit": os_exit,
    "sys.exit": sys_exit,
    "segfault": segfault,
    "abort": abort,
    "recursion": exhaust_recursion,
    "child": leave_a_child_and_fail,
    "fork": fork_and_fail,
}


def misbehaving(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    source = DataGeneratorSource(lambda i: i, count=20_000, rows_per_second=10_000)
    rows = env.from_source(source, name="rows").uid("rows").set_parallelism(1)
    function = Misbehaving(given["how"], int(given.get("at", "6000")), given.get("marker", ""))
    mapped = rows.map(function).name("Bad").uid("bad").set_parallelism(1)
    mapped.sink_to(FileSink.for_json_lines(given["out"])).uid("out").set_parallelism(1)


# ---- state where there is none


class Stateful(ProcessFunction):
    def open(self, ctx):
        self.count = ctx.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value, ctx):
        yield value


class StateOutsideOpen(KeyedProcessFunction):
    def open(self, ctx):
        self.ctx = ctx

    def process_element(self, value, ctx):
        yield self.ctx.get_state(ValueStateDescriptor("count", int)).value()


class TwiceTheSameName(KeyedProcessFunction):
    def open(self, ctx):
        self.first = ctx.get_state(ValueStateDescriptor("count", int))
        self.second = ctx.get_state(ValueStateDescriptor("count", str))

    def process_element(self, value, ctx):
        yield value


def plain_function_with_a_context(value, ctx):
    return ctx.get_state(ValueStateDescriptor("count", int))


def wrong_state(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    rows = env.from_source(DataGeneratorSource(lambda i: i, count=1000), name="rows").uid("rows")
    by_key = rows.key_by(lambda i: i % 7)
    how = given["how"]
    if how == "not-keyed":
        results = rows.process(Stateful())
    elif how == "keyed-function-without-key":
        results = rows.process(TwiceTheSameName())
    elif how == "plain-function":
        results = by_key.process(plain_function_with_a_context)
    elif how == "duplicate-name":
        results = by_key.process(TwiceTheSameName())
    else:
        results = by_key.process(StateOutsideOpen())
    results.uid("state").sink_to(FileSink.for_json_lines(given["out"])).uid("out")


# ---- load


def shuffled(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    """Endless rows through two exchanges between all subtasks, as fast as they go; one of a thousand is written."""
    given = options(arguments)
    rows = env.from_source(DataGeneratorSource(lambda i: i), name="rows").uid("rows")
    first = rows.key_by(lambda i: i % 1009).map(lambda i: i + 1).uid("first")
    second = first.key_by(lambda i: i % 10_007).map(lambda i: i - 1).uid("second")
    second.filter(lambda i: i % 1000 == 0).uid("few").sink_to(FileSink.for_json_lines(given["out"])).uid(
        "out"
    )


def wide(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    """Records of ``size`` bytes through an exchange."""
    given = options(arguments)
    size, count = int(given["size"]), int(given["count"])
    source = DataGeneratorSource(lambda i: {"i": i, "text": chr(97 + i % 26) * size}, count=count)
    rows = env.from_source(source, name="rows").uid("rows")
    measured = rows.key_by(lambda row: row["i"]).map(
        lambda row: {"i": row["i"], "size": len(row["text"]), "letters": sorted(set(row["text"]))}
    )
    measured.uid("measure").sink_to(FileSink.for_json_lines(given["out"])).uid("out")


class Valve(Sink):
    """Takes rows only while a file exists, and slowly; writes down how many it took, and keeps none."""

    def __init__(self, valve: str, note: str) -> None:
        self.valve = valve
        self.note = note

    @property
    def committable_type(self):
        return None

    def create_writer(self, context: WriterContext) -> Writer:
        return ValveWriter(self.valve, f"{self.note}-{context.subtask_index}")


class ValveWriter(Writer):
    def __init__(self, valve: str, note: str) -> None:
        self.valve = valve
        self.note = Note(note)

    def write(self, values, timestamps):
        while not os.path.exists(self.valve):
            time.sleep(0.01)
        time.sleep(0.01)
        self.note.add(len(values))

    def prepare_commit(self):
        return []


class Note:
    """A number in a file, replaced as a whole."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.number = 0

    def add(self, more: int) -> None:
        self.number += more
        with open(self.path + ".new", "w") as file:
            file.write(str(self.number))
        os.replace(self.path + ".new", self.path)


class CountingReader(Delegating):
    """Writes down how many rows it has handed out."""

    def __init__(self, reader: SplitReader, note: str) -> None:
        super().__init__(reader)
        self.note = Note(note)

    def fetch(self, max_rows):
        fetched = self.reader.fetch(max_rows)
        if fetched is not None:
            self.note.add(len(fetched.values))
        return fetched


class Counted(DataGeneratorSource):
    def __init__(self, note: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.note = note

    def create_reader(self, context: ReaderContext) -> SplitReader:
        return CountingReader(super().create_reader(context), self.note)


def dammed(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    """An endless source in a worker of its own, before a sink that can be shut."""
    given = options(arguments)
    source = Counted(given["read"], generator_fn=lambda i: f"{i:0100}", num_splits=1)
    rows = env.from_source(source, name="rows").uid("rows").set_parallelism(1)
    same = rows.slot_sharing_group("source").key_by(lambda row: row[-2:]).map(lambda row: row).uid("same")
    same.slot_sharing_group("default").sink_to(Valve(given["valve"], given["written"])).uid("out")
