"""The typed serializer: refusals with path and both types, evolution of records, constraints."""

import dataclasses
import enum
import functools
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pydantic
import pytest

from weir.errors import SerializationError
from weir.serde import DynamicSerializer, TypedSerializer


class Color(enum.Enum):
    RED = "red"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Line:
    sku: str
    price: float


@dataclasses.dataclass
class DiscountLine(Line):
    percent: int = 0


@dataclasses.dataclass
class Order:
    id: int
    lines: list[Line]
    extra: Any = None
    at: datetime | None = None


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict):
    retries: int


def order(**changes):
    return Order(**{"id": 1, "lines": [Line("a", 1.5)]} | changes)


@pytest.mark.parametrize(
    ("declared", "value", "complaint"),
    [
        (int, "7", r"value: declared int, got str: '7'"),
        (int, 1.0, r"value: declared int, got float: 1\.0"),
        (str, b"a", r"value: declared str, got bytes"),
        (str, Color.RED, r"value: declared str, got .*Color"),
        (list[int], (1, 2), r"value: declared list\[int\], got tuple"),
        (list[int], [1, "a"], r"value\[\]: declared int, got str: 'a'"),
        (tuple[int, str], (1,), r"value: declared tuple\[int, str\], got a tuple of 1"),
        (tuple[int, str], (1, 2), r"value\[1\]: declared str, got int: 2"),
        (dict[str, int], {1: 1}, r"value\.keys\(\): declared str, got int: 1"),
        (dict[str, int], {"a": None}, r"value\[\]: declared int, got None"),
        (int | None, "a", r"value: declared None \| int, got str"),
        (Literal["a", "b"], "c", r"value: declared Literal\['a', 'b'\], got 'c'"),
        (Color, "red", r"value: declared Color, got str: 'red'"),
        (Access, Access.READ | Access.WRITE, r"not a member of .*Access; declare int"),
        (Line, {"sku": "a", "price": 1.0}, r"value: declared Line, got dict"),
        (Line, DiscountLine("a", 1.0, 5), r"got its subclass .*DiscountLine.*declare the subclass"),
        (Order, order(id="7"), r"value\.id: declared int, got str: '7'"),
        (
            Order,
            order(lines=[Line("a", 1.0), Line("b", "x")]),
            r"value\.lines\[\]\.price: declared float, got str: 'x'",
        ),
        (Order, order(lines=[Line("a", True)]), r"value\.lines\[\]\.price: True is no float"),
        (
            Order,
            order(lines=[Line("a", 2**53 + 1)]),
            r"value\.lines\[\]\.price: .* is no float, and not exactly one",
        ),
        (Order, order(id=True), r"value\.id: True is a bool where int is declared"),
        (Order, order(id=2**64), r"value\.id: 18446744073709551616 is an int of more than 64 bits"),
        (Order, order(lines=[Line("\ud800", 1.0)]), r"value\.lines\[\]\.sku: .*lone surrogate"),
        (Order, order(extra=(1, 2)), r"value\.extra: \(1, 2\) is tuple where no type is declared"),
        (Order, order(extra={"a": [2**70]}), r"value\.extra\['a'\]\[\]: .* is an int of more than 64 bits"),
        (
            Order,
            order(at=datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))),
            r"value\.at: .* lose its time zone",
        ),
        (Pair, (1, "a"), r"value: declared Pair, got tuple"),
        (Options, {"retries": 1, "label": "x"}, r"Options declares no key 'label'; it has retries"),
        (Options, {}, r"Options requires the key 'retries'"),
        (Annotated[int, msgspec.Meta(ge=0)], -1, r"constraint.*>= 0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_misfit_is_refused_with_its_path_and_both_types(declared, value, complaint):
    with pytest.raises(SerializationError, match=complaint):
        TypedSerializer(declared).encode([value])


def test_a_good_value_among_misfits_does_not_hide_them():
    good = order()
    with pytest.raises(SerializationError, match=r"value\.id: declared int, got NoneType|got None"):
        TypedSerializer(Order).encode([good, good, order(id=None), good])


def test_what_only_the_dynamic_form_keeps_is_kept_where_no_class_is_declared():
    for declared, value in (
        (int, 2**200),
        (int, True),
        (list[int], [2**64, -(2**64)]),
        (str, "\ud800"),
        (datetime, datetime(2024, 7, 1, tzinfo=ZoneInfo("Asia/Tokyo"))),
        (dict[str, Any], {"a": (1, {2})}),
    ):
        serializer = TypedSerializer(declared)
        (back,) = serializer.decode(serializer.encode([value]))
        assert back == value
        assert type(back) is type(value)
    assert back["a"][1] == {2}


def test_utc_and_naive_times_are_kept_inside_classes():
    serializer = TypedSerializer(Order)
    for at in (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1)):  # noqa: DTZ001  naive on purpose
        assert serializer.decode(serializer.encode([order(at=at)])) == [order(at=at)]


def test_an_int_for_a_declared_float_comes_back_as_that_float():
    serializer = TypedSerializer(Line)
    (back,) = serializer.decode(serializer.encode([Line("a", 3)]))
    assert back == Line("a", 3.0)
    assert type(back.price) is float


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        (DynamicSerializer, "DynamicSerializer has no typed form"),
        (functools.partial, "no typed form|cannot be declared"),
        (str | datetime, "more than one str-like type"),
        (
            dict[str, DynamicSerializer],
            r"dict\[str, .*DynamicSerializer.*DynamicSerializer has no typed form",
        ),
        (enum.Enum("Mixed", {"A": 1, "B": (2,)}), "Enums must contain"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_type_without_a_typed_form_is_refused_when_it_is_declared(declared, complaint):
    with pytest.raises(SerializationError, match=complaint) as refused:
        TypedSerializer(declared)
    assert "PickleSerializer()" in str(refused.value)


def test_a_record_may_gain_fields_with_defaults_and_lose_fields():
    old = dataclasses.make_dataclass("Stats", [("count", int), ("dropped", str)])
    new = dataclasses.make_dataclass(
        "Stats",
        [("count", int), ("mean", float, 0.0), ("tags", list[str], dataclasses.field(default_factory=list))],
    )
    data = TypedSerializer(old).encode([old(3, "x")])
    assert TypedSerializer(new).decode(data) == [new(3, 0.0, [])]


def test_bytes_of_another_type_are_refused():
    data = TypedSerializer(str).encode(["a"])
    with pytest.raises(SerializationError, match=r"does not fit the declared type int"):
        TypedSerializer(int).decode(data)
    with pytest.raises(SerializationError, match=r"newer Weir"):
        TypedSerializer(int).decode(b"\x09")


def test_a_recursive_record_describes_itself_by_reference():
    node = TypedSerializer(Tree).describe()["type"]
    assert node["class"] == "Tree"
    assert node["fields"]["children"] == {"list": {"ref": "Tree"}}


@dataclasses.dataclass
class Tree:
    name: str
    children: "list[Tree]"


class Sensor(pydantic.BaseModel):
    name: str
    limit: int = pydantic.Field(default=3, gt=0, alias="max")

    model_config = pydantic.ConfigDict(frozen=True)


class Open(pydantic.BaseModel, extra="allow"):
    a: int


class Hidden(pydantic.BaseModel):
    a: int
    _seen: int = 0


class Linked(pydantic.BaseModel):
    to: pydantic.HttpUrl


def test_a_model_comes_back_as_it_was_with_what_was_never_set():
    serializer = TypedSerializer(Sensor)
    column = [Sensor(name="a"), Sensor(name="b", max=7)]
    back = serializer.decode(serializer.encode(column))
    assert back == column
    assert [model.model_fields_set for model in back] == [{"name"}, {"name", "limit"}]


def test_a_model_may_gain_fields_with_defaults_and_lose_fields():
    old = pydantic.create_model("Order", id=int, price=float)
    new = pydantic.create_model("Order", id=int, tags=(list[str], pydantic.Field(default_factory=list)))
    [order] = TypedSerializer(new).decode(TypedSerializer(old).encode([old(id=1, price=2.0)]))
    assert (order, order.model_fields_set) == (new(id=1), {"id"})


def test_records_inside_many_models_keep_their_own_fields():
    numbers = range(100)
    records = [dataclasses.make_dataclass(f"Record{n}", [(f"field_{n}", int)]) for n in numbers]
    models = [pydantic.create_model(f"Model{n}", record=record) for n, record in enumerate(records)]
    everything = dataclasses.make_dataclass("Everything", [(f"model_{n}", models[n]) for n in numbers])
    value = everything(*(model(record=record(1)) for model, record in zip(models, records, strict=True)))
    serializer = TypedSerializer(everything)
    assert serializer.decode(serializer.encode([value])) == [value]


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        (Hidden, "model .*Hidden has the private attribute _seen"),
        (Linked, "pydantic.networks.HttpUrl has no typed form"),
        (Sensor | Open, "may not contain more than one custom type"),
        (np.longdouble, "numpy.longdouble has no typed form"),
    ],
    ids=str,
)
def test_a_model_or_scalar_without_a_form_is_refused_when_it_is_declared(declared, complaint):
    with pytest.raises(SerializationError, match=complaint):
        TypedSerializer(declared)


@pytest.mark.parametrize(
    ("declared", "value", "complaint"),
    [
        (Open, Open(a=1, b=2), r"value: .*Open declares no field 'b'"),
        (Sensor, Sensor.model_construct(name=1), r"value.name: declared str, got int: 1"),
        (float, np.float64(1), r"value: declared float, got numpy.float64: "),
        (np.float64, 1.0, r"value: declared numpy.float64, got float: 1.0"),
        (np.int8, np.int16(1), r"value: declared numpy.int8, got numpy.int16"),
    ],
    ids=str,
)
def test_a_value_that_is_no_such_model_or_scalar_is_refused_with_both_types(declared, value, complaint):
    with pytest.raises(SerializationError, match=complaint):
        TypedSerializer(declared).encode([value])


@pytest.mark.parametrize(
    ("declared", "written"),
    [(np.int8, 300), (np.datetime64, ["O", 1]), (np.datetime64, ["M8[s]"]), (Sensor, [{"name": "a"}])],
    ids=str,
)
def test_bytes_of_no_such_model_or_scalar_are_refused(declared, written):
    with pytest.raises(SerializationError, match="does not fit the declared type"):
        TypedSerializer(declared).decode(b"\x00" + msgspec.msgpack.encode([written]))


@pytest.mark.parametrize("count", [3, 70_000])
def test_values_that_are_read_together_are_those_that_are_read_alone(count):
    serializer = TypedSerializer(int)
    values = [2**70 if number == 1 else number for number in range(count)]  # one of them in the dynamic form
    assert serializer.decode_each(serializer.encode_each(values)) == values
    assert serializer.decode_each(serializer.encode_each(list(range(count)))) == list(range(count))
    assert serializer.decode_each([]) == []
    with pytest.raises(SerializationError, match="what was written does not fit the declared type int"):
        serializer.decode_each(
            [*serializer.encode_each(list(range(count))), TypedSerializer(str).encode(["a"])]
        )
