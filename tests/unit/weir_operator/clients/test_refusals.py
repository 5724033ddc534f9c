import json

import pytest

from weir_operator.clients import refusals
from weir_operator.errors import PermanentError, TemporaryError


def status(code: int, **more: object) -> bytes:
    return json.dumps({"kind": "Status", "code": code, **more}).encode()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, refusals.Refused),
        (401, refusals.Denied),
        (403, refusals.Denied),
        (404, refusals.Absent),
        (409, refusals.Conflict),
        (410, refusals.Gone),
        (422, refusals.Refused),
        (429, refusals.Throttled),
        (500, refusals.Unanswered),
        (504, refusals.Unanswered),
    ],
)
def test_each_status_has_its_error(code: int, kind: type) -> None:
    error = refusals.refusal("GET /x", code, status(code, message="because"), None)
    assert type(error) is kind
    assert str(error) == f"GET /x: {code} because"


def test_a_namespace_that_is_being_deleted_is_told_from_a_right_that_is_missing() -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "namespace ns is being terminated"}]
    ends = refusals.refusal("POST /x", 403, status(403, reason="Forbidden", details={"causes": causes}), None)
    assert type(ends) is refusals.NamespaceEnds
    assert isinstance(ends, refusals.Denied)
    assert type(refusals.refusal("x", 403, status(403, details={"causes": [7]}), None)) is refusals.Denied


def test_only_what_is_wrong_as_it_stands_is_permanent() -> None:
    assert isinstance(refusals.refusal("x", 422, b"", None), PermanentError)
    assert isinstance(refusals.refusal("x", 409, b"", None), TemporaryError)


def test_the_server_says_how_long_to_wait_in_a_header_or_in_its_answer() -> None:
    assert refusals.refusal("x", 429, b"{}", "7").delay == 7.0
    assert refusals.refusal("x", 429, status(429, details={"retryAfterSeconds": 9}), None).delay == 9.0


@pytest.mark.parametrize("header", ["", "soon", "-4", "nan"])
def test_a_wait_that_makes_no_sense_is_a_second(header: str) -> None:
    assert refusals.refusal("x", 429, b"{}", header).delay == 1.0


def test_a_wait_is_never_longer_than_a_minute() -> None:
    assert refusals.refusal("x", 429, b"{}", "86400").delay == 60.0


def test_what_exists_is_told_from_what_was_changed() -> None:
    exists = refusals.refusal("POST /x", 409, status(409, reason="AlreadyExists"), None)
    assert isinstance(exists, refusals.Conflict)
    assert exists.reason == "AlreadyExists"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff\xfe"])
def test_an_answer_that_is_no_status_is_quoted(body: bytes) -> None:
    assert isinstance(refusals.refusal("GET /x", 502, body, None), refusals.Unanswered)
