"""The function of the weather example: a flight and its report in each order, too late, never, and over a crash."""

from __future__ import annotations

import pytest

from examples.weather.job import HOUR, PATIENCE, UNKNOWN, WithWeather, place_and_hour
from weir.testing import connected_harness

NOON = 12 * HOUR
FLIGHT = {"origin": "EWR", "hour": "noon", "flight": "1"}
REPORT = {"origin": "EWR", "hour": "noon", "rain": 0.5}
JOINED = {**FLIGHT, **REPORT}


@pytest.fixture
def join():
    with connected_harness(WithWeather(), place_and_hour, place_and_hour) as harness:
        yield harness


def test_a_flight_waits_for_its_report(join):
    join.process1(FLIGHT, NOON)
    assert join.output == []
    join.process2(REPORT, NOON)
    assert join.output == [JOINED]
    assert join.state("waiting") == {}


def test_a_report_waits_for_its_flights(join):
    join.process2(REPORT, NOON)
    join.process1(FLIGHT, NOON)
    join.process1(FLIGHT, NOON)
    assert join.output == [JOINED, JOINED]


def test_the_report_of_another_airport_is_not_meant(join):
    join.process2({**REPORT, "origin": "JFK"}, NOON)
    join.process1(FLIGHT, NOON)
    assert join.output == []


def test_a_flight_gives_up_when_both_streams_are_past_its_hour(join):
    join.process1(FLIGHT, NOON)
    join.watermark1(NOON + PATIENCE)
    assert join.side_output(UNKNOWN) == []
    join.watermark2(NOON + PATIENCE)
    assert join.side_output(UNKNOWN) == [FLIGHT]
    assert (join.state("waiting"), join.timers()) == ({}, [])


def test_state_of_an_hour_is_given_back(join):
    join.process2(REPORT, NOON)
    join.watermark(NOON + PATIENCE)
    assert (join.state("report"), join.timers()) == ({}, [])


def test_who_waits_is_not_forgotten_in_a_crash(join):
    join.process1(FLIGHT, NOON)
    join.snapshot()
    join.process2(REPORT, NOON)
    join.crash()
    assert join.output == []
    join.process2(REPORT, NOON)
    join.watermark(NOON + PATIENCE)
    assert join.output == [JOINED]
    assert join.side_output(UNKNOWN) == []
