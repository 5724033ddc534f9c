from weir_operator.clients.pacing import Pace


def test_a_burst_leaves_at_once_and_then_the_rate_holds() -> None:
    pace = Pace(qps=10.0, burst=3, now=100.0)
    waits = [round(pace.reserve(100.0), 6) for _ in range(6)]
    assert waits == [0.0, 0.0, 0.0, 0.1, 0.2, 0.3]


def test_credit_that_is_not_used_never_grows_beyond_the_burst() -> None:
    pace = Pace(qps=10.0, burst=2, now=0.0)
    assert [round(pace.reserve(1000.0), 6) for _ in range(4)] == [0.0, 0.0, 0.1, 0.2]


def test_over_any_time_no_more_leave_than_the_rate_and_one_burst() -> None:
    pace, now, left = Pace(qps=50.0, burst=100, now=0.0), 0.0, 0
    while now < 10.0:
        now += pace.reserve(now)
        left += now < 10.0
    assert left <= 50 * 10 + 100


def test_after_a_pause_nobody_rushes_in() -> None:
    pace = Pace(qps=10.0, burst=100, now=0.0)
    pace.pause(0.0, 5.0)
    assert [round(pace.reserve(0.0), 6) for _ in range(3)] == [5.1, 5.2, 5.3]


def test_what_people_wait_for_leaves_ahead_of_what_waits() -> None:
    pace = Pace(qps=10.0, burst=2, now=0.0)
    assert [round(pace.reserve(0.0), 6) for _ in range(4)] == [0.0, 0.0, 0.1, 0.2]
    assert round(pace.reserve(0.0, ahead=True), 6) == 0.1, (
        "two places of its reserve are spoken for by those that wait"
    )
    assert round(pace.reserve(0.0), 6) == 0.4, "the others pay it back"


def test_the_reserve_of_those_ahead_is_as_large_as_the_burst_and_then_the_rate_holds() -> None:
    pace = Pace(qps=10.0, burst=2, now=0.0)
    assert [round(pace.reserve(0.0, ahead=True), 6) for _ in range(6)] == [0.0, 0.0, 0.0, 0.0, 0.1, 0.2]


def test_in_a_pause_nobody_goes_ahead() -> None:
    pace = Pace(qps=10.0, burst=100, now=0.0)
    pace.pause(0.0, 5.0)
    assert [round(pace.reserve(0.0, ahead=True), 6) for _ in range(3)] == [5.0, 5.0, 5.0]
