"""When a schedule comes next, and which texts are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from weir_operator.models.cron import Cron

#: A Wednesday.
NOW = datetime(2024, 2, 28, 3, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("* * * * *", "2024-02-28T03:01"),
        ("0 3 * * *", "2024-02-29T03:00"),
        ("0 4 * * *", "2024-02-28T04:00"),
        ("*/15 * * * *", "2024-02-28T03:15"),
        ("5/20 1-3 * * mon-fri", "2024-02-28T03:05"),
        ("7,3 * * * *", "2024-02-28T03:03"),
        ("0 0 29 2 *", "2024-02-29T00:00"),
        ("0 0 1 JAN *", "2025-01-01T00:00"),
        ("0 0 31 * *", "2024-03-31T00:00"),
        ("0 0 13 * fri", "2024-03-01T00:00"),
        ("0 0 * * 7", "2024-03-03T00:00"),
        ("0 0 */2 * sun", "2024-03-03T00:00"),
        ("@hourly", "2024-02-28T04:00"),
        ("@weekly", "2024-03-03T00:00"),
        ("@monthly", "2024-03-01T00:00"),
        ("@yearly", "2025-01-01T00:00"),
    ],
)
def test_a_schedule_comes_next_when_cron_would_run_it(text: str, found: str) -> None:
    assert Cron.parse(text).next_after(NOW) == datetime.fromisoformat(found).replace(tzinfo=UTC)


def test_the_next_time_is_after_the_moment_itself() -> None:
    daily = Cron.parse("0 3 * * *")
    exactly = datetime(2024, 2, 28, 3, 0, tzinfo=UTC)
    assert daily.next_after(exactly) == exactly + timedelta(days=1)
    assert daily.next_after(exactly - timedelta(seconds=1)) == exactly


def test_a_moment_of_another_zone_is_understood() -> None:
    berlin = timezone(timedelta(hours=1))
    assert Cron.parse("0 3 * * *").next_after(datetime(2024, 2, 28, 3, 30, tzinfo=berlin)) == NOW.replace(
        second=0
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* * *", "has 3 fields, expected five"),
        ("@sometimes", "has 1 fields, expected five"),
        ("60 * * * *", "minute is '60'; expected numbers from 0 to 59"),
        ("* 24 * * *", "hour is '24'"),
        ("* * 0 * *", "day is '0'"),
        ("* * * 13 *", "month is '13'; expected numbers from 1 to 12, as 5, 1-5, */15 or 1,15, or jan, feb"),
        ("* * * * 8", "weekday is '8'"),
        ("5-1 * * * *", "minute is '5-1'"),
        ("*/0 * * * *", "minute is '*/0'"),
        ("+1 * * * *", "minute is '+1'"),
        ("1, * * * *", "minute is '1,'"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6 *", "never comes"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_field(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Cron.parse(text)
    assert said in str(caught.value)
