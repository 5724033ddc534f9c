from __future__ import annotations

import csv
import datetime as dt
import decimal
import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from weir.connectors.files.writing.encoders import CsvEncoder, JsonLinesEncoder, TextLinesEncoder
from weir.errors import UserError


@dataclass
class Point:
    x: int
    at: dt.datetime


class Pair(NamedTuple):
    a: int
    b: Any


class Scalar:
    """As numpy's: knows its plain form."""

    def tolist(self):
        return 1.5


class Opaque:
    def __repr__(self):
        return "<" + "x" * 1000 + ">"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"a": None, "b": [1, 2.5, True]}, b'{"a":null,"b":[1,2.5,true]}\n'),
        ((1, ("x", {})), b'[1,["x",{}]]\n'),
        (Pair(1, "é"), '[1,"é"]\n'.encode()),
        (
            Point(1, dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)),
            b'{"x":1,"at":"2024-05-01T12:00:00Z"}\n',
        ),
        (dt.date(2024, 5, 1), b'"2024-05-01"\n'),
        (decimal.Decimal("1.10"), b'"1.10"\n'),
        ("a\nb", b'"a\\nb"\n'),
        ({1: 2}, b'{"1":2}\n'),
        (2**70, b"1180591620717411303424\n"),
        (float("nan"), b"null\n"),
        ({"n": Scalar()}, b'{"n":1.5}\n'),
    ],
)
def test_json_able_values_are_one_line_each(value, line):
    assert JsonLinesEncoder().encode([value, value]) == line * 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Opaque(), r"type test_file_encoders\.Opaque as JSON: Opaque has no JSON form"),
        ({"a": [Opaque()]}, r"type dict as JSON: Opaque has no JSON form"),
        ({(1, 2): 3}, r"type dict as JSON: tuple has no JSON form as a dict's key"),
        ("\ud800", r"type str as JSON: .*surrogates"),
    ],
)
def test_a_value_without_a_json_form_is_named(value, message):
    with pytest.raises(UserError, match=message) as raised:
        JsonLinesEncoder().encode([1, value])
    assert len(str(raised.value)) < 500


def test_text_lines_are_the_values_as_text():
    encoder = TextLinesEncoder()
    assert encoder.encode(["é", 1, None, ""]) == "é\n1\nNone\n\n".encode()
    assert encoder.encode([]) == b""


@pytest.mark.parametrize(("value", "message"), [("a\nb", "it holds a newline"), ("\udc80", "surrogates")])
def test_text_that_would_not_be_one_line_is_refused(value, message):
    with pytest.raises(UserError, match=f"text lines: .*{message}"):
        TextLinesEncoder().encode(["x", value])


def test_csv_rows_come_back_whatever_ends_of_lines_their_fields_hold():
    rows = [("a", "plain"), ("x\ry", 'q"\r'), ("\r", "\n"), ("\r\n", ""), ("z", "plain")]
    encoder = CsvEncoder(("x\r", "y"), ",")
    text = (encoder.head + encoder.encode(rows)).decode()
    assert text.startswith('"x\r",y\na,plain\n"x\ry","q""\r"\n')
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [["x\r", "y"], *map(list, rows)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": 1}, "it lacks 'y'"),
        ({"x": 1, "y": 2, "z": 3}, "it has more keys than the header names"),
        ({"x": 1, "z": 3}, "it lacks 'y'"),
        ((1,), "it has 1 items"),
        (5, "it is neither a dict nor a tuple or list"),
        (("\ud800", 1), "surrogates"),
    ],
)
def test_a_row_that_does_not_fit_the_csv_header_is_named(value, message):
    with pytest.raises(UserError, match=message):
        CsvEncoder(("x", "y"), ",").encode([(1, 2), value])
