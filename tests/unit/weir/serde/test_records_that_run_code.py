"""Classes with a ``__post_init__``: it ran when the value was made, and does not run when the value is read."""

import abc
import dataclasses
import enum
import functools
from typing import Annotated, Any, Generic, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from weir.errors import SerializationError
from weir.serde import KeySerializer, TypedSerializer

T = TypeVar("T")
#: Everything that ran.
ran: list[Any] = []


def back(declared: Any, value: Any) -> Any:
    serializer = TypedSerializer(declared)
    [read] = serializer.decode(serializer.encode([value]))
    assert serializer.decode_each(serializer.encode_each([value, value])) == [read, read]
    return read


class Running:
    """What classes here have in common: reading one must not begin anew."""

    __slots__ = ()

    def __post_init__(self) -> None:
        ran.append(type(self))
        if isinstance(self, msgspec.Struct):
            msgspec.structs.force_setattr(self, "total", 0)
        else:
            object.__setattr__(self, "total", 0)


@dataclasses.dataclass
class Account(Running):
    owner: str
    total: int = dataclasses.field(init=False)


@dataclasses.dataclass(frozen=True)
class Frozen(Running):
    owner: str
    total: int = 0


@dataclasses.dataclass(slots=True, kw_only=True, order=True)
class Slotted(Running):
    owner: str
    total: int = 0


@dataclasses.dataclass(slots=True)
class Below(Slotted):
    more: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Abstract(abc.ABC):
    owner: str

    @abc.abstractmethod
    def name(self) -> str: ...


class Registered(Running):
    """Has a ``__dict__``, and nothing like it above."""

    def __init_subclass__(cls) -> None:
        ran.append(cls)


@dataclasses.dataclass
class Entry(Registered):
    total: int


@dataclasses.dataclass
class Concrete(Abstract, Account):
    def name(self) -> str:
        return self.owner


@dataclasses.dataclass
class Box(Running, Generic[T]):
    item: T
    total: int = 0


class Plain(msgspec.Struct):
    owner: str
    total: int = 0

    def __post_init__(self) -> None:
        Running.__post_init__(self)


class Listed(msgspec.Struct, array_like=True, frozen=True, order=True, tag=7):
    owner: str
    total: int
    note: str = "none"

    def __post_init__(self) -> None:
        Running.__post_init__(self)


class Tagged(msgspec.Struct, tag=True, tag_field="kind", rename="camel", omit_defaults=True, kw_only=True):
    note_of_it: str = "none"
    total: int = msgspec.field(default=0, name="sum")

    def __post_init__(self) -> None:
        Running.__post_init__(self)


class TaggedBelow(Tagged, tag="below"):
    even_more: list[Account] = []


class Other(msgspec.Struct, tag=True, tag_field="kind"):
    account: Account


@attrs.define
class Attributes:
    owner: str
    total: int = attrs.field(default=0, validator=lambda *_: ran.append("validator"))

    def __attrs_pre_init__(self) -> None:
        ran.append("before")

    def __attrs_post_init__(self) -> None:
        Running.__post_init__(self)


def made(cls: Any, *arguments: Any, **fields: Any) -> Any:
    """One with a total of 500."""
    value = cls(*arguments, **fields)
    if isinstance(value, msgspec.Struct):
        msgspec.structs.force_setattr(value, "total", 500)
    else:
        object.__setattr__(value, "total", 500)
    return value


ACCOUNT = made(Account, "ann")


@dataclasses.dataclass
class Branch:
    """Runs no code itself."""

    accounts: list[Account]
    main: Account | None = None
    below: "Branch | None" = None


class Pair(NamedTuple):
    left: Account
    right: "dict[str, Pair] | None" = None


class Wanted(TypedDict):
    account: Account
    again: NotRequired["Wanted"]


class Model(pydantic.BaseModel):
    account: Account
    branch: Branch | None = None


Name = NewType("Name", Account)  # type: ignore[valid-newtype]
PAIR = Pair(ACCOUNT, {"a": Pair(ACCOUNT)})
VALUES = [
    (Account, ACCOUNT),
    (Frozen, made(Frozen, "ann")),
    (Slotted, made(Slotted, owner="ann")),
    (Below, made(Below, owner="ann", more=[1])),
    (Concrete, made(Concrete, "ann")),
    (Entry, made(Entry, 1)),
    (Box[int], made(Box, 7)),
    (Box[Account], made(Box, ACCOUNT)),
    (Plain, made(Plain, "ann")),
    (Listed, made(Listed, "ann", 1)),
    (Tagged | TaggedBelow | Other, made(Tagged, note_of_it="x")),
    (Tagged | TaggedBelow | Other, made(TaggedBelow, even_more=[ACCOUNT])),
    (Tagged | TaggedBelow | Other, Other(ACCOUNT)),
    (Attributes, made(Attributes, "ann")),
    (list[Account], [ACCOUNT, ACCOUNT]),
    (dict[str, tuple[int, Account]], {"a": (1, ACCOUNT)}),
    (tuple[Account, ...] | None, (ACCOUNT,)),
    (frozenset[Frozen], frozenset({made(Frozen, "ann")})),
    (Account | int | list[str], ACCOUNT),
    (Annotated[Account, "declared"], ACCOUNT),
    (Name, ACCOUNT),
    (Branch, Branch([ACCOUNT], ACCOUNT, Branch([ACCOUNT]))),
    (Pair, PAIR),
    (Wanted, {"account": ACCOUNT, "again": {"account": ACCOUNT}}),
    (Model, Model.model_construct(account=ACCOUNT, branch=Branch([ACCOUNT]))),
    (list[Model | None], [None, Model.model_construct(account=ACCOUNT)]),
]


def all_types(value: Any) -> Any:
    """Its class and those below it."""
    if isinstance(value, dict):
        return {name: all_types(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [all_types(item) for item in value]
    names = getattr(value, "__struct_fields__", None) or getattr(value, "__dict__", {})
    return type(value), [all_types(getattr(value, name)) for name in names]


@pytest.mark.parametrize(("declared", "value"), VALUES, ids=lambda value: repr(value)[:50])
def test_values_come_back_as_they_are_and_nothing_runs(declared, value):
    ran.clear()
    read = back(declared, value)
    assert ran == []
    assert read == value
    assert all_types(read) == all_types(value)


class Left(NamedTuple):
    left: Account


class Long(NamedTuple):
    left: Account
    right: None
    more: int


def test_a_named_tuple_around_records_that_run_code_may_gain_fields_with_defaults():
    data = TypedSerializer(Left).encode([Left(ACCOUNT)])
    assert TypedSerializer(Pair).decode(data) == [Pair(ACCOUNT)]
    for value, declared in ((Long(ACCOUNT, None, 1), Pair), (Left(ACCOUNT), Long)):
        with pytest.raises(
            SerializationError, match=rf"does not fit .*a {declared.__name__} with \d fields was written"
        ):
            TypedSerializer(declared).decode(TypedSerializer(type(value)).encode([value]))
    with pytest.raises(SerializationError, match=r"Pair \| int cannot be declared"):
        TypedSerializer(Pair | int)


def test_what_was_read_is_an_instance_like_any_other():
    read = back(Account, ACCOUNT)
    read.total += 1
    assert (read.total, dataclasses.replace(back(Frozen, made(Frozen, "ann"))).total) == (501, 0)
    assert hash(back(Listed, made(Listed, "ann", 1))) == hash(made(Listed, "ann", 1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        back(Frozen, made(Frozen, "ann")).total = 1


def test_a_record_that_runs_code_may_gain_fields_with_defaults_and_lose_fields():
    def account(*fields: Any) -> Any:
        return dataclasses.make_dataclass("Account", fields, bases=(Running,))

    old = account(("owner", str), ("gone", int), ("total", int))
    new = account(
        ("owner", str), ("total", int), ("tags", list[int], dataclasses.field(default_factory=list))
    )
    data = TypedSerializer(old).encode([made(old, "ann", 1, 2)])
    assert TypedSerializer(new).decode(data) == [made(new, "ann", 500)]
    with pytest.raises(SerializationError, match=r"does not fit .*missing required field `note`"):
        TypedSerializer(account(("owner", str), ("note", str))).decode(data)


def test_what_is_written_is_what_would_be_written_without_the_code():
    plain = dataclasses.make_dataclass("Account", [("owner", str), ("total", int)])
    with_code, without = TypedSerializer(Account), TypedSerializer(plain)
    assert with_code.encode([ACCOUNT]) == without.encode([plain("ann", 500)])
    assert with_code.describe() == without.describe()


def test_a_class_is_not_told_of_twins():
    told = []

    class Told:
        __slots__ = ()

        def __init_subclass__(cls) -> None:
            told.append(cls)

    @dataclasses.dataclass
    class Loose(Told, Running):
        total: int

    @dataclasses.dataclass(slots=True)
    class Tight(Told, Running):
        total: int

    class Struct(msgspec.Struct):
        total: int

        def __init_subclass__(cls) -> None:
            told.append(cls)

        def __post_init__(self) -> None:
            Running.__post_init__(self)

    told.clear()
    assert [back(cls, made(cls, 1)).total for cls in (Loose, Tight, Struct)] == [500, 500, 500]
    assert told == []
    assert Loose.__subclasses__() == []


def test_what_is_no_field_is_refused_when_it_is_written_since_nothing_would_make_it_again():
    @dataclasses.dataclass
    class Cached:
        total: int

        def __post_init__(self) -> None:
            self._words = {}

        @functools.cached_property
        def twice(self) -> int:
            return self.total * 2

    value = Cached(1)
    with pytest.raises(
        SerializationError, match=r"value: .*Cached declares no field '_words', and its __post_init__"
    ):
        TypedSerializer(Cached).encode([value])
    del value._words
    assert value.twice == 2
    assert back(Cached, value).twice == 2


class Odd(Exception):
    """Its instances are made in a way of their own."""


def test_a_class_without_a_twin_is_refused_when_it_is_declared():
    odd = dataclasses.make_dataclass("Odd", [("total", int)], bases=(Running, Odd), eq=False)
    with pytest.raises(
        SerializationError, match=r"Odd cannot be declared: its __post_init__ .* PickleSerializer\(\)"
    ):
        TypedSerializer(list[odd])


def test_a_class_whose_code_needs_what_is_no_field_is_refused_when_it_is_declared():
    needs = dataclasses.make_dataclass(
        "Needs", [("total", int), ("start", dataclasses.InitVar[int])], bases=(Running,)
    )
    with pytest.raises(SerializationError, match=r"Needs cannot be declared: .*InitVar"):
        TypedSerializer(needs)


def test_values_with_constraints_are_checked_without_running_code():
    @dataclasses.dataclass
    class Limited(Running):
        total: Annotated[int, msgspec.Meta(ge=0)]

    ran.clear()
    value = made(Limited, 1)
    ran.clear()
    assert back(Limited, value) == value
    assert ran == []
    value.total = -1
    with pytest.raises(SerializationError, match="breaks a constraint"):
        TypedSerializer(Limited).encode([value])


class Kind(enum.Enum):
    ONE = 1


class Key(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    total: int = 0

    def __post_init__(self) -> None:
        Running.__post_init__(self)


def test_keys_of_structs_come_back_without_running_code():
    keys = [made(Key, kind=Kind.ONE), (1, made(Key, kind=Kind.ONE))]
    ran.clear()
    read = KeySerializer().decode(KeySerializer().encode(keys))
    assert ran == []
    assert read == keys
    assert (type(read[0]), read[0].total) == (Key, 500)
