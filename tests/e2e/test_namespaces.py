"""A namespace with running jobs is deleted, while the operator lives elsewhere and together with it: it is gone, and what was committed stays (O12)."""

from __future__ import annotations

import secrets

from tests.e2e import exactness, installing
from tests.e2e import stage as stages
from tests.e2e.stage import Stage
from tests.e2e.test_kept_snapshots import snapshot


def test_namespaces_with_jobs_are_gone_when_they_are_deleted(stage: Stage) -> None:
    other = f"{stage.namespace}-{secrets.token_hex(2)}"
    stage.cluster.apply(*stages.namespace(other))
    installing.serve_also(stage.cluster, stage.namespace, other, stage.images.weir)
    with Stage(stage.cluster, other, stage.store, stage.images) as beside:
        for place in (beside, stage):
            for policy in ("Retain", "Purge"):
                job = place.counting(policy.lower(), rows=100_000, rate=20, deletionPolicy=policy)
                place.apply(job)
        for place in (beside, stage):
            for name in ("retain", "purge"):
                place.wait_condition(name, "Ready")
                place.wait_checkpoint(name, after=1)
            # Each is held by the operator, whether or not its files are to go with it.
            place.apply(snapshot("kept", job="retain"), snapshot("disposed", job="retain", dispose=True))
            for name in ("kept", "disposed"):
                wait = ("--for=jsonpath={.status.phase}=Completed", "--timeout=60s")
                place.kubectl("wait", f"streamjobsnapshots.weir.dev/{name}", *wait)

        # The operator sees to the end of its jobs; then it goes with its own namespace.
        for place in (beside, stage):
            stage.cluster.kubectl("delete", "namespace", place.namespace, "--timeout=120s", timeout=150)
            for name in ("retain", "purge"):
                rows = place.output(name)
                assert rows
                assert exactness.faults(rows) == []
                assert place.objects(f"{name}/checkpoints/"), "there was nobody left to purge"
