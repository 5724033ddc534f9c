"""Ten thousand objects that are nonsense, in one world with a job that is none: each is read or told of, and nobody else suffers."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

from tests.support.nonsense import child, scribble
from tests.support.operator_process import stream_job
from weir_operator.clients.jobmanager import Endpoint, JobManagers
from weir_operator.clients.kinds import KINDS, STREAM_JOB
from weir_operator.observer.drift import Drift
from weir_operator.observer.job import JobObserver
from weir_operator.observer.world import World
from weir_operator.reconciler.plan import Plan, plan
from weir_operator.reconciler.reading import Readings, status_of
from weir_operator.status.conditions import refused

SEED = 20260131
RESOURCES, CHILDREN = 1000, 9000
NOW = datetime(2026, 1, 31, tzinfo=UTC)
KINDS_BY_RESOURCE = {f"{kind.api_version}/{kind.plural}": kind for kind in KINDS.values()}


class Passes:
    """What a pass over a resource decides, with nothing but the world to know of."""

    def __init__(self) -> None:
        self.world, self._readings = World(), Readings()
        self._observer = JobObserver(self.world, Drift(), JobManagers(), self._nowhere, lambda: NOW)

    @staticmethod
    def _nowhere(*_: Any) -> Endpoint:
        raise AssertionError("nothing that was made up is called")

    def over(self, name: str) -> Plan | tuple[str, ...]:
        """The plan, or what is said to be wrong where none can be made."""
        body = self.world.resources.get(STREAM_JOB, ("default", name))
        assert body is not None
        revisions = self._observer.revisions(("default", name), body["metadata"]["uid"])
        reading = self._readings.read(body, revisions)
        if reading.job is None:
            refused(status_of(body), reading.faults, generation=1, now=NOW).written()
            return reading.faults
        observed = asyncio.run(self._observer.observe(reading.job))
        made = plan(reading.job, observed, NOW, reading.faults)
        made.status.written()
        return made


def test_each_of_ten_thousand_objects_that_are_nonsense_is_borne() -> None:
    rng, passes = random.Random(SEED), Passes()

    def note(name: str, body: dict[str, Any]) -> None:
        metadata = {**body["metadata"], "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}
        passes.world.note(
            STREAM_JOB, {"apiVersion": "weir.dev/v1alpha1", "kind": "StreamJob", **body, "metadata": metadata}
        )

    for name in ("good", "alone"):  # the first has some of the objects below under its label
        note(name, stream_job(name))
    clean = passes.over("alone")
    names = [f"bad-{number}" for number in range(RESOURCES)]
    for name in names:
        note(name, scribble(rng, {**stream_job(name), "status": {"run": 0, "conditions": []}}))
    for number in range(CHILDREN):
        resource, body = child(rng, number)
        body["metadata"] |= {"uid": f"uid-of-{number}", "resourceVersion": "1"}
        passes.world.note(KINDS_BY_RESOURCE[resource], body)
    outcomes = [passes.over(name) for name in names]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    assert all(refusals), "what cannot be planned for is told why"
    assert len(refusals) > RESOURCES / 4, "and much of it cannot"
    assert any(isinstance(outcome, Plan) for outcome in outcomes)
    assert isinstance(passes.over("good"), Plan)
    assert isinstance(clean, Plan)
    assert passes.over("alone") == clean
