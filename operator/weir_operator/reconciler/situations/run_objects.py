"""The actions that keep a run's objects as they should be."""

from __future__ import annotations

from weir_operator.models import StreamJobSpec
from weir_operator.models.memory import StartDirective as StartMemory
from weir_operator.observed import StartDirective
from weir_operator.reconciler.actions import Activate, DeleteRun, EnsureRun, EnsureShared
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.saved_specs import giving_up_state
from weir_operator.reconciler.situations.drifting import tell_corrected
from weir_operator.reconciler.situations.given_up import given_up


def ensure(moment: Moment, draft: Draft) -> None:
    """All objects of the run that should be there; and a standby that is it by now is told so."""
    deployed = draft.deployed
    assert deployed is not None
    spec = moment.revision_spec(deployed.revision)
    if spec is None and draft.status.revisions and draft.status.revisions[-1].revision == deployed.revision:
        spec = moment.spec
    if spec is None:
        return  # its revision was lost and the spec is another by now: what is there stays
    tell_corrected(moment, draft)
    draft.do(
        *run_objects(
            moment,
            spec,
            run=deployed.run,
            revision=deployed.revision,
            parallelism=deployed.parallelism,
            task_managers=deployed.task_managers,
            start=deployed.start,
            standby=deployed.standby,
        )
    )
    report = moment.report(deployed.run)
    if report is not None and report.standby:
        draft.do(Activate(run=deployed.run, start=directive(moment, deployed.run, deployed.start)))


def tend(moment: Moment, draft: Draft) -> None:
    """The run that should be there is kept well, and runs that nothing asks for go."""
    remove_strays(moment, draft)
    if draft.deployed is not None:
        ensure(moment, draft)


def remove_strays(moment: Moment, draft: Draft) -> None:
    """Runs that nothing asks for."""
    kept = {draft.deployed.run} if draft.deployed is not None else set()
    if draft.upgrade is not None and draft.upgrade.run is not None:
        kept.add(draft.upgrade.run)
    highest = max(moment.observed.runs, default=0)
    if highest > draft.status.highest_run:
        # Somebody knows more than this status. Nothing is removed in the same pass.
        draft.record(highest_run=highest)
        return
    draft.do(*(DeleteRun(run=run) for run in sorted(moment.observed.runs) if run not in kept))


def run_objects(
    moment: Moment,
    spec: StreamJobSpec,
    *,
    run: int,
    revision: int,
    parallelism: int,
    task_managers: int,
    start: StartMemory | None = None,
    standby: bool = False,
) -> tuple[EnsureShared, EnsureRun]:
    """What all runs share, and what this one has of its own."""
    spec = giving_up_state(spec, moment.spec.job.allow_non_restored_state)
    return (
        EnsureShared(spec=spec, task_managers=task_managers),
        EnsureRun(
            run=run,
            revision=revision,
            spec=spec,
            start=directive(moment, run, start or StartMemory()),
            standby=standby,
            task_managers=task_managers,
            parallelism=parallelism,
            alone=not standby,
            given_up=given_up(moment),
        ),
    )


def directive(moment: Moment, run: int, start: StartMemory) -> StartDirective:
    """What the run is told."""
    return StartDirective(
        run=run,
        mode=start.mode,
        path=start.path,
        expected_tail=start.expected_tail,
        allow_non_restored_state=moment.spec.job.allow_non_restored_state,
        restore_policy=moment.spec.restore.policy,
    )
