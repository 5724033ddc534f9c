"""The short name of a failure: the same for the same failure anywhere and again, another one for another."""

from __future__ import annotations

import pytest
from msgspec import structs

from weir.errors import FailureKind
from weir.ids import WorkerId
from weir.rpc.fingerprint import fingerprint, named
from weir.rpc.messages import Failure

FAILURE = Failure(
    kind=FailureKind.USER,
    message="/app/flights/job.py:41: ValueError: no carrier 'AA' (in operator 'count' (uid count), key 'AA', record 17)",
    operator="'count' (uid count)",
    subtask=1,
    worker=WorkerId("tm-1-0.3"),
)


@pytest.mark.parametrize(
    "changes",
    [
        {"message": FAILURE.message.replace("'AA'", "'UA'").replace("17", "99")},
        {"message": FAILURE.message.replace("/app/flights/", "elsewhere/")},
        {"subtask": 0, "worker": WorkerId("tm-9-1.1"), "traceback": "..."},
    ],
)
def test_what_changes_from_time_to_time_is_no_part_of_it(changes: dict[str, object]) -> None:
    assert fingerprint(structs.replace(FAILURE, **changes)) == fingerprint(FAILURE)


@pytest.mark.parametrize(
    "changes",
    [
        {"message": FAILURE.message.replace(":41:", ":42:")},
        {"message": FAILURE.message.replace("ValueError", "KeyError")},
        {"operator": "'sum' (uid sum)"},
        {"kind": FailureKind.ENGINE},
    ],
)
def test_another_place_exception_operator_or_kind_is_another_failure(changes: dict[str, object]) -> None:
    assert fingerprint(structs.replace(FAILURE, **changes)) != fingerprint(FAILURE)


def test_of_a_message_without_an_exception_numbers_are_left_out() -> None:
    lost = Failure(
        kind=FailureKind.WORKER_LOST, message="worker tm-3f2a9b1c-0.1 was ended by SIGKILL after 12 s"
    )
    again = structs.replace(lost, message="worker tm-0a1b2c3d-1.7 was ended by SIGKILL after 3 s")
    frozen = structs.replace(lost, message="worker tm-0a1b2c3d-1.7 made no progress for 3 s")
    assert fingerprint(lost) == fingerprint(again) != fingerprint(frozen)


def test_a_named_failure_carries_eight_hex_digits() -> None:
    assert named(FAILURE).fingerprint == fingerprint(FAILURE)
    assert len(fingerprint(FAILURE)) == 8
    assert int(fingerprint(FAILURE), 16) >= 0
