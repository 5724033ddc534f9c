"""What the engine leaves undefined is an error under the harness: state and rows that change behind its back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from weir import (
    KeyedProcessFunction,
    ListStateDescriptor,
    MapFunction,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from weir.errors import SerializationError
from weir.testing import RowMutated, StateMutated, function_harness, keyed_harness


def watched(body, **settings):
    """A keyed function whose ``process_element`` is ``body(self, value)``, with each kind of state."""

    class Function(KeyedProcessFunction):
        def open(self, ctx):
            self.value = ctx.get_state(ValueStateDescriptor("value", list[int]))
            self.list = ctx.get_list_state(ListStateDescriptor("list", list[int]))
            self.map = ctx.get_map_state(MapStateDescriptor("map", str, list[int]))
            self.fold = ctx.get_reducing_state(ReducingStateDescriptor("fold", lambda a, b: a + b, list[int]))

        def process_element(self, value, ctx):
            return body(self, value)

    return keyed_harness(Function(), key=lambda value: "key", **settings)


def value_in_place(f, value):
    if f.value.value() is None:
        f.value.update([])
    else:
        f.value.value().append(value)


def value_after_update(f, value):
    mine = []
    f.value.update(mine)
    mine.append(value)


def list_element(f, value):
    f.list.add([])
    f.list.get()[0].append(value)


def map_value(f, value):
    f.map.put("x", [])
    f.map.get("x").append(value)


def map_items(f, value):
    f.map.put("x", [])
    for _, found in f.map.items():
        found.append(value)


def folded(f, value):
    f.fold.add([value])
    f.fold.get().append(value)


def row_kept_by_the_function(f, value):
    f.rows = getattr(f, "rows", [])
    f.rows.append(value)
    return [f.rows]


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (value_in_place, "value"),
        (value_after_update, "value"),
        (list_element, "list"),
        (map_value, "map"),
        (map_items, "map"),
        (folded, "fold"),
    ],
)
def test_state_that_is_changed_without_update_is_an_error(body, state):
    h = watched(body)
    with pytest.raises(
        StateMutated, match=rf"state '{state}' of operator 'Function' .* it was \[.*\], it is \["
    ):
        h.process(1)
        h.process(2)
    relaxed = watched(body, strict=False)
    relaxed.process(1)
    relaxed.process(2)


def test_a_change_that_is_said_is_none():
    def careful(f, value):
        items = f.value.value() or []
        items.append(value)
        f.value.update(items)
        f.map.put("x", items.copy())
        mapped = f.map.get("x")
        mapped.append(0)
        f.map.put("x", mapped)
        f.list.update([[value]])
        f.list.add([1])
        f.list.clear()
        old = f.map.get("x")
        f.map.remove("x")
        old.append(1)
        f.fold.add([value])
        return [sum(f.fold.get())]

    h = watched(careful)
    h.process(1)
    h.process(2)
    h.snapshot()
    h.crash()
    h.process(3)
    assert h.output == [1, 3, 6]
    assert h.state("value") == {"key": [1, 2, 3]}


def test_a_reference_that_the_function_kept_is_found_at_the_next_snapshot():
    def keeping(f, value):
        if not hasattr(f, "kept"):
            f.kept = []
            f.value.update(f.kept)
        f.kept.append(value)
        f.value.update(f.kept)
        f.later = f.kept

    h = watched(keeping)
    h.process(1)
    h.function.later.append(2)
    with pytest.raises(StateMutated, match=r"it was \[1\], it is \[1, 2\]"):
        h.snapshot()


def test_a_row_that_changes_after_it_was_emitted_is_an_error():
    h = watched(row_kept_by_the_function)
    h.process(1)
    with pytest.raises(RowMutated, match=r"it was \[1\], it is \[1, 2\]; emit a copy"):
        h.process(2)


def test_a_value_that_no_snapshot_can_hold_is_refused_at_the_update():
    h = watched(lambda f, value: f.value.update(value))
    with pytest.raises(SerializationError, match="state 'value' of operator 'Function'"):
        h.process(["not an int"])


@dataclass(frozen=True)
class Frozen(MapFunction):
    """Also a function that cannot be written to is watched."""

    factor: int

    def open(self, ctx):
        object.__setattr__(self, "seen", ctx.get_operator_list_state(ListStateDescriptor("seen", list[int])))

    def map(self, value):
        self.seen.add([value])
        if value > 10:
            self.seen.get()[0].append(value)
        return value * self.factor


def test_operator_state_is_watched_too():
    h = function_harness(Frozen(3))
    h.process(2)
    assert h.output == [6]
    with pytest.raises(StateMutated, match="state 'seen' of operator 'Frozen'"):
        h.process(11)
