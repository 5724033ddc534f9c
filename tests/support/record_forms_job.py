"""One program over events of every form that a record may have; its state holds such events.

Arguments are ``name=value``: ``out``, ``gate``, ``rows``.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, TypedDict

import msgspec
import numpy as np
import pydantic

from tests.support.small_jobs import Gated, options
from weir import (
    FileSink,
    KeyedProcessFunction,
    ListStateDescriptor,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)

KEYS = 7
FIELDS = ("key", "number", "label", "parts")


class TupleEvent(NamedTuple):
    key: int
    number: int
    label: str
    parts: list[float]


class DictEvent(TypedDict):
    key: int
    number: int
    label: str
    parts: list[float]


class StructEvent(msgspec.Struct):
    key: int
    number: int
    label: str
    parts: list[float]


class ModelEvent(pydantic.BaseModel):
    key: int
    number: int
    label: str
    parts: list[float]


@dataclasses.dataclass
class DataEvent:
    key: int
    number: int
    label: str
    parts: list[float]


FORMS = {
    "tuple": TupleEvent,
    "dict": DictEvent,
    "struct": StructEvent,
    "model": ModelEvent,
    "dataclass": DataEvent,
}


def key_of(event: Any) -> int:
    return event["key"] if isinstance(event, dict) else event.key


def plain(event: Any) -> list[Any]:
    """The fields of an event, whatever its form."""
    return [event[name] if isinstance(event, dict) else getattr(event, name) for name in FIELDS]


class Keep(KeyedProcessFunction):
    """Tells of each event the one before it, how many there were, and the mean, a scalar of numpy."""

    def __init__(self, form: str) -> None:
        self.form = form

    def open(self, ctx):
        self.last = ctx.get_state(ValueStateDescriptor("last", FORMS[self.form]))
        self.mean = ctx.get_state(ValueStateDescriptor("mean", np.float64))
        self.untyped = ctx.get_state(ValueStateDescriptor("untyped"))
        self.all = ctx.get_list_state(ListStateDescriptor("all", FORMS[self.form]))

    def process_element(self, event, ctx):
        before = self.last.value()
        self.last.update(event)
        self.all.add(event)
        events = self.all.get()
        numbers = [plain(kept)[1] for kept in events]
        self.mean.update(np.mean(numbers))
        self.untyped.update((np.int64(len(events)), np.datetime64(len(events), "s")))
        count, at = self.untyped.value()
        yield {
            "form": self.form,
            "event": plain(event),
            "before": None if before is None else plain(before),
            "same": all(type(kept) is type(event) for kept in events),
            "mean": float(self.mean.value()),
            "count": [int(count), str(at)],
        }


def expected(rows: int) -> list[dict[str, Any]]:
    """What the job gives, told without it."""
    found = []
    for form in FORMS:
        for number in range(rows):
            numbers = range(number % KEYS, number + 1, KEYS)
            count = len(numbers)
            fields = lambda n: [n % KEYS, n, f"label {n}", [n / 2, n / 4]]
            found.append(
                {
                    "form": form,
                    "event": fields(number),
                    "before": fields(number - KEYS) if number >= KEYS else None,
                    "same": True,
                    "mean": float(np.mean(numbers)),
                    "count": [count, str(np.datetime64(count, "s"))],
                }
            )
    return found


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    rows = int(given["rows"])
    source = Gated(given["gate"], rows // 2, generator_fn=lambda n: n, count=rows, num_splits=1)
    numbers = env.from_source(source, name="rows").uid("rows").set_parallelism(1)
    kept = []
    for form, cls in FORMS.items():
        events = numbers.map(
            lambda n, cls=cls: cls(key=n % KEYS, number=n, label=f"label {n}", parts=[n / 2, n / 4])
        )
        events = events.uid(f"make-{form}").set_parallelism(1)
        kept.append(events.key_by(key_of).process(Keep(form)).uid(f"keep-{form}"))
    kept[0].union(*kept[1:]).sink_to(FileSink.for_json_lines(given["out"])).uid("out")
