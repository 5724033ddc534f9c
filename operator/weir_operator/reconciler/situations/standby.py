"""Hand-over to pods that are ready: the next run is made beside the old one, and touches nothing until it is told to.

The old job runs until the standby has its plan and its slots; then it stops with a savepoint, and the standby goes on from
it without a pod having to start.
"""

from __future__ import annotations

from datetime import timedelta

from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.deciding import choose, follow
from weir_operator.reconciler.situations.old_run import of_old_run
from weir_operator.reconciler.situations.phases import in_phase_for
from weir_operator.reconciler.situations.run_objects import run_objects, tend
from weir_operator.reconciler.sizing import pods_for
from weir_operator.upgrade.liveness import Liveness

#: A standby that is not ready by then is named as what keeps the change from going on.
_SLOW = timedelta(minutes=2)


def prepare(moment: Moment, draft: Draft) -> None:
    """Make the next run ready while the old job runs."""
    upgrade, status = draft.upgrade, draft.status
    assert upgrade is not None
    assert upgrade.revision is not None
    tend(moment, draft)
    choice = choose(moment, draft)
    if of_old_run(moment, draft) in {Liveness.DOWN, Liveness.ABSENT}:
        follow(moment, draft, choice)  # nothing is gained by waiting for the standby
        return
    if upgrade.run is None:
        run = max([status.highest_run, status.run, *moment.observed.runs]) + 1
        draft.record(highest_run=run)
        draft.amend(run=run, parallelism=moment.spec.job.parallelism)
        upgrade = draft.upgrade
        assert upgrade is not None
    assert upgrade.run is not None
    assert upgrade.revision is not None
    parallelism = upgrade.parallelism or moment.spec.job.parallelism
    spec = moment.revision_spec(upgrade.revision) or moment.spec
    draft.do(
        *run_objects(
            moment,
            spec,
            run=upgrade.run,
            revision=upgrade.revision,
            parallelism=parallelism,
            task_managers=pods_for(spec, upgrade.slots_required or parallelism),
            standby=True,
        )
    )
    report = moment.report(upgrade.run)
    if report is not None and report.standby_ready:
        follow(moment, draft, choice)
        return
    if in_phase_for(upgrade, moment.now) > _SLOW:
        draft.block(
            "UpgradeBlocked",
            "StandbyNotReady",
            f"the pods of run {upgrade.run} of revision {upgrade.revision} are not ready; the job goes on as it is. See what "
            "keeps them, take the change back, or set upgrade.handover to Recreate",
        )
    draft.wait(f"the pods of run {upgrade.run} to be ready", at_most=5)
