import asyncio

from tests.support.manual_loop import run
from weir_operator.handlers.turns import Turns
from weir_operator.handlers.workers import Workers
from weir_operator.observer.children import JobKey


class Reconciler:
    """Whose passes last ten seconds, and whose answers a tenth of one."""

    def __init__(self) -> None:
        self.unanswered: set[JobKey] = set()
        self.answered: dict[JobKey, float] = {}
        self.passes: dict[JobKey, float] = {}
        self.broken: set[JobKey] = set()

    def is_unanswered(self, key: JobKey) -> bool:
        return key in self.unanswered

    async def answer(self, key: JobKey) -> None:
        if key in self.broken:
            raise ValueError("no")
        await asyncio.sleep(0.1)
        self.unanswered.discard(key)
        self.answered[key] = asyncio.get_running_loop().time()

    async def reconcile(self, key: JobKey) -> float | None:
        self.passes[key] = round(asyncio.get_running_loop().time(), 6)
        await asyncio.sleep(10)
        return None

    async def failed(self, key: JobKey, reason: str, message: str) -> None:
        raise AssertionError(message)

    async def refresh(self, key: JobKey) -> None:
        raise AssertionError(key)


def names(stem: str, count: int) -> list[JobKey]:
    return [("jobs", f"{stem}-{number}") for number in range(count)]


def passes(places: int, reconciler: Reconciler, keys: list[JobKey], seconds: float) -> Reconciler:
    """Wake them in this order, and let that time pass."""

    async def scenario() -> None:
        workers = Workers(reconciler, Turns(places), 300.0)
        for key in keys:
            workers.wake(key)
            await asyncio.sleep(0)
        await asyncio.sleep(seconds)
        await workers.close()

    run(scenario)
    return reconciler


def test_edits_are_answered_while_all_places_are_taken() -> None:
    reconciler, edited = Reconciler(), names("edited", 4)
    reconciler.unanswered.update(edited)
    passes(2, reconciler, [*names("long", 4), *edited], 1.0)
    assert set(reconciler.passes) == set(names("long", 2))
    assert set(reconciler.answered) == set(edited)
    assert max(reconciler.answered.values()) < 0.3


def test_no_other_pass_begins_while_edits_are_answered() -> None:
    reconciler, edited = Reconciler(), names("edited", 6)
    reconciler.unanswered.update(edited)
    passes(2, reconciler, [*edited, *names("other", 1)], 1.0)
    assert len(reconciler.answered) == 6
    assert all(began >= 0.3 for began in reconciler.passes.values())


def test_edits_that_never_end_do_not_stop_other_passes() -> None:
    reconciler, edited = Reconciler(), names("edited", 100)
    reconciler.unanswered.update(edited)
    passes(1, reconciler, [*names("other", 1), *edited], 5.0)
    assert reconciler.passes[names("other", 1)[0]] <= 1.0


def test_an_answer_that_breaks_is_followed_by_its_pass() -> None:
    reconciler, key = Reconciler(), ("jobs", "one")
    reconciler.unanswered.add(key)
    reconciler.broken.add(key)
    passes(1, reconciler, [key], 1.0)
    assert key in reconciler.passes


def test_an_edit_is_answered_while_its_resource_waits_for_a_place() -> None:
    reconciler, key = Reconciler(), ("jobs", "waits")

    async def scenario() -> None:
        workers = Workers(reconciler, Turns(1), 300.0)
        for woken in (*names("long", 1), key):
            workers.wake(woken)
        await asyncio.sleep(1)
        reconciler.unanswered.add(key)
        workers.wake(key)
        await asyncio.sleep(1)
        assert reconciler.answered[key] < 1.2
        assert key not in reconciler.passes
        await asyncio.sleep(20)
        assert key in reconciler.passes, "its pass follows"
        await workers.close()

    run(scenario)


def test_a_place_that_is_waited_for_or_taken_is_given_back_at_the_end() -> None:
    async def scenario() -> None:
        turns, reconciler = Turns(1), Reconciler()
        workers = Workers(reconciler, turns, 300.0)
        for woken in names("long", 3):
            workers.wake(woken)
        await asyncio.sleep(1)
        await workers.close()
        await turns.enter()
        assert asyncio.get_running_loop().time() == 1.0

    run(scenario)
