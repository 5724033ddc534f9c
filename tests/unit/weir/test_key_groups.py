"""Canonical bytes, hashes, key groups and the router. The table of hashes may grow but never change."""

import dataclasses
import enum
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest

from weir import keygroups
from weir.errors import ConfigError, UserError
from weir.keygroups import KeyRouter, canonical_bytes, key_group, key_group_range, stable_hash, subtask_of


class Color(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Open(enum.Flag, boundary=enum.KEEP):
    READ = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    name: str
    note: str = dataclasses.field(default="", compare=False)


class Pair(NamedTuple):
    a: int
    b: str


class Frozen(msgspec.Struct, frozen=True):
    x: int
    name: str


@dataclasses.dataclass
class Mutable:
    x: int


@dataclasses.dataclass(frozen=True, eq=False)
class ById:
    x: int


# Keys of snapshots in users' buckets were dealt by these: a line that fails here loses state out there.
GOLDEN = [
    (None, "4e", 0xE1DA90D4),
    (0, "690000000000000000", 0xD09A1CE0),
    (1, "690000000000000001", 0xB4A219C3),
    (-1, "69ffffffffffffffff", 0x70E34C13),
    (127, "69000000000000007f", 0x33F1C980),
    (2**63 - 1, "697fffffffffffffff", 0x76B9F7D3),
    (-(2**63), "698000000000000000", 0xFDE415EF),
    (2**63, "4900000009008000000000000000", 0xF2CA7D4F),
    (-(2**100), "490000000df0000000000000000000000000", 0x05D8D4A0),
    (0.5, "663fe0000000000000", 0x2B9E7278),
    (-1.5, "66bff8000000000000", 0x7770C634),
    (float("inf"), "667ff0000000000000", 0xA6BA28C5),
    ("", "7300000000", 0xAAA2D870),
    ("a", "730000000161", 0x4A02A11F),
    ("key-42", "73000000066b65792d3432", 0xA8719951),
    ("żółw", "7300000007c5bcc3b3c58277", 0xC6510A26),
    ("🦆", "7300000004f09fa686", 0x2A9E3909),
    (b"", "6200000000", 0xB9C10F4A),
    (b"\x00\xff", "620000000200ff", 0xD36A319D),
    ((), "7400000000", 0x22128BD7),
    ((1, "a"), "7400000002690000000000000001730000000161", 0xDC275919),
    (("a", (None, 2.5)), "740000000273000000016174000000024e664004000000000000", 0x0695373B),
    (datetime(2024, 2, 29, 12, 30, 15, 123456), "6c000612846be08600", 0x0E25EC08),  # noqa: DTZ001  a naive key
    (datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC), "7a000612846be08600", 0xF59AA03D),
    (date(2024, 2, 29), "7900000000000b4681", 0xE8130721),
    (timedelta(days=-1, microseconds=7), "4469ffffffebe228a007", 0x87AD4499),
    (uuid.UUID("12345678-1234-5678-1234-567812345678"), "7512345678123456781234567812345678", 0xC0AD595A),
    (Decimal("0.1"), "640000000431652d31", 0x315F0925),
    (Decimal("-12.50"), "66c029000000000000", 0xE4DA429B),
    (Color.RED, "457300000003524544", 0x2AC1E797),
    (Access.READ, "45730000000452454144", 0xD2AEFB42),
    (Access.READ | Access.WRITE, "45730000000a524541447c5752495445", 0x16057BC1),
    (Access(0), "45690000000000000000", 0x24D069C7),
    (Word.RED, "7300000003726564", 0xD37D8164),
    (Point(1, "a"), "527400000002690000000000000001730000000161", 0xB1A2AA6A),
]


@pytest.mark.parametrize(("key", "encoding", "hashed"), GOLDEN, ids=lambda value: repr(value)[:30])
def test_hashes_of_version_1_never_change(key, encoding, hashed):
    assert keygroups.HASH_VERSION == 1
    assert canonical_bytes(key).hex() == encoding
    assert stable_hash(key) == hashed
    assert key_group(key, 128) == hashed % 128


@pytest.mark.parametrize(
    "equals",
    [
        (1, 1.0, True, Decimal(1), Decimal("1.00"), Level.LOW),
        (0, -0.0, 0.0, False, Decimal("-0"), Decimal("0e-7")),
        (0.5, Decimal("0.5"), Decimal("0.50")),
        (10**300, Decimal("1e300")),
        (int(1e300), 1e300),
        (float("-inf"), Decimal("-Infinity")),
        ("red", Word.RED),
        ((1, "a"), Pair(1, "a"), (True, "a")),
        (Point(1, "a", note="x"), Point(1, "a", note="y"), Point(True, "a")),
        (
            datetime(2024, 7, 1, 12, tzinfo=UTC),
            datetime(2024, 7, 1, 14, tzinfo=ZoneInfo("Europe/Berlin")),
            datetime(2024, 7, 1, 7, tzinfo=timezone(-timedelta(hours=5))),
        ),
    ],
    ids=repr,
)
def test_keys_that_are_one_dict_key_have_one_encoding(equals):
    assert len(set(equals)) == 1, "the example itself is wrong"
    assert len({canonical_bytes(key) for key in equals}) == 1


def test_keys_that_differ_have_different_encodings():
    keys = [
        *(None, 0, 1, 0.1, Decimal("0.1"), "", "1", b"1", b"", (), ((),), (1,), ("1",), (1, ""), ("", 1)),
        *(datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), date(2024, 1, 1)),  # noqa: DTZ001
        *(
            timedelta(1),
            timedelta(2),
            Color.RED,
            "RED",
            Access(0),
            Access.READ,
            Access(3),
            Open(8),
            Open(16),
            Point(1, "a"),
            ("ab", "c"),
            ("a", "bc"),
            ("abc",),
        ),
    ]
    assert len({canonical_bytes(key) for key in keys}) == len(keys) == len(set(keys))


def test_frozen_structs_are_keys():
    assert (
        canonical_bytes(Frozen(1, "a")) == canonical_bytes(Frozen(1, "a")) != canonical_bytes(Frozen(2, "a"))
    )


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ([1], "list is not hashable"),
        ({"a": 1}, "dict is not hashable"),
        ((1, [2]), "list is not hashable"),
        (Point([1], "a"), "list is not hashable"),
        (float("nan"), "NaN cannot be a key"),
        (Decimal("NaN"), "cannot be a key"),
        (1j, "complex has no stable hash"),
        (object(), "object has no stable hash"),
        (Mutable(1), r"Mutable can change; write @dataclass\(frozen=True\)"),
        (ById(1), r"@dataclass\(frozen=True\)"),
        (Decimal("1e999999"), "4300 digits"),
    ],
    ids=lambda value: "object" if type(value) is object else repr(value)[:30],
)
def test_what_cannot_be_a_key_is_refused_by_name(key, complaint):
    with pytest.raises(UserError, match=complaint):
        canonical_bytes(key)


def test_the_refusal_says_what_is_supported():
    with pytest.raises(UserError, match=r"frozen dataclasses"):
        canonical_bytes(object())


@pytest.mark.parametrize(
    ("parallelism", "max_parallelism"), [(0, 128), (129, 128), (1, 0), (1, 32769), (-1, 1)], ids=repr
)
def test_an_impossible_parallelism_is_refused_with_both_values(parallelism, max_parallelism):
    with pytest.raises(ConfigError, match=str(max_parallelism)) as refused:
        key_group_range(max_parallelism, parallelism, 0)
    assert str(parallelism) in str(refused.value) or str(max_parallelism) in str(refused.value)


def test_an_index_outside_the_parallelism_is_refused():
    with pytest.raises(ConfigError, match=r"subtask index 4 is outside parallelism 4"):
        key_group_range(128, 4, 4)


def test_ranges_are_those_of_flink():
    assert [key_group_range(128, 3, index) for index in range(3)] == [
        range(43),
        range(43, 86),
        range(86, 128),
    ]
    assert [key_group_range(13, 4, index) for index in range(4)] == [
        *(range(4), range(4, 7), range(7, 10), range(10, 13))
    ]
    assert [subtask_of(group, 13, 4) for group in (0, 3, 4, 6, 7, 9, 10, 12)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_keys_in_sequence_spread_over_all_groups_evenly():
    for keys in (range(12800), [f"user-{index}" for index in range(12800)]):
        counts = [0] * 128
        for key in keys:
            counts[key_group(key, 128)] += 1
        assert min(counts) > 50
        assert max(counts) < 160


def test_a_router_agrees_with_the_key_groups():
    router = KeyRouter(128, 5)
    keys = [1, "a", (1, "a"), None, 2.5, 1.0]
    expected = [subtask_of(key_group(key, 128), 128, 5) for key in keys]
    assert list(map(router.__getitem__, keys)) == expected
    assert router.route(iter(keys)) == expected
    assert len(router) == 5, "1 and 1.0 are one key"


def test_a_router_forgets_rather_than_grows():
    router = KeyRouter(128, 5, limit=10)
    for key in range(1000):
        assert router[key] == subtask_of(key_group(key, 128), 128, 5)
        assert len(router) <= 10


def test_a_router_names_the_key_that_is_not_hashable():
    with pytest.raises(UserError, match=r"list is not hashable: \['x'\]"):
        KeyRouter(128, 5).route(["a", ["x"]])
