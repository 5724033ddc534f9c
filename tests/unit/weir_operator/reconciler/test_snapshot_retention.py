"""Which snapshots have had their time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.planned_jobs import NOW
from weir_operator.models.operations import Keep
from weir_operator.observed import SnapshotResource
from weir_operator.reconciler.snapshots.retention import next_expiry, surplus


def taken(
    hours_ago: float, *, phase: str = "Completed", owned: bool = True, **more: bool
) -> SnapshotResource:
    at = NOW - timedelta(hours=hours_ago)
    return SnapshotResource(
        name=f"at-{hours_ago}",
        uid=f"uid-{hours_ago}",
        created=at,
        completed_at=at if phase == "Completed" else None,
        phase=phase,
        path=f"s3://weir/savepoints/{hours_ago}",
        owned=owned,
        **more,
    )


def keep(**limits: object) -> Keep:
    return Keep.model_validate(limits)


def gone(snapshots: list[SnapshotResource], limits: Keep, in_use: frozenset[str] = frozenset()) -> list[str]:
    return [found.name for found in surplus(snapshots, limits, in_use, NOW)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, []),
        ({"count": 2}, ["at-4", "at-3"]),
        ({"count": 9}, []),
        ({"age": "150m"}, ["at-4", "at-3"]),
        ({"age": "1m"}, ["at-4", "at-3", "at-2"]),
        ({"count": 3, "age": "150m"}, ["at-4", "at-3"]),
        ({"count": 1, "age": "168h"}, ["at-4", "at-3", "at-2"]),
    ],
)
def test_either_limit_is_enough_and_the_newest_complete_one_stays(
    limits: dict[str, object], expected: list[str]
) -> None:
    assert gone([taken(2), taken(4), taken(1), taken(3)], keep(**limits)) == expected


def test_one_that_something_starts_from_stays_and_does_not_spare_another() -> None:
    four = [taken(hours) for hours in (1, 2, 3, 4)]
    assert gone(four, keep(count=2), frozenset({"s3://weir/savepoints/4"})) == ["at-3"]


def test_what_the_operator_did_not_make_for_this_job_is_neither_counted_nor_deleted() -> None:
    assert gone([taken(5, owned=False), taken(4), taken(0.5, owned=False), taken(1)], keep(count=1)) == [
        "at-4"
    ]


def test_what_is_under_way_or_going_already_is_left_alone() -> None:
    under_way = [taken(9, phase="InProgress"), taken(8, phase="Pending"), taken(7, deleting=True)]
    assert gone([*under_way, taken(1)], keep(count=1, age="1m")) == []


def test_a_failed_newer_one_does_not_count_as_the_complete_one_that_stays() -> None:
    assert gone([taken(5), taken(1, phase="Failed")], keep(count=1, age="1m")) == []


def test_of_failed_ones_the_newest_three_are_kept() -> None:
    assert gone([taken(hours, phase="Failed") for hours in (1, 2, 3, 4, 5)], keep()) == ["at-5", "at-4"]


def test_the_next_look_is_when_the_oldest_comes_of_age_and_never_for_the_newest() -> None:
    assert next_expiry([taken(1), taken(2)], keep(age="3h"), NOW) == 3600
    assert next_expiry([taken(1)], keep(age="3h"), NOW) is None
    assert next_expiry([taken(1), taken(2)], keep(count=1), NOW) is None
