"""Jobs with one fault each, as users make them. A comment ``# <- name`` marks the line that a message must begin with.

Loaded by real workers (``bad_jobs:name``), with this file's folder on their path.
"""

from __future__ import annotations

import itertools
import os
import sys
import time

from weir import (
    CollectionSource,
    DataGeneratorSource,
    FileSink,
    FileSource,
    KeyedProcessFunction,
    ProcessFunction,
    ValueStateDescriptor,
)

COUNT = ValueStateDescriptor("count", int)

# ---- found while the job is loaded or planned


def build_raises(env):
    settings = {"region": "eu"}
    env.from_collection([settings["regoin"]]).print()  # <- build_raises


def build_exits(env):
    os._exit(5)


def build_hangs(env):
    time.sleep(60)


def duplicate_uid(env):
    stream = env.from_collection([1]).uid("numbers")
    stream.map(abs).uid("numbers").print()  # <- duplicate_uid


def too_parallel(env):
    env.from_collection([1]).map(abs).set_parallelism(300).print()  # <- too_parallel


def keyed_function_without_key(env):
    env.from_collection([1]).process(Counting()).print()  # <- keyed_function_without_key


class Feed(CollectionSource):
    replayable = False


def not_replayable(env):
    env.from_source(Feed([1]), name="feed").print()  # <- not_replayable


def reads_its_output(env, args):
    lines = env.from_source(FileSource.for_text_lines(args[0]))
    lines.sink_to(FileSink.for_text_lines(args[1]))  # <- reads_its_output


# ---- found when operators are opened


class Counting(KeyedProcessFunction):
    def open(self, ctx):
        self.count = ctx.get_state(COUNT)

    def process_element(self, value, ctx):
        self.count.update((self.count.value() or 0) + 1)
        yield value, self.count.value()


class Unkeyed(ProcessFunction):
    def open(self, ctx):
        self.count = ctx.get_state(COUNT)  # <- state_without_key

    def process_element(self, value, ctx):
        yield value


def state_without_key(env):
    env.from_collection([1]).process(Unkeyed()).print()


class Early(KeyedProcessFunction):
    def open(self, ctx):
        ctx.get_state(COUNT).update(1)  # <- state_used_in_open

    def process_element(self, value, ctx):
        yield value


def state_used_in_open(env):
    env.from_collection([1]).key_by(abs).process(Early()).print()


class Late(KeyedProcessFunction):
    def open(self, ctx):
        self.ctx = ctx

    def process_element(self, value, ctx):
        self.ctx.get_state(COUNT)  # <- state_asked_for_late
        yield value


def state_asked_for_late(env):
    env.from_collection([1]).key_by(abs).process(Late()).print()


class OneParameter(KeyedProcessFunction):
    def process_element(self, value):  # <- wrong_parameters
        yield value


def wrong_parameters(env):
    env.from_collection([1]).key_by(abs).process(OneParameter()).print()


def missing_input(env, args):
    env.from_source(FileSource.for_text_lines(args[0])).print()  # <- missing_input


def no_file_matches(env, args):
    env.from_source(FileSource.for_csv(args[0])).print()  # <- no_file_matches


def target_not_writable(env, args):
    env.from_collection([1]).sink_to(FileSink.for_json_lines(args[0]))  # <- target_not_writable


# ---- found while records are processed


def broken_csv(env, args):
    env.from_source(FileSource.for_csv(args[0])).print()  # <- broken_csv


def broken_json(env, args):
    env.from_source(FileSource.for_json_lines(args[0])).print()  # <- broken_json


def function_raises(env):
    ratio = lambda number: 6 // number  # <- function_raises
    env.from_collection([3, 2, 0]).map(ratio).print()


def builtin_raises(env):
    env.from_collection(["1", "two"]).map(int).print()  # <- builtin_raises


def returns_no_iterable(env):
    double = lambda number: number * 2  # <- returns_no_iterable
    env.from_collection([21]).flat_map(double).print()


def key_without_hash(env):
    env.from_collection([1]).key_by(lambda n: [n]).process(Counting()).print()  # <- key_without_hash


class WrongType(Counting):
    def process_element(self, value, ctx):
        self.count.update("many")
        yield value


def state_of_another_type(env):
    env.from_collection([7]).key_by(abs).process(WrongType()).print()  # <- state_of_another_type


def no_json_value(env, args):
    env.from_collection([object()]).sink_to(FileSink.for_json_lines(args[0]))  # <- no_json_value


def sleep_for_ever(value):
    time.sleep(600)  # <- hangs


def hangs(env):
    env.from_collection([1]).map(sleep_for_ever).print()


def spin(value):
    # On one line, since a stack may be taken anywhere in it.
    return any(value < 0 for _ in itertools.count())  # <- spins


def spins(env):
    env.from_collection([1]).map(spin).print()


def leave(value):
    os._exit(3)  # <- exits


def exits(env):
    env.from_collection([1]).map(leave).print()


def leave_politely(value):
    sys.exit("enough")  # <- exits_by_sys


def exits_by_sys(env):
    env.from_collection([1]).map(leave_politely).print()


KEPT = []


def keep(value):
    KEPT.append(bytearray(64 << 20))  # <- leaks
    return value


def leaks(env):
    env.from_collection(range(100_000)).map(keep).print()


# ---- nothing wrong


def counts(env, args):
    """Endless counting to the folder ``args[0]``; ``args[1]`` rows if given."""
    rows = int(args[1]) if len(args) > 1 else None
    numbers = DataGeneratorSource(lambda i: i, rows, rows_per_second=2000, num_splits=1)
    keyed = env.from_source(numbers).uid("numbers").key_by(lambda n: n % 7)
    keyed.process(Counting()).uid("count").sink_to(FileSink.for_json_lines(args[0])).uid("out")
