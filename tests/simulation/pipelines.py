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
from tests.simulation.ledger import FILES, LedgerSink
from tests.simulation.rows import Input, Row, make_input
from weir import DataStream, FileSink, StreamExecutionEnvironment
from weir.operators.job_code import JobCode

#: Committed rows by sink.
Outputs = dict[str, list[Any]]
#: What is counted, by what it is called in messages.
Items = dict[str, list[Any]]
#: Begins the seed of a uniform shape.
UNIFORM = "uniform:"


class Shape:
    """What does not change a job's meaning: parallelism and chaining of its operators."""

    def __init__(self, seed: str, most: int, *, padding: int = 0, files: bool = False) -> None:
        self.seed = seed
        self.most = most
        #: Bytes of state that a key holds for nothing.
        self.padding = padding
        #: Output goes to the file sink.
        self.files = files
        #: Operators have the job's parallelism, which may change while it runs, and none of their own.
        self.uniform = seed.startswith(UNIFORM)

    @property
    def args(self) -> tuple[str, ...]:
        """The shape as a job's arguments; ``Shape.of_args`` is the way back."""
        return self.seed, str(self.most), str(self.padding), str(int(self.files))

    @staticmethod
    def of_args(args: Sequence[str]) -> Shape:
        seed, most, padding, files = args
        return Shape(seed, int(most), padding=int(padding), files=files == "1")

    def of(self, operator: str, stream: Any) -> Any:
        """Name the operator and give it its shape; alike in every process."""
        stream.uid(operator).name(operator)
        if not self.uniform:
            stream.set_parallelism(self.parallelism(operator))
        if random.Random(f"{self.seed}/{operator}/chaining").random() < 0.25:
            stream.disable_chaining()
        return stream

    def parallelism(self, operator: str) -> int:
        return random.Random(f"{self.seed}/{operator}").randint(1, self.most)

    def spread(self, operator: str, stream: DataStream[Any]) -> DataStream[Any]:
        """Perhaps another partitioning before ``operator``."""
        kind = self.spreads(operator)
        return getattr(stream, kind)() if kind else stream

    def spreads(self, operator: str) -> str:
        """The call that spreads the operator's input; empty: none."""
        chance = random.Random(f"{self.seed}/{operator}/spread")
        return chance.choice(["", "", "rebalance", "rescale", "shuffle", "global_"])


class Pipeline(ABC):
    """A job over some inputs. ``found`` and ``wanted`` give the same things by the same names."""

    can_be_rescaled = True

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
    def wanted(self, shape: Shape) -> Items:
        """What must come out, computed plainly; the order says nothing."""

    @abstractmethod
    def found(self, outputs: Outputs) -> Items:
        """What came out, without what may differ between two good runs."""

    def order_faults(self, outputs: Outputs, shape: Shape) -> list[str]:
        """Under exactly-once: what is wrong beyond lost and doubled rows."""
        return []

    def faults(self, outputs: Outputs, *, exactly_once: bool, shape: Shape) -> list[str]:
        """What is wrong with committed output."""
        found = self.found(outputs)
        faults = [
            fault
            for name, items in self.wanted(shape).items()
            for fault in compare(name, found[name], items, exactly_once=exactly_once)
        ]
        return faults or (self.order_faults(outputs, shape) if exactly_once else [])

    # ---- building

    def source(self, env: StreamExecutionEnvironment, shape: Shape, number: int = 0) -> DataStream[Row]:
        given = self.inputs[number]
        name = f"source-{number}"
        return shape.of(name, env.from_source(given.source(), given.strategy(), name=name))

    def passing(self, shape: Shape, stream: DataStream[Row], name: str = "passing") -> DataStream[Row]:
        return shape.of(name, shape.spread(name, stream).map(Passing()))

    def sink(self, shape: Shape, stream: DataStream[Any], name: str = "out") -> None:
        to = FileSink.for_json_lines(f"{FILES}/{name}") if shape.files else LedgerSink(name)
        shape.of(name, stream.sink_to(to))

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


def nth_faults(counted: Iterable[tuple[int, int, int, int]], *, ordered: bool) -> list[str]:
    """Of (number, key, nth, split): nth is 1 to n for each key; ``ordered``: it grows with the numbers of a split."""
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
            if ordered and number <= last.get(split, -1):
                faults.append(f"key {key}: row {number} of split {split} came out of order")
            last[split] = number
    return faults


class Counting(Pipeline):
    """source - map - flat_map - filter - key_by - count - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        rows = self.passing(shape, self.source(env, shape))
        doubled = shape.of("twice", rows.flat_map(lambda row: [row, None]))
        kept = shape.of("kept", doubled.filter(lambda row: row is not None))
        counted = shape.of("count", kept.key_by(lambda row: row.key).process(Count(shape.padding)))
        self.sink(shape, counted)

    def wanted(self, shape: Shape) -> Items:
        return {"row": [(row.number, row.key, row.split) for row in self.rows]}

    def found(self, outputs: Outputs) -> Items:
        return {"row": [(number, key, split) for number, key, _, split in outputs["out"]]}

    def order_faults(self, outputs: Outputs, shape: Shape) -> list[str]:
        # Rows of a split keep their order unless they may take several ways before they meet again.
        before = ("source-0", "passing", "twice", "kept")
        same = not shape.uniform and len({shape.parallelism(name) for name in before}) == 1
        one_way = same and not shape.spreads("passing")
        return nth_faults(outputs["out"], ordered=one_way)


class EventTime(Pipeline):
    """source - key_by - windows by timers - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        rows = self.source(env, shape)
        self.sink(shape, shape.of("windows", rows.key_by(lambda row: row.key).process(Windows())))

    def wanted(self, shape: Shape) -> Items:
        ends = ((row, row.time - row.time % Windows.size + Windows.size) for row in self.rows)
        return {"row of a window": [(row.key, end, row.number) for row, end in ends]}

    def found(self, outputs: Outputs) -> Items:
        windows = outputs["out"]
        return {"row of a window": [(key, end, number) for key, end, rows in windows for number in rows]}

    def order_faults(self, outputs: Outputs, shape: Shape) -> list[str]:
        if not all(given.whole_from_the_start for given in self.inputs):
            return []
        times = Counter((key, end) for key, end, _ in outputs["out"])
        again = [window for window, n in times.items() if n > 1]
        return [f"windows that fired before they were complete: {again[:5]}"] if again else []


class ProcessingTime(Pipeline):
    """two sources - union - key_by - batches by timers - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        both = self.source(env, shape, 0).union(self.source(env, shape, 1))
        self.sink(shape, shape.of("batches", both.key_by(lambda row: row.key).process(Batches())))

    def wanted(self, shape: Shape) -> Items:
        return {"row of a batch": [(row.key, row.number) for row in self.rows]}

    def found(self, outputs: Outputs) -> Items:
        return {"row of a batch": [(key, number) for key, rows in outputs["out"] for number in rows]}


class TwoOutputs(Pipeline):
    """union of two - key_by - process with a side output - two sinks."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        both = self.passing(shape, self.source(env, shape, 0), "left").union(self.source(env, shape, 1))
        sides = shape.of("sides", both.key_by(lambda row: row.key).process(Sides()))
        odd = sides.get_side_output(ODD)
        self.sink(shape, sides, "even")
        self.sink(shape, shape.of("tagged", odd.map(lambda row: row)), "odd")

    def wanted(self, shape: Shape) -> Items:
        return {
            name: [(row.number, row.key) for row in self.rows if row.number % 2 == rest]
            for rest, name in enumerate(("even", "odd"))
        }

    def found(self, outputs: Outputs) -> Items:
        return {name: [row[:2] for row in outputs[name]] for name in ("even", "odd")}

    def order_faults(self, outputs: Outputs, shape: Shape) -> list[str]:
        return nth_faults(outputs["even"] + outputs["odd"], ordered=False)


class Joining(Pipeline):
    """two sources - connect by key - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        left = self.source(env, shape, 0).key_by(lambda row: row.key)
        right = self.passing(shape, self.source(env, shape, 1), "right").key_by(lambda row: row.key)
        self.sink(shape, shape.of("join", left.connect(right).process(Join())))

    def wanted(self, shape: Shape) -> Items:
        left, right = self.inputs[0].rows, self.inputs[1].rows
        return {"pair": [(a.number, b.number) for a in left for b in right if a.key == b.key]}

    def found(self, outputs: Outputs) -> Items:
        return {"pair": outputs["out"]}


class Broadcasting(Pipeline):
    """a keyed stream beside a broadcast one - sink."""

    #: Its output says how many instances there were, so they must stay as many.
    can_be_rescaled = False

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        rows = self.source(env, shape, 0).key_by(lambda row: row.key)
        rules = self.source(env, shape, 1).broadcast(RULES)
        self.sink(shape, shape.of("ruled", rows.connect(rules).process(Ruled())))

    def wanted(self, shape: Shape) -> Items:
        instances = range(shape.parallelism("ruled"))
        return {
            "row": [row.number for row in self.inputs[0].rows],
            "rule": [row.number for row in self.inputs[1].rows for _ in instances],
        }

    def found(self, outputs: Outputs) -> Items:
        return {name: [item[1] for item in outputs["out"] if item[0] == name] for name in ("row", "rule")}


class Reducing(Pipeline):
    """source - key_by - reduce - sink."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        ones = shape.of("ones", self.source(env, shape).map(lambda row: (row.key, 1, row.number)))
        self.sink(shape, shape.of("total", ones.key_by(lambda one: one[0]).reduce(total)))

    def wanted(self, shape: Shape) -> Items:
        return {"reduced row": [(row.key, row.number) for row in self.rows]}

    def found(self, outputs: Outputs) -> Items:
        return {"reduced row": [(key, number) for key, _, number in outputs["out"]]}

    def order_faults(self, outputs: Outputs, shape: Shape) -> list[str]:
        return nth_faults([(number, key, so_far, 0) for key, so_far, number in outputs["out"]], ordered=False)


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
