"""What becomes of a job's state when its resource is deleted: it stays, it ends in a savepoint, or nothing is left (O11)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

POLICIES = {"retain": "Retain", "savepoint": "Savepoint", "purge": "Purge"}


def test_a_deleted_job_leaves_what_its_policy_says(stage: Stage) -> None:
    for name, policy in POLICIES.items():
        job = stage.counting(name, rows=100_000, rate=20, job={"parallelism": 1}, deletionPolicy=policy)
        stage.apply(job)
    for name in POLICIES:
        stage.wait_condition(name, "Ready")
        stage.wait_checkpoint(name, after=1)

    stage.kubectl("delete", "streamjobs.weir.dev", *POLICIES, "--timeout=120s")
    for name in POLICIES:
        stage.wait_no_pods(name)

    left = {name: stage.objects(f"{name}/") for name in POLICIES}
    kept = [key for key in left["retain"] if key.endswith("/_metadata")]
    assert any("/chk-" in key for key in kept), left["retain"]
    assert not any(key.startswith("retain/savepoints/") for key in kept)
    assert any(
        key.startswith("savepoint/savepoints/") and key.endswith("/_metadata") for key in left["savepoint"]
    )
    assert [key for key in left["purge"] if not key.startswith("purge/out/")] == []
    for name in POLICIES:
        rows = stage.output(name)
        assert rows, "what was committed is the user's"
        assert exactness.faults(rows) == []
    owned = stage.kubectl(
        "get",
        "all,configmaps,secrets,pdb,networkpolicies,controllerrevisions",
        "-l",
        f"weir.dev/job in ({','.join(POLICIES)})",
        "-o",
        "name",
    )
    assert owned.split() == []
