"""What may change between a snapshot and the program that restores it."""

import dataclasses
import enum
from typing import Any, NamedTuple

import numpy as np
import pydantic
import pytest

from weir.errors import SerializationError, SnapshotMismatch
from weir.serde import (
    DynamicSerializer,
    PickleSerializer,
    Serializer,
    TypedSerializer,
    check_compatible,
    serializer_for,
    serializer_from_description,
)


def record(name, *fields):
    return dataclasses.make_dataclass(name, fields)


class Grown(NamedTuple):
    a: int
    b: str = ""


def model(name, **fields):
    return pydantic.create_model(name, **fields)


ORDER = record("Order", ("id", int), ("price", float))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (int, int),
        (None, object),
        (int, int | None),
        (int | None, int | None | str),
        (dict[str, int], dict[str, int | None]),
        (ORDER, record("Order", ("price", float), ("id", int))),
        (ORDER, record("Order", ("id", int))),
        (ORDER, record("Order", ("id", int), ("price", float), ("note", str, ""))),
        (ORDER, record("Order", ("id", int), ("price", float | None))),
        (list[ORDER], list[record("Order", ("id", int))]),
        (enum.Enum("Color", {"RED": "r"}), enum.Enum("Color", {"RED": "r", "BLUE": "b"})),
        (NamedTuple("Grown", [("a", int)]), Grown),
        (model("Order", id=int, price=float), model("Order", id=int, note=(str, "none"))),
        (np.float64, np.float64 | None),
    ],
    ids=str,
)
def test_these_changes_are_compatible(old, new):
    check_compatible(serializer_for(old).describe(), serializer_for(new).describe(), "state 'seen'")


@pytest.mark.parametrize(
    ("old", "new", "was", "now"),
    [
        (int, str, "int", "str"),
        (int | None, int, "int", "int"),
        (list[int], list[str], "int", "str"),
        (list[int], set[int], r"list\[int\]", r"set\[int\]"),
        (tuple[int, str], tuple[int], r"tuple\[int, str\]", r"tuple\[int\]"),
        (None, int, r"untyped \(dynamic\) values", "int"),
        (int, PickleSerializer(), "int", "pickled values"),
        (ORDER, record("Purchase", ("id", int), ("price", float)), "Order", "Purchase"),
        (ORDER, record("Order", ("id", int), ("price", str)), "Order.price: .*float", "str"),
        (
            ORDER,
            record("Order", ("id", int), ("price", float), ("note", str)),
            "Order.note",
            "has no default",
        ),
        (
            enum.Enum("Color", {"RED": "r", "BLUE": "b"}),
            enum.Enum("Color", {"RED": "r"}),
            "Color",
            "'b' any more",
        ),
        (
            NamedTuple("P", [("a", int), ("b", int)]),
            NamedTuple("P", [("b", int), ("a", int)]),
            "had a",
            "now has b",
        ),
        (NamedTuple("P", [("a", int), ("b", int)]), NamedTuple("P", [("a", int)]), "P", "lost b"),
        (model("Order", id=int), model("Order", id=str), "Order.id: .*int", "str"),
        (model("Order", id=int), model("Order", id=int, note=str), "Order.note", "has no default"),
        (model("Order", id=int), record("Order", ("id", int)), "'pydantic'", "'dataclass'"),
        (np.float32, np.float64, "numpy.float32", "numpy.float64"),
        (np.float64, float, "numpy.float64", "float"),
    ],
    ids=str,
)
def test_a_changed_type_is_refused_naming_the_state_and_both_types(old, new, was, now):
    with pytest.raises(SnapshotMismatch, match=rf"state 'seen' cannot be restored: .*{was}.*{now}"):
        check_compatible(serializer_for(old).describe(), serializer_for(new).describe(), "state 'seen'")


def test_a_newer_serializer_version_is_refused_with_both_versions():
    new = DynamicSerializer().describe()
    with pytest.raises(
        SnapshotMismatch, match=r"version 7 of the dynamic serializer, this program has version 1"
    ):
        check_compatible(new | {"version": 7}, new, "state 'seen'")
    check_compatible(new, new | {"version": 7}, "state 'seen'")


def test_the_registry_picks_by_what_the_descriptor_says():
    own = PickleSerializer()
    assert serializer_for(own) is own
    for nothing in (None, Any, object):
        assert isinstance(serializer_for(nothing), DynamicSerializer)
    for declared in (int, list[int], int | None, ORDER):
        assert isinstance(serializer_for(declared), TypedSerializer)
        assert isinstance(serializer_for(declared), Serializer)
    with pytest.raises(SerializationError, match=r"write PickleSerializer\(\)"):
        serializer_for(PickleSerializer)


@pytest.mark.parametrize(
    "declared",
    [
        None,
        int,
        list[int],
        dict[str, list[float]],
        tuple[int, str],
        tuple[int, ...],
        int | None,
        set[bytes],
        list,
        list[np.float64],
    ],
    ids=str,
)
def test_a_tool_reads_builtin_types_from_the_description_alone(declared):
    serializer = serializer_for(declared)
    rebuilt = serializer_from_description(serializer.describe())
    assert rebuilt.describe() == serializer.describe()


def test_a_tool_reads_neither_classes_nor_pickles():
    with pytest.raises(SerializationError, match=r"Order is a type of the job's own code"):
        serializer_from_description(serializer_for(dict[str, ORDER]).describe())
    with pytest.raises(SerializationError, match=r"runs code"):
        serializer_from_description(PickleSerializer().describe())
    with pytest.raises(SerializationError, match=r"no serializer is called 'mine'"):
        serializer_from_description({"serializer": "mine", "version": 1})


@pytest.mark.usefixtures("pickle_key")
def test_pickle_refuses_what_cannot_be_pickled_and_what_is_gone():
    pickled = PickleSerializer(unsigned=True)
    assert pickled.decode(pickled.encode([{1: 2j}, Grown])) == [{1: 2j}, Grown]
    with pytest.raises(SerializationError, match=r"cannot be pickled"):
        pickled.encode([lambda: 1])
    with pytest.raises(SerializationError, match=r"keep the names"):
        pickled.decode(b"\x80\x05c__main__\nGone\n.")
