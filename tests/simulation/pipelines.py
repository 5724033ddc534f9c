"""The jobs of the simulation: each a graph over generated input, and a plain computation of what must come out.

``faults`` says in words what is wrong with committed output. Under at-least-once only what is lost counts.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tests.simulation.functions import (
    ODD,
    RULES,
    Batches,
    Count,
    Join,
    Passing,
    Ruled,
    Sides,
    Windows,
    total,
)
from tests.simulation.ledger import LedgerSink
from tests.simulation.rows import Input, Row, make_input
from weir import DataStream, StreamExecutionEnvironment
from weir.operators.job_code import JobCode

Outputs = dict[str, list[Any]]


class Shape:
    """What does not change a job's meaning: parallelism and chaining of its operators."""

    def __init__(self, seed: str, most: int, *, padding: int = 0) -> None:
        self.seed = seed
        self.most = most
        self.padding = padding

    @property
    def args(self) -> tuple[str, ...]:
        """The shape as a job's arguments; ``Shape.of_args`` is the way back."""
        return self.seed, str(self.most), str(self.padding)

    @staticmethod
    def of_args(args: Sequence[str]) -> Shape:
        seed, most, padding = args
        return Shape(seed, int(most), padding=int(padding))

    def of(self, operator: str, stream: Any) -> Any:
        """Name the operator and give it its shape; alike in every process."""
        chance = random.Random(f"{self.seed}/{operator}")
        stream.uid(operator).name(operator).set_parallelism(chance.randint(1, self.most))
        if chance.random() < 0.25:
            stream.disable_chaining()
        return stream

    def spread(self, operator: str, stream: DataStream[Any]) -> DataStream[Any]:
        """Perhaps another partitioning before ``operator``."""
        chance = random.Random(f"{self.seed}/{operator}/spread")
        kind = chance.choice(["", "", "rebalance", "rescale", "shuffle", "global_"])
        return getattr(stream, kind)() if kind else stream


class Pipeline(ABC):
    """A job over some inputs."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self.inputs = inputs

    @property
    def name(self) -> str:
        return type(self).__name__.lower()

    def load(self, shape: Shape) -> JobCode:
        """The job as a process loads it."""
        env = StreamExecutionEnvironment()
        self.build(env, shape)
        return env.job_code(self.name)

    @abstractmethod
    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None: ...

    @abstractmethod
    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]: ...

    # ---- building

    def source(self, env: StreamExecutionEnvironment, shape: Shape, number: int = 0) -> DataStream[Row]:
        given = self.inputs[number]
        return shape.of(
            f"source-{number}", env.from_source(given.source(), given.strategy(), name=f"source-{number}")
        )

    def passing(self, shape: Shape, stream: DataStream[Row], name: str = "passing") -> DataStream[Row]:
        return shape.of(name, shape.spread(name, stream).map(Passing()))

    def sink(self, shape: Shape, stream: DataStream[Any], name: str = "out") -> None:
        shape.of(name, stream.sink_to(LedgerSink(name)))

    @property
    def rows(self) -> list[Row]:
        return [row for given in self.inputs for row in given.rows]


def compare(what: str, found: Iterable[Any], wanted: Iterable[Any], *, exactly_once: bool) -> list[str]:
    have, want = Counter(found), Counter(wanted)
    faults = []
    if lost := sorted((want - have).elements()):
        faults.append(f"{what} lost: {len(lost)}, such as {lost[:5]}")
    extra = sorted((have - want).elements())
    if invented := [item for item in extra if item not in want]:
        faults.append(f"{what} invented: {invented[:5]}")
    elif extra and exactly_once:
        faults.append(f"{what} doubled: {len(extra)}, such as {extra[:5]}")
    return faults


def order_faults(counted: Iterable[tuple[int, int, int, int]]) -> list[str]:
    """Of (number, key, nth, split): nth is 1 to n for each key, and grows with the numbers of a split."""
    by_key = defaultdict(list)
    for number, key, nth, split in counted:
        by_key[key].append((nth, split, number))
    faults = []
    for key, found in by_key.items():
        found.sort()
        if [nth for nth, _, _ in found] != list(range(1, len(found) + 1)):
            faults.append(f"key {key}: counts are {[nth for nth, _, _ in found]}")
        last: dict[int, int] = {}
        for _, split, number in found:
            if number <= last.get(split, -1):
                faults.append(f"key {key}: row {number} of split {split} came out of order")
            last[split] = number
    return faults


class Counting(Pipeline):
    """source - map - flat_map - key_by - count - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        rows = self.passing(shape, self.source(env, shape))
        doubled = shape.of("twice", rows.flat_map(lambda row: [row, None]))
        kept = shape.of("kept", doubled.filter(lambda row: row is not None))
        counted = shape.of("count", kept.key_by(lambda row: row.key).process(Count(shape.padding)))
        self.sink(shape, counted)

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        out = outputs["out"]
        faults = compare(
            "row",
            [(number, key, split) for number, key, _, split in out],
            [(row.number, row.key, row.split) for row in self.rows],
            exactly_once=exactly_once,
        )
        ordered = not self.reorders(shape)
        return faults or (order_faults(out) if exactly_once and ordered else [])

    def reorders(self, shape: Shape) -> bool:
        """Whether rows of one split may take several ways before they meet."""
        chance = random.Random(f"{shape.seed}/passing/spread")
        return chance.choice(["", "", "rebalance", "rescale", "shuffle", "global_"]) != "" or len(
            {random.Random(f"{shape.seed}/{name}").randint(1, shape.most) for name in _COUNTING_CHAIN}
        ) > 1


_COUNTING_CHAIN = ("source-0", "passing", "twice", "kept")


class EventTime(Pipeline):
    """source - key_by - windows by timers - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        rows = self.source(env, shape)
        self.sink(shape, shape.of("windows", rows.key_by(lambda row: row.key).process(Windows())))

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        found = [(key, end, number) for key, end, numbers in outputs["out"] for number in numbers]
        wanted = [(row.key, row.time - row.time % 1000 + 1000, row.number) for row in self.rows]
        faults = compare("row of a window", found, wanted, exactly_once=exactly_once)
        if exactly_once and all(given.whole_from_the_start for given in self.inputs):
            times = Counter((key, end) for key, end, _ in outputs["out"])
            if again := [window for window, n in times.items() if n > 1]:
                faults.append(f"windows that fired before they were complete: {again[:5]}")
        return faults


class ProcessingTime(Pipeline):
    """two sources - union - key_by - batches by timers - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        both = self.source(env, shape, 0).union(self.source(env, shape, 1))
        self.sink(shape, shape.of("batches", both.key_by(lambda row: row.key).process(Batches())))

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        found = [(key, number) for key, numbers in outputs["out"] for number in numbers]
        wanted = [(row.key, row.number) for row in self.rows]
        return compare("row of a batch", found, wanted, exactly_once=exactly_once)


class TwoOutputs(Pipeline):
    """union of two - key_by - process with a side output - two sinks."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        both = self.passing(shape, self.source(env, shape, 0), "left").union(self.source(env, shape, 1))
        sides = shape.of("sides", both.key_by(lambda row: row.key).process(Sides()))
        odd = sides.get_side_output(ODD)
        self.sink(shape, sides, "even")
        self.sink(shape, shape.of("tagged", odd.map(lambda row: row)), "odd")

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        faults = []
        for name, rest in (("even", 0), ("odd", 1)):
            found = [(number, key) for number, key, _, _ in outputs[name]]
            wanted = [(row.number, row.key) for row in self.rows if row.number % 2 == rest]
            faults += compare(f"{name} row", found, wanted, exactly_once=exactly_once)
        return faults


class Joining(Pipeline):
    """two sources - connect by key - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        left = self.source(env, shape, 0).key_by(lambda row: row.key)
        right = self.passing(shape, self.source(env, shape, 1), "right").key_by(lambda row: row.key)
        self.sink(shape, shape.of("join", left.connect(right).process(Join())))

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        left, right = self.inputs[0].rows, self.inputs[1].rows
        wanted = [(a.number, b.number) for a in left for b in right if a.key == b.key]
        return compare("pair", outputs["out"], wanted, exactly_once=exactly_once)


class Broadcasting(Pipeline):
    """a keyed stream beside a broadcast one - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        rows = self.source(env, shape, 0).key_by(lambda row: row.key)
        rules = self.source(env, shape, 1).broadcast(RULES)
        self.sink(shape, shape.of("ruled", rows.connect(rules).process(Ruled())))

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        out = outputs["out"]
        instances = random.Random(f"{shape.seed}/ruled").randint(1, shape.most)
        faults = compare(
            "row",
            [item[1] for item in out if item[0] == "row"],
            [row.number for row in self.inputs[0].rows],
            exactly_once=exactly_once,
        )
        faults += compare(
            "rule",
            [item[1] for item in out if item[0] == "rule"],
            [row.number for row in self.inputs[1].rows for _ in range(instances)],
            exactly_once=exactly_once,
        )
        return faults


class Reducing(Pipeline):
    """source - key_by - reduce - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        ones = shape.of("ones", self.source(env, shape).map(lambda row: (row.key, 1, row.number)))
        self.sink(shape, shape.of("total", ones.key_by(lambda one: one[0]).reduce(total)))

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        wanted = [(row.key, row.number) for row in self.rows]
        found = [(key, number) for key, _, number in outputs["out"]]
        faults = compare("reduced row", found, wanted, exactly_once=exactly_once)
        per_key = Counter(row.key for row in self.rows)
        sums = [(key, so_far) for key, so_far, _ in outputs["out"]]
        counts = [(key, n) for key, most in per_key.items() for n in range(1, most + 1)]
        return faults or (compare("running total", sums, counts, exactly_once=True) if exactly_once else [])


#: Each with its number of inputs and the most rows of one.
KINDS: tuple[tuple[type[Pipeline], int, int], ...] = (
    (Counting, 1, 150),
    (EventTime, 1, 150),
    (ProcessingTime, 2, 80),
    (TwoOutputs, 2, 80),
    (Joining, 2, 30),
    (Broadcasting, 2, 50),
    (Reducing, 1, 150),
)


def make_pipeline(chance: random.Random) -> Pipeline:
    kind, inputs, most = chance.choice(KINDS)
    return kind([make_input(chance, 1_000 * (i + 1), most) for i in range(inputs)])
