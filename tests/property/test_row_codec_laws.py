"""Whatever rows a channel carries, they come out as they went in: equal, of the same types, in order, batch by batch."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from weir.records import RowBatch
from weir.taskmanager.exchange.row_codec import RowDecoder, RowEncoder


class Point(NamedTuple):
    x: int
    y: int


class Word(str):
    __slots__ = ()


plain = st.one_of(
    st.integers(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(st.characters(codec=None), max_size=8),
    st.binary(max_size=8),
)
other = st.one_of(
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.builds(Point, st.integers(), st.integers()),
    st.text(max_size=4).map(Word),
    st.dates(),
    st.tuples(st.tuples(st.integers())),
)
words = st.sampled_from(["", "a", "b", "Grüße", "\ud800"]) | st.text(max_size=3)


@st.composite
def rows(draw: st.DrawFn) -> list[Any]:
    """Rows of one shape mostly, as streams have them; of any shape now and then."""
    size = draw(st.integers(1, 12))
    shape = draw(st.integers(0, 5))
    if shape == 0:
        return draw(st.lists(plain | other | st.tuples(plain, other), min_size=size, max_size=size))
    if shape == 1:
        return draw(
            st.lists(
                draw(st.sampled_from([st.integers(), st.floats(), words, plain])),
                min_size=size,
                max_size=size,
            )
        )
    kinds = [draw(st.sampled_from([st.integers(), st.floats(), words, plain, other])) for _ in range(shape)]
    return draw(st.lists(st.tuples(*kinds), min_size=size, max_size=size))


@st.composite
def batches(draw: st.DrawFn) -> RowBatch:
    values = draw(rows())
    size = len(values)
    stamps = draw(st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=size, max_size=size))
    kind = draw(st.sampled_from(["none", "first", "words", "any"]))
    if kind == "none":
        keys = None
    elif kind == "first":
        keys = [value[0] if type(value) is tuple and value else value for value in values]
    else:
        keys = draw(st.lists(words if kind == "words" else plain | other, min_size=size, max_size=size))
    return RowBatch(values, stamps, keys)


def told(value: Any) -> Any:
    """As a value that compares equal only to one of the same type and, for floats, the same bits."""
    if isinstance(value, float):
        return (float, "nan" if math.isnan(value) else value.hex())
    if isinstance(value, (list, tuple)):
        return (type(value), [told(item) for item in value])
    if isinstance(value, dict):
        return (dict, [(told(key), told(item)) for key, item in value.items()])
    return (type(value), value)


def facts(batch: RowBatch) -> Any:
    return told([batch.values, batch.timestamps, batch.keys])


@given(st.lists(batches(), min_size=1, max_size=6))
def test_batches_come_out_as_they_went_in(sent: list[RowBatch]) -> None:
    encoder, decoder = RowEncoder(), RowDecoder()
    for batch in sent:
        before = facts(batch)
        got = decoder.decode(encoder.encode(batch))
        assert facts(got) == before
        assert facts(batch) == before, "encoding changes nothing"


@given(st.lists(st.lists(words, min_size=1, max_size=8), min_size=1, max_size=30))
def test_one_text_key_is_one_object_at_the_receiver(sent: list[list[str]]) -> None:
    encoder, decoder = RowEncoder(), RowDecoder()
    seen: dict[str, str] = {}
    for keys in sent:
        copies = ["".join(list(key)) for key in keys]
        batch = decoder.decode(encoder.encode(RowBatch([(key, 1) for key in copies], None, copies)))
        assert batch.keys == keys
        for (text, _), key in zip(batch.values, batch.keys, strict=True):
            assert text is key
            assert seen.setdefault(key, key) is key


def test_dates_are_not_taken_apart() -> None:
    rows = [(dt.date(2026, 1, 1), 1)]
    assert RowDecoder().decode(RowEncoder().encode(RowBatch(rows))).values == rows
