import asyncio
import dataclasses
import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from weir_operator.clients import lease
from weir_operator.clients.lease import Candidate, LeaseTerms, Sighting, is_free, taken

TERMS = LeaseTerms(
    namespace="weir-system",
    name="weir-operator",
    identity="b",
    lease_seconds=12.0,
    act_seconds=8.0,
    retry_seconds=2.0,
)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
HELD = {"holderIdentity": "a", "leaseDurationSeconds": 12, "leaseTransitions": 4, "renewTime": "whatever"}


def test_a_lease_without_a_holder_is_free() -> None:
    assert is_free({}, Sighting("1", 0.0), 0.0)
    assert is_free({**HELD, "holderIdentity": ""}, Sighting("1", 0.0), 0.0)


def test_a_lease_is_free_when_this_version_of_it_was_seen_for_longer_than_it_lasts() -> None:
    assert not is_free(HELD, Sighting("1", 100.0), 112.0)
    assert is_free(HELD, Sighting("1", 100.0), 112.1)


def test_the_holders_clock_does_not_matter() -> None:
    assert not is_free({**HELD, "renewTime": "1970-01-01T00:00:00Z"}, Sighting("1", 100.0), 101.0)


def test_each_acquisition_begins_a_term_of_its_own_even_by_the_same_holder() -> None:
    found = {"metadata": {"resourceVersion": "77"}, "spec": {**HELD, "holderIdentity": "b"}}
    body, term = taken(found, TERMS, NOW)
    assert term == 5
    assert body["spec"]["leaseTransitions"] == 5
    assert body["spec"]["holderIdentity"] == "b"


def test_taking_goes_by_the_version_that_was_seen() -> None:
    body, _ = taken({"metadata": {"resourceVersion": "77"}, "spec": HELD}, TERMS, NOW)
    assert body["metadata"] == {"name": "weir-operator", "namespace": "weir-system", "resourceVersion": "77"}


def test_a_lease_that_does_not_exist_is_created_with_term_one() -> None:
    body, term = taken(None, TERMS, NOW)
    assert term == 1
    assert "resourceVersion" not in body["metadata"]
    assert body["spec"]["acquireTime"] == "2026-01-02T03:04:05.000678Z"


def test_an_answer_that_holds_no_lease_is_as_none_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = {"metadata": {"resourceVersion": "77"}, "spec": {**HELD, "holderIdentity": ""}}
    answers = iter([(200, b"", None), (200, b"{", None), (200, json.dumps(free).encode(), None)])

    async def exchange(_api: Any, method: str, _path: str, _query: Any, body: Any, *_: Any) -> Any:
        return next(answers) if method == "GET" else (200, json.dumps(body).encode(), None)

    monkeypatch.setattr(lease, "exchange", exchange)
    candidate = Candidate(cast("Any", None), dataclasses.replace(TERMS, retry_seconds=0.001))
    assert asyncio.run(candidate.win()).term == 5
    assert list(answers) == []
