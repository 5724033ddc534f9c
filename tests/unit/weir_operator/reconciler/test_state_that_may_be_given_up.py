"""The flag reaches what is tried and what is begun as it is asked for now, whatever it was when the revision was saved."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.support.direct_kubernetes import DirectKubernetes
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.planned_jobs import NOW, SPEC, merged, stream_job
from tests.support.stream_jobs import SETTINGS
from weir_operator.clients.kinds import CONTROLLER_REVISION
from weir_operator.models import Deployed, StreamJob, StreamJobStatus
from weir_operator.observed import Observed, RevisionFacts
from weir_operator.observer.drift import Drift
from weir_operator.observer.world import World
from weir_operator.reconciler.actions import Action, EnsureRun, RunPreflight
from weir_operator.reconciler.apply import Applier
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.objects import Objects
from weir_operator.reconciler.runs import Runs
from weir_operator.reconciler.situations.run_objects import ensure
from weir_operator.resources.revisions import controller_revision
from weir_operator.resources.subject import Subject

Document = dict[str, Any]


def carried_out(job: StreamJob, saved: Document, action: Action) -> FakeKubernetes:
    """The objects that an action leads to, in a cluster that has revision 2."""
    server, world, drift = FakeKubernetes(), World(), Drift()
    client = DirectKubernetes(server)
    revision = controller_revision(Subject.of(job), 2, "h", saved)
    world.note(
        CONTROLLER_REVISION,
        {**revision, "metadata": {**revision["metadata"], "uid": "r", "resourceVersion": "1"}},
    )
    runs = Runs(client, world, drift, SETTINGS, lambda _uid, _run: "token")
    nobody = cast("Any", None)
    applier = Applier(client, world, runs, Objects(client, world, drift), nobody, nobody, SETTINGS)
    asyncio.run(applier.carry_out(job, [action]))
    return server


def allowed(document: str) -> bool:
    return bool(json.loads(document)["spec"]["job"].get("allowNonRestoredState", False))


@pytest.mark.parametrize("now", [True, False])
def test_a_preflight_pod_reads_it_as_it_is_now(now: bool) -> None:
    job = stream_job(job={"allowNonRestoredState": now})
    saved = merged(SPEC, {"job": {"allowNonRestoredState": not now}})
    tried = RunPreflight(purpose="p", revision=2, snapshot=None, allow_non_restored_state=now)
    (pod,) = carried_out(job, saved, tried).all("v1/pods")
    (document,) = [text for text in pod["metadata"]["annotations"].values() if text.startswith("{")]
    assert allowed(document) is now


@pytest.mark.parametrize("now", [True, False])
def test_the_files_of_a_run_say_it_as_it_is_now(now: bool) -> None:
    saved = merged(SPEC, {"job": {"allowNonRestoredState": not now}})
    deployed = Deployed(run=3, revision=2, parallelism=2, task_managers=2, began_at=NOW - timedelta(hours=1))
    job = stream_job(StreamJobStatus(deployed=deployed), job={"allowNonRestoredState": now})
    revisions = {2: RevisionFacts(revision=2, spec_hash="h", spec=saved)}
    draft = Draft(status=job.status)
    ensure(Moment(job=job, observed=Observed(revisions=revisions), now=NOW), draft)
    (action,) = [action for action in draft.actions if isinstance(action, EnsureRun)]
    (files,) = carried_out(job, saved, action).all("v1/configmaps")
    assert allowed(files["data"]["job.yaml"]) is now
    assert json.loads(files["data"]["start.json"])["allowNonRestoredState"] is now
