"""When a schedule asks for a snapshot."""

from __future__ import annotations

from datetime import timedelta

from tests.support.planned_jobs import NOW
from weir_operator.models import Schedule
from weir_operator.reconciler.snapshots.timetable import Turn, turn

HOURLY = "0 * * * *"
HOUR = timedelta(hours=1)


def test_a_new_schedule_waits_for_its_first_time() -> None:
    assert turn(HOURLY, None, NOW + HOUR / 2) == Turn(False, Schedule(last_at=None, next_at=NOW + HOUR))


def test_nothing_is_due_before_its_time_and_the_memory_stays_as_it_is() -> None:
    memory = Schedule(last_at=NOW, next_at=NOW + HOUR)
    assert turn(HOURLY, memory, NOW + HOUR - timedelta(seconds=1)) == Turn(False, memory)


def test_at_its_time_one_is_due_and_the_next_is_set() -> None:
    memory = Schedule(last_at=NOW, next_at=NOW + HOUR)
    expected = Schedule(last_at=NOW + HOUR, next_at=NOW + 2 * HOUR)
    assert turn(HOURLY, memory, NOW + HOUR) == Turn(True, expected)


def test_times_that_passed_while_nobody_looked_count_as_one() -> None:
    memory = Schedule(last_at=NOW, next_at=NOW + HOUR)
    found = turn(HOURLY, memory, NOW + 5 * HOUR + timedelta(minutes=1))
    assert found == Turn(True, Schedule(last_at=NOW + HOUR, next_at=NOW + 6 * HOUR))


def test_a_changed_schedule_is_not_due_at_the_old_ones_time() -> None:
    memory = Schedule(last_at=NOW, next_at=NOW + HOUR)
    found = turn("30 3 * * *", memory, NOW + HOUR)
    assert found == Turn(False, Schedule(last_at=NOW, next_at=NOW + timedelta(hours=15, minutes=30)))


def test_without_a_schedule_nothing_is_remembered() -> None:
    assert turn(None, Schedule(last_at=NOW, next_at=NOW), NOW + HOUR) == Turn(False, None)
