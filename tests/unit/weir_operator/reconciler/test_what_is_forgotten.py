"""An operator lives for months and resources come and go: of one that is gone nothing is kept."""

from __future__ import annotations

import asyncio
import gc
import time
import types
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.support.direct_kubernetes import DirectKubernetes
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.stream_jobs import MINIMAL
from weir_operator.clients.kinds import KINDS, STREAM_JOB, STREAM_JOB_SNAPSHOT, Kind
from weir_operator.config import Settings
from weir_operator.errors import TemporaryError
from weir_operator.handlers.leading import Leader
from weir_operator.handlers.vitals import Vitals
from weir_operator.metrics import Metrics
from weir_operator.resources.settings import rendering

JOBS, SNAPSHOTS = "weir.dev/v1alpha1/streamjobs", "weir.dev/v1alpha1/streamjobsnapshots"
KEY = ("air", "flights")
_NOT_FOLLOWED = (types.ModuleType, type, types.FunctionType, types.FrameType, FakeKubernetes)


class Operator:
    """A leader whose watches are told by hand."""

    def __init__(self) -> None:
        self.server, settings = FakeKubernetes(), Settings()
        vitals = Vitals(time.monotonic, 60, 10)
        self.leader = Leader(
            settings, rendering(settings), b"k" * 40, DirectKubernetes(self.server), vitals, Metrics()
        )
        self._told = 0

    def listen(self) -> None:
        kinds = {f"{kind.api_version}/{kind.plural}": kind for kind in KINDS.values()}
        for _, change, resource, body in self.server.history[self._told :]:
            kind, world = kinds[resource], self.leader._world
            if kind.name not in {"Secret", "Lease", "Event"}:
                _ = world.forget(kind, body) if change == "DELETED" else world.note(kind, body)
        self._told = len(self.server.history)

    async def passes(self, kind: Kind, key: tuple[str, str], count: int = 4) -> None:
        reconciler = self.leader._workers[kind]._reconciler
        for _ in range(count):
            self.listen()
            try:
                await reconciler.answer(key)
                await reconciler.reconcile(key)
            except TemporaryError:
                await reconciler.failed(key, "Broke", "a pass broke")
                await reconciler.refresh(key)

    async def write_events(self) -> None:
        writing = asyncio.create_task(self.leader._events.run(DirectKubernetes(self.server)))
        for _ in range(100):  # nothing of this leaves the loop
            await asyncio.sleep(0)
        assert not self.leader._events._backlog
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def told_by(thing: object) -> Iterator[str]:
    """All texts that can be reached from there."""
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, _NOT_FOLLOWED):
            continue
        seen.add(id(found))
        if isinstance(found, str):
            yield found
        waiting += gc.get_referents(found)


def keeps(operator: Operator, uid: str) -> bool:
    return any(uid in text for text in told_by(operator.leader))


@pytest.mark.parametrize(
    ("kind", "resource", "spec"),
    [
        (STREAM_JOB, JOBS, MINIMAL),
        (STREAM_JOB, JOBS, {"job": 7}),
        (STREAM_JOB_SNAPSHOT, SNAPSHOTS, {"job": "other"}),
    ],
)
def test_nothing_is_kept_of_a_resource_that_is_gone(kind: Kind, resource: str, spec: dict[str, Any]) -> None:
    async def scenario() -> None:
        operator = Operator()
        made = operator.server.put(
            resource, {"metadata": {"name": KEY[1], "namespace": KEY[0]}, "spec": deepcopy(spec)}
        )
        uid = made["metadata"]["uid"]
        await operator.passes(kind, KEY)
        await operator.write_events()
        assert keeps(operator, uid), "otherwise this test looks at nothing"
        for stored, namespace, name in list(operator.server.objects):
            operator.server.remove(stored, namespace, name)
        await operator.passes(kind, KEY, 1)
        assert not keeps(operator, uid)

    asyncio.run(scenario())


def test_nothing_is_kept_of_a_resource_whose_name_another_one_has_by_now() -> None:
    async def scenario() -> None:
        operator = Operator()
        body = {"metadata": {"name": KEY[1], "namespace": KEY[0]}, "spec": deepcopy(MINIMAL)}
        uid = operator.server.put(JOBS, deepcopy(body))["metadata"]["uid"]
        await operator.passes(STREAM_JOB, KEY)
        await operator.write_events()
        for stored, namespace, name in list(operator.server.objects):
            operator.server.remove(stored, namespace, name)
        operator.server.put(JOBS, deepcopy(body))
        await operator.passes(STREAM_JOB, KEY)
        await operator.write_events()
        assert not keeps(operator, uid)

    asyncio.run(scenario())
