"""Secrets in records and exceptions: gone from what people are shown, and everything else stays."""

from __future__ import annotations

import pytest

from weir.operators.failures import excerpt, operator_failure, user_trace
from weir.operators.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'user': 'ann', 'password': 'hunter2', 'age': 7}", "{'user': 'ann', 'password': '***', 'age': 7}"),
        ('{"api_key": "k-1", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("Row(id=1, access_token='abc', n=2)", "Row(id=1, access_token='***', n=2)"),
        ("Row(id=1, secret=12345)", "Row(id=1, secret=***)"),
        ("dsn postgres://ann:hunter2@db:5432/x", "dsn postgres://ann:***@db:5432/x"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("aws_secret_access_key=AbC/d+e;", "aws_secret_access_key=***;"),
        (r"{'passwd': 'it\'s', 'b': 1}", "{'passwd': '***', 'b': 1}"),
        ("{'client_secret': b'\\x00'}", "{'client_secret': '***'}"),
        ("{'token': None, 'secret': True}", "{'token': None, 'secret': True}"),
        ("{'tokens': ['a', 'b'], 'secret_name': 'n'}", "{'tokens': ['a', 'b'], 'secret_name': 'n'}"),
        ("{'token': ['a', 'b']}", "{'token': ['a', 'b']}"),
        ("no carrier 'AA' in row 17: key=AA", "no carrier 'AA' in row 17: key=AA"),
        ("s3://bucket/path:1@x and https://host/a", "s3://bucket/path:1@x and https://host/a"),
    ],
)
def test_what_is_named_like_a_secret_loses_its_value_and_nothing_else(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


def test_a_long_record_is_cut_after_its_secrets_are_gone() -> None:
    record = {"password": "x" * 500, "rest": "y" * 500}
    shown = excerpt(record)
    assert shown.startswith("{'password': '***', 'rest': 'yyy")
    assert shown.endswith("...")


def test_a_failure_shows_no_secret_of_the_exception_or_its_traceback() -> None:
    with pytest.raises(ValueError, match="login") as caught:
        raise ValueError("login failed with token='s3cr3t'")
    failure = operator_failure(caught.value, "'count' (uid count)")
    assert "ValueError: login failed with token='***' (in operator 'count' (uid count)" in str(failure)
    assert "s3cr3t" not in user_trace(caught.value).splitlines()[-1]
