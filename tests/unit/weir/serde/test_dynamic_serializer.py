"""The dynamic serializer: what it refuses and how it says so. Round trips are a property test."""

import collections
import enum

import pytest

from weir.errors import SerializationError
from weir.serde import DynamicSerializer

dynamic = DynamicSerializer()


class Color(enum.IntEnum):
    RED = 1


class Thing:
    def __repr__(self):
        return "<a thing>"


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (Thing(), "Thing"),
        (Color.RED, "Color"),
        ([1, {"a": (Thing(),)}], "Thing"),
        (collections.Counter("a"), "collections.Counter"),
        (range(3), "range"),
    ],
    ids=repr,
)
def test_other_types_are_refused_by_name_with_the_remedy(value, type_name):
    with pytest.raises(SerializationError, match=type_name) as refused:
        dynamic.encode([1, value])
    assert "PickleSerializer()" in str(refused.value)
    assert "give the descriptor the type" in str(refused.value)


def test_a_value_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(SerializationError, match=r"contains itself"):
        dynamic.encode([loop])


def test_a_time_zone_without_a_stored_form_is_refused():
    from datetime import datetime, tzinfo

    class Odd(tzinfo):
        pass

    with pytest.raises(SerializationError, match=r"Odd.*use datetime.timezone or zoneinfo"):
        dynamic.encode([datetime(2024, 1, 1, tzinfo=Odd())])


@pytest.mark.parametrize(
    "data", [b"", b"\x07abc", b"\x00\xc1", b"\x02\x91\xc7\x00\x63", b"\x01\x91\x01"], ids=repr
)
def test_foreign_bytes_are_refused(data):
    with pytest.raises(SerializationError):
        dynamic.decode(data)


def test_scalars_and_flat_tuples_take_the_quick_forms():
    assert dynamic.encode([1, "a", None])[0] == 0
    assert dynamic.encode([(1, 2.5), ()])[0] == 1
    assert dynamic.encode([{"a": 1}])[0] == 0
    assert dynamic.encode([[1], [2]])[0] == 0
    for tagged in ([(1, (2,))], [{1: 2}], [2**64], [[1], (1,)], [{1}]):
        assert dynamic.encode(tagged)[0] == 2
