"""A census is of many lists. What those told that succeeded is known from then on, so whom it concerns is said whatever became of the
others: neither the watch nor the next census has it as news."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from weir_operator.clients.kinds import NETWORK_POLICY, POD, STREAM_JOB, STREAM_JOB_SNAPSHOT, Kind
from weir_operator.clients.refusals import Unanswered
from weir_operator.observer.world import World

KEY = ("ns", "flights")
JOB: dict[str, Any] = {
    "metadata": {"namespace": "ns", "name": "flights", "uid": "u", "resourceVersion": "50"},
    "spec": {},
}
A_POD: dict[str, Any] = {
    "metadata": {
        "namespace": "ns",
        "name": "flights-1-jm-x",
        "uid": "p",
        "resourceVersion": "51",
        "creationTimestamp": "2025-01-01T12:00:00Z",
        "labels": {"weir.dev/job": "flights", "weir.dev/run": "1", "weir.dev/component": "jobmanager"},
    },
}


class Lists:
    """What the API server has, but for the lists that it does not answer."""

    def __init__(self, *unanswered: Kind) -> None:
        self.unanswered = unanswered

    async def pages(
        self, kind: Kind, namespace: str | None, labels: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        if kind in self.unanswered:
            raise Unanswered("500")
        await asyncio.sleep(0)  # its answer comes after the failure
        items = {STREAM_JOB: [JOB], POD: [A_POD]}.get(kind, [])
        yield {"metadata": {"resourceVersion": "60"}, "items": items}


def census(world: World, *unanswered: Kind) -> Any:
    client: Any = Lists(*unanswered)
    return asyncio.run(world.census(client, None))


def test_of_a_census_that_succeeds_all_is_said_once() -> None:
    world = World()
    first = census(world)
    assert (first.concerned, first.failure) == ({(STREAM_JOB, KEY)}, None)
    assert census(world).concerned == frozenset()


@pytest.mark.parametrize("unanswered", [NETWORK_POLICY, STREAM_JOB_SNAPSHOT, POD])
def test_one_list_that_fails_keeps_nobody_from_what_another_told(unanswered: Kind) -> None:
    world = World()
    found = census(world, unanswered)
    assert found.concerned == {(STREAM_JOB, KEY)}
    assert isinstance(found.failure, Unanswered)
    assert world.note(STREAM_JOB, JOB) == set(), "it is no news to the watch"


def test_what_a_list_would_have_told_that_failed_is_told_by_the_next() -> None:
    world = World()
    assert census(world, STREAM_JOB, POD).concerned == frozenset()
    assert census(world).concerned == {(STREAM_JOB, KEY)}
