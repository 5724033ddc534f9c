"""Another parallelism for a job that runs: TaskManagers are added first, then the job is rescaled, then spare ones go.

Those that go are those without a subtask: the job would have to recover from the loss of another one. No other pod is touched. If the added ones find no place in time, the job goes on as it was, and why is said.
"""

from __future__ import annotations

from datetime import timedelta

from weir_operator.models import Rescale, StreamJobSpec
from weir_operator.observed import Component, JobManagerReport, JobState
from weir_operator.reconciler.actions import MarkSpare, RescaleJob
from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.sizing import slots_for, task_managers_for

#: Added TaskManagers must be there within this time.
PATIENCE = timedelta(minutes=2)
#: After a rescale that was given up.
RETRY = timedelta(minutes=5)


def scale(moment: Moment, draft: Draft) -> None:
    """Bring the job and its TaskManagers to the parallelism that is asked for."""
    deployed = draft.deployed
    assert deployed is not None
    report = moment.report(deployed.run)
    if (
        report is None
        or report.ending is not None
        or report.parallelism is None
        or draft.status.end is not None
    ):
        return
    spec = moment.revision_spec(deployed.revision) or moment.spec
    wanted = moment.spec.job.parallelism
    if wanted == deployed.parallelism:
        _arrive(moment, draft, spec, report)
    elif moment.spec.paused:
        draft.wait(f"paused: the parallelism stays {deployed.parallelism} although {wanted} is asked for")
    elif report.state is JobState.RUNNING and report.parallelism == deployed.parallelism:
        _leave(moment, draft, spec, report, wanted)
    if report.state is JobState.RUNNING and not moment.spec.paused:
        _mark_spare(moment, draft, report)


def _leave(moment: Moment, draft: Draft, spec: StreamJobSpec, report: JobManagerReport, wanted: int) -> None:
    """The job has the old parallelism: add what it needs for the new one, then ask for it."""
    deployed, rescale = draft.deployed, draft.status.rescale
    assert deployed is not None
    if rescale is None or rescale.parallelism != wanted:
        rescale = Rescale(parallelism=wanted, began_at=moment.now)
        draft.say("Rescaling", f"from parallelism {deployed.parallelism} to {wanted}")
    elif rescale.retry_at is not None and moment.now < rescale.retry_at:
        draft.block("UpgradeBlocked", "RescaleFailed", rescale.failure or "")
        draft.look_again(rescale.retry_at - moment.now)
        return
    elif rescale.retry_at is not None:
        rescale = Rescale(parallelism=wanted, began_at=moment.now)
    draft.record(rescale=rescale)
    needed = max(task_managers_for(spec, wanted, report), deployed.task_managers)
    if len(report.task_managers) * spec.task_manager.slots >= slots_for(wanted, report):
        draft.record(deployed=deployed.model_copy(update={"parallelism": wanted, "task_managers": needed}))
        draft.do(RescaleJob(run=deployed.run, parallelism=wanted))
        return
    if moment.now - rescale.began_at >= PATIENCE:
        _give_up(moment, draft, spec, report, f"{_missing(moment, deployed.run)}")
        return
    draft.record(deployed=deployed.model_copy(update={"task_managers": needed}))
    draft.wait(f"{needed} TaskManagers for parallelism {wanted}", at_most=5)


def _arrive(moment: Moment, draft: Draft, spec: StreamJobSpec, report: JobManagerReport) -> None:
    """The job was asked for this parallelism: see that it takes it, and then that it has no more pods than it needs."""
    deployed, rescale = draft.deployed, draft.status.rescale
    assert deployed is not None
    if report.parallelism == deployed.parallelism:
        needed = task_managers_for(spec, deployed.parallelism, report)
        if report.state is JobState.RUNNING or needed > deployed.task_managers:
            draft.record(deployed=deployed.model_copy(update={"task_managers": needed}))
        if rescale is not None and report.state is JobState.RUNNING:
            if rescale.failure is None:
                draft.say("Rescaled", f"the job runs with parallelism {deployed.parallelism}")
            draft.record(rescale=None)
        return
    if report.state is not JobState.RUNNING:
        return
    if (
        rescale is not None
        and moment.now - rescale.began_at >= 2 * PATIENCE
        and report.parallelism is not None
    ):
        draft.record(deployed=deployed.model_copy(update={"parallelism": report.parallelism}))
        _give_up(moment, draft, spec, report, "the JobManager did not change it in time")
        return
    draft.do(RescaleJob(run=deployed.run, parallelism=deployed.parallelism))
    draft.wait(f"the job to have parallelism {deployed.parallelism}", at_most=5)


def _mark_spare(moment: Moment, draft: Draft, report: JobManagerReport) -> None:
    """A Deployment that shrinks takes whichever pods it likes, unless it is told which of them nobody needs.

    A mark is taken back when nothing is to go any more and nothing is on its way out: before that the Deployment may not have chosen yet.
    """
    deployed = draft.deployed
    assert deployed is not None
    facts = moment.run(deployed.run)
    if facts is None or facts.taskmanager is None:
        return
    here = [
        pod for pod in facts.pods if pod.component is Component.TASKMANAGER and pod.deleting_since is None
    ]
    surplus = max(0, facts.taskmanager.replicas - deployed.task_managers)
    idle = [pod for pod in here if pod.name in report.idle_task_managers]
    going = sorted(idle, key=lambda pod: not pod.spare)[:surplus]
    draft.do(*(MarkSpare(name=pod.name, uid=pod.uid) for pod in going if not pod.spare))
    if not surplus and len(here) <= facts.taskmanager.replicas:
        draft.do(*(MarkSpare(name=pod.name, uid=pod.uid, spare=False) for pod in here if pod.spare))


def _give_up(moment: Moment, draft: Draft, spec: StreamJobSpec, report: JobManagerReport, why: str) -> None:
    """Back to what the job has, and say why."""
    deployed, rescale = draft.deployed, draft.status.rescale
    assert deployed is not None
    assert rescale is not None
    assert report.parallelism is not None
    message = (
        f"parallelism {rescale.parallelism} could not be reached: {why}. The job goes on with {report.parallelism}; it is tried "
        f"again every {RETRY}. Make room, or set job.parallelism to {report.parallelism}"
    )
    draft.record(
        rescale=rescale.model_copy(update={"failure": message, "retry_at": moment.now + RETRY}),
        deployed=deployed.model_copy(
            update={
                "parallelism": report.parallelism,
                "task_managers": task_managers_for(spec, report.parallelism, report),
            }
        ),
    )
    draft.block("UpgradeBlocked", "RescaleFailed", message)
    draft.look_again(RETRY)


def _missing(moment: Moment, run: int) -> str:
    """Why TaskManagers are not there: the quota, the scheduler, the image."""
    facts = moment.run(run)
    if facts is None:
        return "its TaskManagers are not there"
    if facts.taskmanager is not None and facts.taskmanager.failure is not None:
        return f"Deployment {facts.taskmanager.name} cannot make pods: {facts.taskmanager.failure}"
    for pod in facts.pods:
        if pod.component is Component.TASKMANAGER and pod.unschedulable is not None:
            return f"pod {pod.name} finds no node: {pod.unschedulable}"
        for container in pod.containers:
            if pod.component is Component.TASKMANAGER and container.waiting_reason is not None:
                return f"pod {pod.name} waits: {container.waiting_reason} {container.waiting_message or ''}".rstrip()
    return f"the added TaskManagers did not register within {PATIENCE}"
