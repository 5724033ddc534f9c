"""The status is empty although the resource is not new: what runs is found again from labels, else from the bucket.

A resource that has our finalizer, a run or a revision was seen before. Starting it like a new one could restore what
``restore.from`` names although the job has gone far beyond that. So nothing starts before one of the two has answered.
"""

from __future__ import annotations

from weir_operator.models import Deployed, End, JobState, Revision, StartDirective
from weir_operator.models.stream_job_status import Nonces
from weir_operator.observed import BucketFacts, Ending, JobManagerReport, RunFacts, Unreachable
from weir_operator.reconciler.diff import spec_hash
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations import bucket
from weir_operator.reconciler.sizing import task_managers_for
from weir_operator.status.records import checkpoint_record
from weir_operator.upgrade.liveness import SILENCE

#: How a log that ended by itself is called in ``status.end``.
ENDED_BY_ITSELF = frozenset({Ending.FINISHED, Ending.FAILED, Ending.CANCELLED})


def find(moment: Moment, draft: Draft, finalizer: str) -> bool:
    """Fill in what the status has lost; whether the rest of the plan may go on."""
    status, observed = draft.status, moment.observed
    if status.job_id is not None:
        return True
    seen_before = finalizer in moment.job.metadata.finalizers or observed.runs or observed.revisions
    if not seen_before:
        draft.record(job_id=moment.job.job_id, nonces=nonces_of(moment))
        return True
    alive = [
        run for run in observed.runs.values() if run.jobmanager is not None and not run.jobmanager.deleting
    ]
    if alive:
        live = _owner(moment, alive)
        if live is None:
            draft.wait("a JobManager to say whose the log is", at_most=5)
            return False
        _adopt(moment, draft, live)
        return True
    answer = bucket.ask(moment, draft)
    if answer is None:
        return False
    bucket.forget(draft)
    _take_over(moment, draft, answer)
    return True


def _owner(moment: Moment, alive: list[RunFacts]) -> RunFacts | None:
    """The run that owns the log. Beside it may stand one that was being made ready, with a higher number."""
    if len(alive) == 1 and not _is_standby(alive[0]):
        return alive[0]
    claimed = [
        (report.epoch, run)
        for run in alive
        if (report := moment.report(run.run)) and report.epoch is not None
    ]
    if claimed:
        return max(claimed, key=lambda entry: entry[0])[1]
    silent = [run for run in alive if not isinstance(run.report, JobManagerReport)]
    if any(
        not isinstance(run.report, Unreachable) or moment.now - run.report.since < SILENCE for run in silent
    ):
        return None
    return max(alive, key=lambda run: run.run)


def _is_standby(run: RunFacts) -> bool:
    return isinstance(run.report, JobManagerReport) and run.report.standby


def nonces_of(moment: Moment) -> Nonces:
    """The nonces as they stand, as obeyed."""
    upgrade = moment.spec.upgrade
    return Nonces(
        restart=upgrade.restart_nonce,
        savepoint=upgrade.savepoint_nonce,
        restore=moment.spec.restore.nonce,
        rollback_to=upgrade.rollback_to,
    )


def _adopt(moment: Moment, draft: Draft, run: RunFacts) -> None:
    assert run.jobmanager is not None
    report = moment.report(run.run)
    revisions = _saved_revisions(moment)
    newest = max((saved.revision for saved in revisions), default=1)
    parallelism = (report and report.parallelism) or moment.spec.job.parallelism
    start = run.start
    deployed = Deployed(
        run=run.run,
        revision=run.jobmanager.revision or newest,
        parallelism=parallelism,
        task_managers=run.taskmanager.replicas
        if run.taskmanager is not None
        else task_managers_for(moment.spec, parallelism, None),
        start=StartDirective(mode=start.mode, path=start.path, expected_tail=start.expected_tail)
        if start is not None
        else StartDirective(),
        standby=_is_standby(run),
        began_at=moment.now,
    )
    draft.record(
        job_id=moment.job.job_id,
        nonces=nonces_of(moment),
        run=run.run,
        highest_run=max(moment.observed.runs),
        # Of a run that does not answer the worse is taken: a job with state must not be taken for a new one.
        claimed=report is None or report.epoch is not None,
        deployed=deployed,
        revisions=revisions,
    )
    draft.say("StateFound", f"the status was empty; run {run.run} was found by its labels and goes on")


def _take_over(moment: Moment, draft: Draft, found: BucketFacts) -> None:
    ended = None
    revisions = _saved_revisions(moment)
    if found.ending in ENDED_BY_ITSELF:
        # What ended is the newest spec that was saved; where none is, it counts for what the spec says now.
        newest = max((saved.revision for saved in revisions), default=None)
        ended = End(ending=found.ending, revision=newest, message="found in the bucket", at=moment.now)
    draft.record(
        job_id=moment.job.job_id,
        nonces=nonces_of(moment),
        run=found.last_run or 0,
        highest_run=found.last_run or 0,
        claimed=found.tail > 0,
        last_checkpoint=checkpoint_record(found.newest) if found.newest is not None else None,
        retained_checkpoints=tuple(map(checkpoint_record, found.retained)),
        revisions=revisions,
        end=ended if moment.spec.job.state is JobState.RUNNING else None,
    )
    if found.tail:
        where = found.newest.path if found.newest else "its beginning"
        draft.say(
            "StateFound",
            f"the status was empty; the bucket says that run {found.last_run} was the last, at {where}",
        )


def _saved_revisions(moment: Moment) -> tuple[Revision, ...]:
    own = spec_hash(moment.spec)
    return tuple(
        Revision(revision=number, spec_hash=facts.spec_hash, stable=facts.spec_hash != own)
        for number, facts in sorted(moment.observed.revisions.items())
    )
