"""Jobs as REST shows them: lists, details with every vertex, settings, the end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from weir.config import ExponentialDelay, FailureRate, FixedDelay, RestartOptions, merge_settings
from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rest.models import jobs as models
from weir.jobmanager.rest.views.plan import plan
from weir.jobmanager.rest.views.slow_edge import slow_edge
from weir.jobmanager.rest.views.times import joint_span, task_span
from weir.rpc.requests import JobState, TaskState, TaskStatus, VertexStatus

#: Flink's execution states; the ones that are none of ours are always zero.
STATES: Final = (
    "CREATED",
    "SCHEDULED",
    "DEPLOYING",
    "INITIALIZING",
    "RUNNING",
    "FINISHED",
    "CANCELING",
    "CANCELED",
    "FAILED",
    "RECONCILING",
)
#: The state of a vertex is the first of these that one of its subtasks is in.
_AGGREGATE: Final = (
    TaskState.FAILED,
    TaskState.CANCELING,
    TaskState.CANCELED,
    TaskState.INITIALIZING,
    TaskState.SCHEDULED,
    TaskState.CREATED,
    TaskState.RUNNING,
    TaskState.FINISHED,
)
_OUTCOMES: Final = {
    JobState.FINISHED: "SUCCEEDED",
    JobState.CANCELED: "CANCELED",
    JobState.FAILED: "FAILED",
    JobState.SUSPENDED: "UNKNOWN",
}


def ids(cluster: ClusterFacts) -> models.JobIds:
    """Every job and its state."""
    found = (
        models.JobIdWithStatus(id=job.status.job_id, status=job.status.state.value) for job in cluster.jobs
    )
    return models.JobIds(jobs=tuple(found))


def overview(cluster: ClusterFacts) -> models.JobsOverview:
    """Every job in a few figures."""
    return models.JobsOverview(jobs=tuple(job_overview(job, cluster.now_ms) for job in cluster.jobs))


def job_overview(job: JobFacts, now_ms: int) -> models.JobOverview:
    """One job in a few figures."""
    status = job.status
    counts = Counter(task.state.value for vertex in status.vertices for task in vertex.tasks)
    tasks = {"total": counts.total()} | {state.lower(): counts[state] for state in STATES}
    return models.JobOverview(
        jid=status.job_id,
        name=status.name,
        start_time=status.started_at_ms,
        end_time=_end(job),
        duration=_duration(job, now_ms),
        state=status.state.value,
        last_modification=max(job.entered.values(), default=status.started_at_ms),
        tasks=tasks,
    )


def details(job: JobFacts, now_ms: int) -> models.JobDetails:
    """Everything about one job but its checkpoints and exceptions."""
    status = job.status
    vertices = tuple(_vertex(vertex, job, now_ms) for vertex in status.vertices)
    return models.JobDetails(
        jid=status.job_id,
        name=status.name,
        is_stoppable=False,
        state=status.state.value,
        start_time=status.started_at_ms,
        end_time=_end(job),
        duration=_duration(job, now_ms),
        max_parallelism=max((vertex.max_parallelism for vertex in status.vertices), default=-1),
        now=now_ms,
        timestamps={state.value: job.entered.get(state, 0) for state in JobState},
        vertices=vertices,
        status_counts=count_states(vertex.status for vertex in vertices),
        plan=plan(job),
        attempt=status.attempt,
        epoch=status.epoch,
        restarts=status.restarts,
        slots_required=status.slots_required,
        slots_available=status.slots_available,
        records_in=status.records_in,
        records_out=status.records_out,
        checkpoint_root=status.checkpoint_root,
        slow_edge=slow_edge(status.vertices),
        notes=status.notes,
    )


def _vertex(vertex: VertexStatus, job: JobFacts, now_ms: int) -> models.VertexSummary:
    span = joint_span([task_span(task, now_ms) for task in vertex.tasks], now_ms)
    groups = {} if job.planned is None else {v.id: v.slot_group for v in job.planned.plan.vertices}
    return models.VertexSummary(
        id=vertex.id,
        slot_sharing_group=groups.get(vertex.id, ""),
        name=vertex.name,
        max_parallelism=vertex.max_parallelism,
        parallelism=vertex.parallelism,
        status=aggregate_state(vertex.tasks),
        start_time=span.start,
        end_time=span.end,
        duration=span.duration,
        tasks=count_states(task.state.value for task in vertex.tasks),
        metrics=io_metrics(vertex.tasks),
    )


def aggregate_state(tasks: Iterable[TaskStatus]) -> str:
    """The state of a vertex, from those of its subtasks."""
    present = {task.state for task in tasks}
    return next((state.value for state in _AGGREGATE if state in present), TaskState.CREATED.value)


def count_states(states: Iterable[str]) -> dict[str, int]:
    """How many are in each of Flink's execution states."""
    counts = Counter(states)
    return {state: counts[state] for state in STATES}


def io_metrics(tasks: tuple[TaskStatus, ...]) -> models.IoMetrics:
    """Sums over subtasks; shares of time by second are those of the average subtask."""
    rates = [task.rates for task in tasks if task.rates is not None]
    known = bool(rates)
    reported = all(task.entered.get(TaskState.RUNNING) for task in tasks)
    return models.IoMetrics(
        read_bytes=sum(task.bytes_in for task in tasks),
        read_bytes_complete=reported,
        write_bytes=sum(task.bytes_out for task in tasks),
        write_bytes_complete=reported,
        read_records=sum(task.records_in for task in tasks),
        read_records_complete=reported,
        write_records=sum(task.records_out for task in tasks),
        write_records_complete=reported,
        accumulated_backpressured_time=sum(task.backpressured_ms for task in tasks),
        accumulated_idle_time=sum(task.idle_ms for task in tasks),
        accumulated_busy_time=float(sum(task.busy_ms for task in tasks)),
        busy=_mean([rate.busy_ms for rate in rates]) if known else None,
        idle=_mean([rate.idle_ms for rate in rates]) if known else None,
        backpressured=_mean([rate.backpressured_ms for rate in rates]) if known else None,
        records_in=round(sum(rate.records_in for rate in rates), 3) if known else None,
        records_out=round(sum(rate.records_out for rate in rates), 3) if known else None,
    )


def _mean(figures: list[int]) -> float:
    return round(sum(figures) / len(figures), 1)


def config(job: JobFacts) -> models.JobConfig:
    """The settings that hold for the job, and who set them."""
    planned = job.planned
    if planned is None:
        return models.JobConfig(
            jid=job.status.job_id, name=job.status.name, execution_config=None, settings=()
        )
    spec = job.spec
    origins = merge_settings(spec.defaults, planned.code, spec.overrides, spec.places).origins
    return models.JobConfig(
        jid=job.status.job_id,
        name=job.status.name,
        execution_config=models.ExecutionConfig(
            restart_strategy=_restart_words(planned.options.restart),
            job_parallelism=planned.options.pipeline.parallelism,
            user_config=dict(sorted(planned.settings.items())),
        ),
        settings=tuple(
            models.SettingOrigin(key=key, value=value, origin=origins.get(key, "default"))
            for key, value in sorted(planned.settings.items())
        ),
    )


def _restart_words(options: RestartOptions) -> str:
    match options:
        case FixedDelay():
            return f"Fixed delay ({options.delay:g} s), up to {options.attempts} restarts"
        case ExponentialDelay():
            return (
                f"Exponential delay (from {options.initial:g} s to {options.max:g} s, "
                f"factor {options.multiplier:g})"
            )
        case FailureRate():
            return (
                f"Failure rate (at most {options.failures} failures in {options.interval:g} s, "
                f"delay {options.delay:g} s)"
            )
        case _:
            return "No restart"


def execution_result(job: JobFacts, now_ms: int) -> models.JobExecutionResult:
    """Whether the job is over, and how it ended."""
    status = job.status
    if not status.state.is_settled:
        return models.JobExecutionResult(status=models.QueueStatus(id="IN_PROGRESS"))
    cause = None
    if status.state is JobState.FAILED and status.failure is not None:
        cause = models.FailureCause(class_=status.failure.kind.value, stack_trace=status.failure.message)
    return models.JobExecutionResult(
        status=models.QueueStatus(id="COMPLETED"),
        job_execution_result=models.JobResult(
            id=status.job_id,
            application_status=_OUTCOMES[status.state],
            net_runtime=_duration(job, now_ms),
            failure_cause=cause,
        ),
    )


def _end(job: JobFacts) -> int:
    return -1 if job.status.ended_at_ms is None else job.status.ended_at_ms


def _duration(job: JobFacts, now_ms: int) -> int:
    end = job.status.ended_at_ms
    return (now_ms if end is None else end) - job.status.started_at_ms
