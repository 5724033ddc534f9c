"""A code hash changes with the code and its settings, and with nothing else."""

from __future__ import annotations

import enum
import functools
import threading
from dataclasses import dataclass

import pytest

from weir.api.code_hash import code_hash
from weir.functions import MapFunction


def made(source: str, name: str = "f"):
    scope: dict = {"MapFunction": MapFunction, "__name__": "job"}
    exec(source, scope)
    return scope[name]


def test_the_same_source_compiled_twice_has_the_same_hash():
    source = "def f(x, y=2, *, z={'a', 'b', 'c'}):\n    return [i + 1 for i in x if i in {'p', 'q', 'r'}]"
    assert code_hash(made(source)) == code_hash(made(source))


def test_where_the_source_stands_does_not_matter():
    assert code_hash(made("def f(x):\n    return x")) == code_hash(made("\n\n\ndef f(x):\n    return x"))


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    return x + 2",
        "def f(x):\n    return x - 1",
        "def f(x):\n    return g(x)",
        "def f(x, y=1):\n    return x + 1",
        "def f(x):\n    return (lambda: x + 1)()",
        "def g(x):\n    return x + 1\nf = g",
    ],
)
def test_other_code_has_another_hash(other):
    assert code_hash(made("def f(x):\n    return x + 1")) != code_hash(made(other))


def test_a_nested_change_is_seen():
    def outer(n):
        return lambda x: sorted(x, key=lambda y: y + n)

    assert code_hash(outer(1)) == code_hash(outer(1))
    assert code_hash(outer(1)) != code_hash(outer(2))


def test_settings_of_a_function_object_count():
    source = "class f(MapFunction):\n    def __init__(self, n): self.n = n\n    def map(self, v): return v * self.n"
    a, b = made(source), made(source)
    assert code_hash(a(1)) == code_hash(b(1))
    assert code_hash(a(1)) != code_hash(a(2))
    changed = made(source.replace("v * self.n", "v + self.n"))
    assert code_hash(a(1)) != code_hash(changed(1))


def test_class_constants_and_inherited_methods_count():
    base = "class B(MapFunction):\n    LIMIT = {limit}\n    def map(self, v): return v {sign} 1\nclass f(B): pass"
    one = code_hash(made(base.format(limit=1, sign="+"))())
    assert one == code_hash(made(base.format(limit=1, sign="+"))())
    assert one != code_hash(made(base.format(limit=2, sign="+"))())
    assert one != code_hash(made(base.format(limit=1, sign="-"))())


def test_memory_addresses_never_count():
    class Holder(MapFunction):
        def __init__(self):
            self.lock = threading.Lock()
            self.other = object()
            self.me = self

        def map(self, value):
            return value

    assert code_hash(Holder()) == code_hash(Holder())


def test_slots_partials_methods_and_enums_are_looked_into():
    class Color(enum.Enum):
        RED = 1
        BLUE = 2

    @dataclass(frozen=True, slots=True)
    class Box:
        value: object

        def get(self):
            return self.value

    def add(a, b):
        return a + b

    distinct = [
        Box(1),
        Box(2),
        Box(Color.RED),
        Box(Color.BLUE),
        Box(1).get,
        Box(2).get,
        functools.partial(add, 1),
        functools.partial(add, 2),
        str,
        len,
        {"a": 1},
        {"a": 2},
        {1, 2},
        {1, 3},
        [1, 2],
        [2, 1],
    ]
    assert len({code_hash(value) for value in distinct}) == len(distinct)


def test_the_order_of_sets_and_dicts_does_not_count():
    assert code_hash({"a": 1, "b": 2}) == code_hash({"b": 2, "a": 1})


def test_a_long_list_counts_by_its_length_and_its_beginning():
    assert code_hash([0] * 5000) != code_hash([0] * 5001)
    assert code_hash(list(range(5000))) != code_hash(list(range(1, 5001)))
