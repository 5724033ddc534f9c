"""``/metrics``: everything a dashboard or an alert needs, in Prometheus' text format. Pure.

Names are ``weir_*`` with base units (seconds, bytes). Labels: ``job`` (its name) and ``job_id``; for subtasks also
``operator`` (the chain's name), ``vertex`` (its id) and ``subtask``. Counters begin anew with each attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rescales.rescale_history import RescaleState
from weir.rpc.requests import JobState, TaskState, TaskStatus, VertexStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Labels = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    """One metric: its name, its type, what it says."""

    name: str
    kind: str
    help: str


class Sample(NamedTuple):
    """One value."""

    family: Family
    labels: Labels
    value: float


_TABLE: list[Family] = []


def _family(name: str, kind: str, text: str) -> Family:
    made = Family(f"weir_{name}", kind, text)
    _TABLE.append(made)
    return made


def _counter(name: str, text: str) -> Family:
    return _family(f"{name}_total", "counter", text)


def _gauge(name: str, text: str) -> Family:
    return _family(name, "gauge", text)


TASK_MANAGERS = _gauge("taskmanagers", "TaskManagers that are registered.")
SLOTS = _gauge("slots", "Worker processes of all TaskManagers.")
FREE_SLOTS = _gauge("slots_available", "Worker processes that no job holds.")

JOB_STATE = _gauge("job_state", "1 for the state that the job is in.")
JOB_START = _gauge("job_start_timestamp_seconds", "When this JobManager took the job over.")
JOB_ATTEMPT = _gauge("job_attempt", "Deployments of the job by this JobManager.")
JOB_RESTARTS = _counter("job_restarts", "Restarts after failures.")
JOB_RESCALES = _counter("job_rescales", "Rescales in place that were carried out.")
JOB_READ = _counter("job_records_in", "Rows that sources read, over all attempts.")
JOB_WRITTEN = _counter("job_records_out", "Rows that sinks were given, over all attempts.")
SLOTS_MISSING = _gauge("job_slots_missing", "Slots that the job waits for.")

CHECKPOINTS_STARTED = _counter("checkpoints_triggered", "Checkpoints and savepoints begun.")
CHECKPOINTS_DONE = _counter("checkpoints_completed", "Checkpoints and savepoints completed.")
CHECKPOINTS_FAILED = _counter("checkpoints_failed", "Checkpoints and savepoints failed.")
CHECKPOINTS_OPEN = _gauge("checkpoints_in_progress", "Checkpoints and savepoints under way.")
LAST_ID = _gauge("last_checkpoint_id", "The newest completed checkpoint.")
LAST_DURATION = _gauge("last_checkpoint_duration_seconds", "From its trigger to its completion.")
LAST_SIZE = _gauge("last_checkpoint_size_bytes", "State and metadata of the newest completed checkpoint.")
LAST_TIME = _gauge("last_checkpoint_timestamp_seconds", "When the newest checkpoint completed.")
RESTORED_TIME = _gauge("last_restore_timestamp_seconds", "When the newest attempt ran from a snapshot.")

RUNNING = _gauge("subtask_running", "1 if the subtask runs.")
RECORDS_IN = _counter("records_in", "Rows that the subtask took in.")
RECORDS_OUT = _counter("records_out", "Rows that the subtask gave out.")
BYTES_IN = _counter("bytes_in", "Bytes of rows that the subtask took in.")
BYTES_OUT = _counter("bytes_out", "Bytes of rows that the subtask gave out.")
BUSY = _counter("busy_seconds", "Time in which the subtask worked.")
IDLE = _counter("idle_seconds", "Time in which the subtask had nothing to do.")
BACKPRESSURED = _counter("backpressured_seconds", "Time in which the subtask had to wait for those after it.")
QUEUED = _gauge("input_queued_bytes", "Bytes that wait to be taken in.")
WATERMARK = _gauge("watermark_timestamp_seconds", "The subtask's input watermark, in event time.")
SENT_WATERMARK = _gauge(
    "output_watermark_timestamp_seconds", "The subtask's output watermark, in event time."
)
INPUT_USED = _gauge("input_pool_usage_ratio", "Share of the bytes that may wait at the inputs, 0 to 1.")
OUTPUT_USED = _gauge("output_pool_usage_ratio", "Share of the bytes that may be under way, 0 to 1.")
TIMERS = _counter("timers_fired", "Timers that fired.")
LATE = _counter("late_records_dropped", "Rows that came after their window was gone.")
DEAD = _counter("dead_letters", "Rows whose function raised, diverted to the dead letters of their operator.")
EMIT_LAG = _gauge(
    "emit_lag_seconds", "How old the newest row was, by its timestamp, when the source emitted it."
)
PENDING_RECORDS = _gauge(
    "source_pending_records", "Rows left of the splits that the subtask has, if the source knows it."
)
PENDING_BYTES = _gauge("source_pending_bytes", "The same in bytes: of files.")
MAILBOX = _gauge("mailbox_latency_seconds", "How long what is posted to the worker waited lately.")


#: All of them, in the order of the page.
FAMILIES: Final = tuple(_TABLE)


def exposition(cluster: ClusterFacts) -> str:
    """The whole page. Of jobs of one name only the newest is shown."""
    families: dict[Family, list[str]] = {}
    for family, labels, value in _samples(cluster):
        families.setdefault(family, []).append(f"{family.name}{_braces(labels)} {_number(value)}")
    lines: list[str] = []
    for family, values in families.items():
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}", *values]
    return "".join(f"{line}\n" for line in lines)


def _samples(cluster: ClusterFacts) -> Iterator[Sample]:
    present = [status for status in cluster.task_managers if not status.lost]
    yield Sample(TASK_MANAGERS, (), len(present))
    yield Sample(SLOTS, (), sum(status.slots for status in present))
    yield Sample(FREE_SLOTS, (), sum(status.free for status in present))
    for job in {job.spec.name: job for job in cluster.jobs}.values():
        labels = (("job", job.status.name), ("job_id", job.status.job_id))
        yield from _job(job, labels)
        yield from _checkpoints(job, labels)
        if not job.status.state.is_settled:
            for vertex in job.status.vertices:
                for task in vertex.tasks:
                    yield from _subtask(vertex, task, labels)


def _job(job: JobFacts, labels: Labels) -> Iterator[Sample]:
    status = job.status
    for state in JobState:
        yield Sample(JOB_STATE, (*labels, ("state", state.value)), status.state is state)
    yield Sample(JOB_START, labels, status.started_at_ms / 1000)
    yield Sample(JOB_ATTEMPT, labels, status.attempt)
    yield Sample(JOB_RESTARTS, labels, status.restarts)
    yield Sample(JOB_RESCALES, labels, job.rescales.counts.get(RescaleState.COMPLETED, 0))
    yield Sample(JOB_READ, labels, status.records_in)
    yield Sample(JOB_WRITTEN, labels, status.records_out)
    waits = not status.state.is_settled
    yield Sample(
        SLOTS_MISSING, labels, max(0, status.slots_required - status.slots_available) if waits else 0
    )


def _checkpoints(job: JobFacts, labels: Labels) -> Iterator[Sample]:
    facts = job.checkpoints
    if facts is None:
        return
    yield Sample(CHECKPOINTS_STARTED, labels, facts.counts.triggered)
    yield Sample(CHECKPOINTS_DONE, labels, facts.counts.completed)
    yield Sample(CHECKPOINTS_FAILED, labels, facts.counts.failed)
    yield Sample(CHECKPOINTS_OPEN, labels, len(facts.in_progress))
    last = facts.latest_completed
    if last is not None:
        yield Sample(LAST_ID, labels, last.checkpoint_id)
        yield Sample(LAST_DURATION, labels, round(last.duration_s, 3))
        yield Sample(LAST_SIZE, labels, last.size)
        yield Sample(LAST_TIME, labels, last.ended_ms / 1000)
    if facts.restored is not None:
        yield Sample(RESTORED_TIME, labels, facts.restored.at_ms / 1000)


def _subtask(vertex: VertexStatus, task: TaskStatus, job: Labels) -> Iterator[Sample]:
    labels = (*job, ("operator", vertex.name), ("vertex", vertex.id), ("subtask", str(task.index)))
    yield Sample(RUNNING, labels, task.state is TaskState.RUNNING)
    yield Sample(RECORDS_IN, labels, task.records_in)
    yield Sample(RECORDS_OUT, labels, task.records_out)
    yield Sample(BYTES_IN, labels, task.bytes_in)
    yield Sample(BYTES_OUT, labels, task.bytes_out)
    yield Sample(BUSY, labels, task.busy_ms / 1000)
    yield Sample(IDLE, labels, task.idle_ms / 1000)
    yield Sample(BACKPRESSURED, labels, task.backpressured_ms / 1000)
    yield Sample(QUEUED, labels, task.queued_bytes)
    gauges = task.gauges
    for family, mark in ((WATERMARK, task.watermark), (SENT_WATERMARK, gauges.output_watermark)):
        # The first and the last watermark of all are no times.
        if mark is not None and abs(mark) < 2**60:
            yield Sample(family, labels, mark / 1000)
    yield Sample(INPUT_USED, labels, gauges.input_used)
    yield Sample(OUTPUT_USED, labels, gauges.output_used)
    yield Sample(TIMERS, labels, gauges.timers_fired)
    yield Sample(LATE, labels, gauges.late_dropped)
    yield Sample(DEAD, labels, gauges.dead_letters)
    if gauges.emit_lag_ms is not None:
        yield Sample(EMIT_LAG, labels, gauges.emit_lag_ms / 1000)
    if gauges.pending_records is not None:
        yield Sample(PENDING_RECORDS, labels, gauges.pending_records)
    if gauges.pending_bytes is not None:
        yield Sample(PENDING_BYTES, labels, gauges.pending_bytes)
    yield Sample(MAILBOX, labels, gauges.mailbox_latency_ms / 1000)


def _braces(labels: Labels) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
