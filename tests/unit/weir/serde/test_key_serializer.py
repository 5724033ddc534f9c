"""Keys that nobody declared: classes are written by name and found among the loaded modules."""

import dataclasses
import enum
import fractions
import sys
from decimal import Decimal
from types import ModuleType
from typing import NamedTuple

import msgspec
import pytest

from weir.errors import SerializationError
from weir.serde import KeySerializer
from weir.serde.keys import told_keys

serializer = KeySerializer()


class Color(enum.Enum):
    RED = (1, "not storable by value alone")


class Word(enum.StrEnum):
    RED = "red"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    SHARE = 4
    CHANGE = 3


class Mode(enum.IntFlag):
    FAST = 1
    SAFE = 2


class Route(NamedTuple):
    origin: str
    color: Color


class Part(msgspec.Struct, frozen=True):
    number: int


@dataclasses.dataclass(frozen=True)
class Sensor:
    room: tuple[Route, int]
    number: int = 0

    class Kind(enum.Enum):
        WARM = 1

    def __post_init__(self):
        if self.number < 0:
            raise ValueError(self.number)


@dataclasses.dataclass
class Mutable:
    x: int


def back(keys):
    return serializer.decode(serializer.encode(keys))


def test_builtin_keys_come_back_exactly():
    keys = [1, "a", None, (1, ("b", 2.5)), b"x", 2**80, Decimal("1.0")]
    assert back(keys) == keys
    assert list(map(type, back(keys))) == list(map(type, keys))


def test_classes_come_back_as_themselves_nested_and_mixed():
    route = Route("JFK", Color.RED)
    keys = [
        1,
        route,
        Sensor((route, 2), 3),
        Part(7),
        Word.RED,
        Color.RED,
        (route, (Color.RED,)),
        Sensor.Kind.WARM,
        (),
    ]
    assert back(keys) == keys
    assert list(map(type, back(keys))) == list(map(type, keys))
    assert type(back(keys)[6][0]) is Route


@pytest.mark.parametrize(
    "key", [fractions.Fraction(1, 2), Mutable(1), (1, object())], ids=["fraction", "mutable", "object"]
)
def test_other_types_are_refused_by_name(key):
    with pytest.raises(SerializationError, match=r"Fraction|Mutable|object"):
        serializer.encode([key])


def test_a_class_inside_a_function_is_refused():
    class Local(NamedTuple):
        x: int

    with pytest.raises(SerializationError, match=r"Local.*define it at the top of its module"):
        serializer.encode([Local(1)])


def test_a_class_that_is_gone_or_changed_is_refused_and_no_module_is_imported(monkeypatch):
    module = ModuleType("job_of_today")
    exec("from typing import NamedTuple\nclass Key(NamedTuple):\n    a: int\n    b: int", module.__dict__)
    monkeypatch.setitem(sys.modules, "job_of_today", module)
    data = serializer.encode([module.Key(1, 2)])
    assert serializer.decode(data) == [(1, 2)]
    exec("class Key(NamedTuple):\n    a: int", module.__dict__)
    with pytest.raises(
        SerializationError, match=r"job_of_today.Key .* had the fields \['a', 'b'\], it now has \['a'\]"
    ):
        serializer.decode(data)
    del module.Key
    with pytest.raises(SerializationError, match=r"class Key of module job_of_today .* no such class now"):
        serializer.decode(data)
    monkeypatch.delitem(sys.modules, "job_of_today")
    with pytest.raises(SerializationError, match="no such class now"):
        serializer.decode(data)


def test_a_member_that_is_gone_is_refused(monkeypatch):
    data = serializer.encode([Word.RED])
    monkeypatch.setattr(sys.modules[__name__], "Word", enum.StrEnum("Word", {"BLUE": "blue"}))
    with pytest.raises(SerializationError, match="Word has no member 'RED' any more"):
        serializer.decode(data)


FLAGS = [Access(value) for value in range(8)] + [Mode(value) for value in (0, 1, 2, 3, 8, 9, 11)]


def test_combinations_of_flags_come_back_also_those_without_a_name():
    assert back(FLAGS) == FLAGS
    assert list(map(type, back(FLAGS))) == list(map(type, FLAGS))
    assert told_keys(serializer.encode([Access.READ | Access.SHARE, Access(0), Access.CHANGE])) == [
        "Access.READ|SHARE",
        "Access(0)",
        "Access.CHANGE",
    ]


@pytest.mark.parametrize("gone", [Access.READ | Access.SHARE, Access.SHARE], ids=str)
def test_a_combination_whose_flag_is_gone_is_refused(gone, monkeypatch):
    data = serializer.encode([gone])
    monkeypatch.setattr(sys.modules[__name__], "Access", enum.Flag("Access", {"READ": 1, "WRITE": 2}))
    with pytest.raises(SerializationError, match=r"Access has no member '(READ\|)?SHARE' any more"):
        serializer.decode(data)


def test_a_value_that_the_flags_do_not_have_is_refused():
    data = serializer.encode([Access(0)])
    assert serializer.decode(data) == [Access(0)]
    forged = data[:-1] + b"\x08"
    assert forged != data
    with pytest.raises(SerializationError, match="Access has no member 8 any more"):
        serializer.decode(forged)


def test_a_name_that_is_no_key_class_cannot_be_smuggled_in():
    data = serializer.encode([Part(7)])
    forged = data.replace(b"Part", b"Evil")
    assert forged != data
    sys.modules[__name__].Evil = Mutable
    try:
        with pytest.raises(SerializationError, match="had the fields"):
            serializer.decode(forged)
    finally:
        del sys.modules[__name__].Evil


def test_a_newer_form_is_refused():
    with pytest.raises(SerializationError, match="newer Weir"):
        serializer.decode(b"\x09" + serializer.encode([1])[1:])
