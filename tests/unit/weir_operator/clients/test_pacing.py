import asyncio

from tests.support.manual_loop import run
from weir_operator.clients.pacing import Pace, Pacer


def left_at_once(pace: Pace, now: float, *, ahead: bool = False, most: int = 1000) -> int:
    for number in range(most):
        if pace.wait(now, ahead=ahead) > 0:
            return number
        pace.take(now)
    return most


def pacer(qps: float, burst: int) -> Pacer:
    return Pacer(qps, burst, asyncio.get_running_loop().time)


async def departures(qps: float, burst: int, sorts: str) -> list[tuple[str, float]]:
    """``r``: one of the rest, ``a``: one ahead; all ask at the same time. Who left, and when."""
    waits, left = pacer(qps, burst), list[tuple[str, float]]()

    async def one(sort: str) -> None:
        await waits.turn(ahead=sort == "a")
        left.append((sort, round(asyncio.get_running_loop().time(), 6)))

    await asyncio.gather(*map(one, sorts))
    return left


def test_a_burst_leaves_at_once_and_then_the_rate_holds() -> None:
    left = run(lambda: departures(10.0, 3, "rrrrrr"))
    assert [at for _, at in left] == [0.0, 0.0, 0.0, 0.1, 0.2, 0.3]


def test_credit_that_is_not_used_never_grows_beyond_the_burst() -> None:
    assert left_at_once(Pace(qps=10.0, burst=2, now=0.0), 1000.0) == 2


def test_over_any_time_no_more_leave_than_the_rate_and_both_bursts() -> None:
    for ahead, bursts in ((False, 1), (True, 2)):
        pace = Pace(qps=50.0, burst=100, now=0.0)
        left = sum(left_at_once(pace, tick / 100, ahead=ahead) for tick in range(1000))
        assert 50 * 9 < left <= 50 * 10 + 100 * bursts


def test_after_a_pause_nobody_rushes_in() -> None:
    pace = Pace(qps=10.0, burst=100, now=0.0)
    pace.pause(0.0, 5.0)
    assert round(pace.wait(0.0), 6) == 5.1
    assert left_at_once(pace, 5.2) == 2


def test_in_a_pause_nobody_goes_ahead() -> None:
    pace = Pace(qps=10.0, burst=100, now=0.0)
    pace.pause(0.0, 5.0)
    assert round(pace.wait(0.0, ahead=True), 6) == 5.0


def test_what_people_wait_for_leaves_ahead_of_what_waits_whoever_came_first() -> None:
    left = run(lambda: departures(10.0, 2, "rrrraa"))
    assert left == [("r", 0.0), ("r", 0.0), ("a", 0.0), ("a", 0.0), ("r", 0.3), ("r", 0.4)], (
        "the reserve is as large as the burst, and the rest pays it back"
    )


def test_while_both_wait_one_of_four_is_of_the_rest() -> None:
    left = run(lambda: departures(10.0, 1, "r" * 3 + "a" * 9))
    assert "".join(sort for sort, _ in left) == "raaaraaaraaa"
    assert left[-1][1] == 1.0, "two bursts at once, and then ten at the rate"


def test_one_who_gives_up_takes_no_place() -> None:
    async def scenario() -> float:
        waits = pacer(10.0, 1)
        await waits.turn()
        gone = asyncio.create_task(waits.turn())
        next_one = asyncio.create_task(waits.turn())
        await asyncio.sleep(0)
        gone.cancel()
        await next_one
        return asyncio.get_running_loop().time()

    assert round(run(scenario), 6) == 0.1


def test_one_who_gives_up_as_the_last_leaves_others_their_turn() -> None:
    async def scenario() -> float:
        waits = pacer(10.0, 1)
        await waits.turn()
        gone = asyncio.create_task(waits.turn())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await waits.turn()
        return asyncio.get_running_loop().time()

    assert round(run(scenario), 6) == 0.1
