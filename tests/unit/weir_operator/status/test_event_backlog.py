"""Events that wait while the API server is away: which are dropped when there is no more room, and what becomes of them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from weir_operator.clients.kinds import Kind
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.errors import TemporaryError
from weir_operator.status.events import BACKLOG, Backlog, Create, EventPoster, Said


def said(reason: str, *, warning: bool = False) -> Said:
    return Said({}, reason, "text", warning, Create(reason))


def resource(uid: str) -> dict[str, Any]:
    metadata = {"name": uid, "namespace": "air", "uid": uid}
    return {"apiVersion": "weir.dev/v1alpha1", "kind": "StreamJob", "metadata": metadata}


class Writes:
    """In place of a client: notes of the events that were created."""

    def __init__(self, failures: int = 0) -> None:
        self.notes: list[str] = []
        self.attempts, self._failures = 0, failures

    async def create(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        self.attempts += 1
        if self.attempts <= self._failures:
            raise TemporaryError("away", delay=1.0)
        self.notes.append(body["note"])
        return body


async def write_all(poster: EventPoster, writes: Writes, attempts: int) -> None:
    writing = asyncio.create_task(poster.run(cast("Kubernetes", writes)))
    for _ in range(10):  # nothing of this leaves the loop
        await asyncio.sleep(0)
    writing.cancel()
    assert writes.attempts == attempts


def test_they_are_taken_in_the_order_in_which_they_came() -> None:
    backlog = Backlog(3)
    assert [backlog.put(said(reason)) for reason in "abc"] == [None] * 3
    assert [backlog.take().reason for _ in range(3)] == ["a", "b", "c"]


def test_without_room_what_comes_is_dropped() -> None:
    backlog = Backlog(2)
    for reason in "ab":
        backlog.put(said(reason))
    late = said("c")
    assert backlog.put(late) is late
    assert [backlog.take().reason for _ in range(2)] == ["a", "b"]


def test_without_room_a_warning_takes_the_place_of_the_oldest_that_is_none() -> None:
    backlog = Backlog(3)
    for held in (said("warning", warning=True), said("old"), said("new")):
        backlog.put(held)
    dropped = backlog.put(said("late warning", warning=True))
    assert dropped is not None
    assert dropped.reason == "old"
    assert [backlog.take().reason for _ in range(3)] == ["warning", "new", "late warning"]


def test_among_warnings_alone_a_late_one_is_dropped() -> None:
    backlog, late = Backlog(1), said("late", warning=True)
    backlog.put(said("first", warning=True))
    assert backlog.put(late) is late


def test_what_was_dropped_is_counted_and_is_new_when_it_is_said_again() -> None:
    async def scenario() -> None:
        dropped: list[None] = []
        poster = EventPoster("one", lambda: 0.0, lambda: dropped.append(None))
        for number in range(BACKLOG + 5):
            poster.say(resource(str(number)), "Failed", f"boom {number}")
        assert len(dropped) == 5
        writes = Writes()
        await write_all(poster, writes, BACKLOG)
        poster.say(resource(str(BACKLOG)), "Failed", f"boom {BACKLOG}")
        await write_all(poster, writes, BACKLOG + 1)
        assert writes.notes == [f"boom {number}" for number in range(BACKLOG + 1)]

    asyncio.run(scenario())


def test_repeats_take_no_room_while_nothing_can_be_written() -> None:
    async def scenario() -> None:
        dropped: list[None] = []
        poster = EventPoster("one", lambda: 0.0, lambda: dropped.append(None))
        for _ in range(100 * BACKLOG):
            poster.say(resource("a"), "Failed", "boom", warning=True)
        assert not dropped

    asyncio.run(scenario())


def test_one_that_cannot_be_written_does_not_stop_the_others() -> None:
    async def scenario() -> None:
        poster, writes = EventPoster("one", lambda: 0.0), Writes(failures=1)
        for number in range(3):
            poster.say(resource(str(number)), "Failed", f"boom {number}")
        await write_all(poster, writes, 3)
        assert writes.notes == ["boom 1", "boom 2"]

    asyncio.run(scenario())
