"""A JobManager's facts at one moment, as REST is given them: one running job with a past, one that failed to load."""

from __future__ import annotations

from msgspec import structs

from weir.checkpoint.events import AckStats
from weir.checkpoint.history import CheckpointStats, Counts, Figures, Kept, Status
from weir.checkpoint.metadata import SnapshotKind
from weir.checkpoint.start_directive import StartRefused
from weir.errors import CheckpointFailureReason, FailureKind, RestoreBlocked
from weir.graph.logical import LogicalEdge, LogicalGraph, LogicalNode, NodeKind, Partitioning
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, SubtaskId, TaskManagerId, WorkerId
from weir.jobmanager.checkpoints.facts import CheckpointFacts, RestoreFacts, checkpoints_status
from weir.jobmanager.deployment.rates import rates
from weir.jobmanager.facts import ClusterFacts, ControlFacts, JobFacts
from weir.jobmanager.history.journal import Position
from weir.jobmanager.history.restoring import Skipped
from weir.jobmanager.operations import OperationKind, Operations
from weir.jobmanager.planning import PlannedJob, planned
from weir.jobmanager.rescales.rescale_history import RescaleFacts, RescaleHistory
from weir.rpc.fingerprint import named
from weir.rpc.messages import Failure, JobSpec, TaskMetrics, WorkerInfo
from weir.rpc.requests import (
    CertificateSlot,
    CheckpointSummary,
    FailureRecord,
    JobState,
    JobStatus,
    TaskManagerStatus,
    TaskState,
    TaskStatus,
    VertexStatus,
)
from weir.rpc.task_gauges import TaskGauges

NOW = 1_700_000_100_000
START = NOW - 100_000
JOB = JobId("f1" * 16)
BROKEN = JobId("b0" * 16)
ROOT = f"s3://weir/checkpoints/{JOB}"
SPEC = JobSpec(
    name="flights",
    entrypoint="flights.job:build",
    parallelism=2,
    defaults={"heartbeat.interval": "1s"},
    overrides={"execution.checkpointing.interval": "10s", "restart-strategy.type": "fixed-delay"},
    places={"execution.checkpointing.interval": "job.yaml:7, spec.checkpoints.interval"},
    checkpoint_storage="s3://weir/checkpoints",
)


def plan_of(spec: JobSpec = SPEC) -> PlannedJob:
    nodes = (
        LogicalNode(id=1, kind=NodeKind.SOURCE, name="flights", type="source", uid="flights"),
        LogicalNode(
            id=2, kind=NodeKind.OPERATOR, name="count", type="keyed-process", uid="count", keyed=True
        ),
        LogicalNode(id=3, kind=NodeKind.SINK, name="out", type="sink", uid="out"),
    )
    edges = (
        LogicalEdge(id=0, source=1, target=2, partitioning=Partitioning.HASH),
        LogicalEdge(id=1, source=2, target=3, partitioning=Partitioning.FORWARD),
    )
    graph = LogicalGraph(name="flights", nodes=nodes, edges=edges, settings={"parallelism.default": "2"})
    return planned(spec, graph)


PLAN = plan_of()
ENUMERATOR, READER, COUNT = (vertex.id for vertex in PLAN.plan.vertices)
SUBTASKS = frozenset(
    SubtaskId(vertex.id, index) for vertex in PLAN.plan.vertices for index in range(vertex.parallelism)
)

#: By vertex and subtask: busy, idle and back-pressured milliseconds in the last second.
SHARES = {
    (ENUMERATOR, 0): (0, 1000, 0),
    (READER, 0): (150, 100, 750),
    (READER, 1): (150, 650, 200),
    (COUNT, 0): (990, 10, 0),
    (COUNT, 1): (300, 700, 0),
}


def metrics(vertex: str, index: int, seconds: int) -> TaskMetrics:
    busy, idle, backpressured = (share * seconds for share in SHARES[vertex, index])
    rows = 0 if vertex == ENUMERATOR else 1000 * seconds * (index + 1)
    return TaskMetrics(
        vertex=vertex,
        index=index,
        records_in=rows,
        records_out=rows if vertex == READER else 0,
        bytes_in=0 if vertex != COUNT else rows * 20,
        bytes_out=0 if vertex != READER else rows * 20,
        busy_ms=busy,
        idle_ms=idle,
        backpressured_ms=backpressured,
        watermark=None if vertex == ENUMERATOR else START + 1000 * seconds,
        queued_bytes=4096 if (vertex, index) == (COUNT, 0) else 0,
        gauges=TaskGauges() if vertex == ENUMERATOR else gauges(vertex, index, seconds),
    )


def gauges(vertex: str, index: int, seconds: int) -> TaskGauges:
    return TaskGauges(
        input_used=0.0078 if (vertex, index) == (COUNT, 0) else 0.0,
        output_used=0.75 if (vertex, index) == (READER, 0) else 0.0,
        window_bytes=512 * 1024,
        output_watermark=START + 1000 * seconds,
        timers_fired=seconds if vertex == COUNT else 0,
        emit_lag_ms=40 if vertex == READER else None,
        pending_records=4000 - 50 * seconds if vertex == READER else None,
        pending_bytes=None if vertex != READER else 100 * (4000 - 50 * seconds),
        mailbox_size=1,
        mailbox_latency_ms=0.25,
    )


def task(vertex: str, index: int) -> TaskStatus:
    last = metrics(vertex, index, 60)
    entered = {TaskState.INITIALIZING: NOW - 62_000, TaskState.RUNNING: NOW - 60_000}
    ended = vertex == ENUMERATOR
    return TaskStatus(
        index=index,
        attempt=3,
        state=TaskState.FINISHED if ended else TaskState.RUNNING,
        worker=WorkerId(f"tm-{'ab'[index]}-0.{index + 1}"),
        records_in=last.records_in,
        records_out=last.records_out,
        bytes_in=last.bytes_in,
        bytes_out=last.bytes_out,
        busy_ms=last.busy_ms,
        idle_ms=last.idle_ms,
        backpressured_ms=last.backpressured_ms,
        queued_bytes=last.queued_bytes,
        watermark=last.watermark,
        gauges=last.gauges,
        rates=rates(metrics(vertex, index, 55), last),
        entered={**entered, TaskState.FINISHED: NOW - 50_000} if ended else entered,
    )


def vertices() -> tuple[VertexStatus, ...]:
    found = []
    for vertex in PLAN.plan.vertices:
        tasks = tuple(task(vertex.id, index) for index in range(vertex.parallelism))
        found.append(
            VertexStatus(
                id=vertex.id,
                name=vertex.name,
                kind=vertex.kind,
                parallelism=vertex.parallelism,
                max_parallelism=vertex.max_parallelism,
                records_in=sum(each.records_in for each in tasks),
                records_out=sum(each.records_out for each in tasks),
                tasks=tasks,
            )
        )
    return tuple(found)


def stats(number: int, status: Status, acks: int = len(SUBTASKS), **more: object) -> CheckpointStats:
    triggered = NOW - (12 - number) * 10_000
    measured = {
        subtask: AckStats(
            size=100 * (position + 1),
            sync_ms=position,
            async_ms=10 + position,
            alignment_ms=2 * position,
            start_delay_ms=3,
            at_ms=triggered + 20 + position,
        )
        for position, subtask in enumerate(sorted(SUBTASKS)[:acks])
    }
    return CheckpointStats(
        checkpoint_id=CheckpointId(number),
        kind=SnapshotKind.CHECKPOINT,
        status=status,
        triggered_ms=triggered,
        duration_s=0.030 + number / 1000,
        size=sum(ack.size for ack in measured.values()) + 40,
        acknowledged=len(measured),
        subtasks=len(SUBTASKS),
        alignment_ms=max(ack.alignment_ms for ack in measured.values()),
        awaited=SUBTASKS,
        acks=measured,
        **more,
    )


def checkpoint_facts() -> CheckpointFacts:
    done = [stats(number, Status.COMPLETED, path=f"{ROOT}/chk-{number}") for number in (8, 10)]
    failed = stats(
        9,
        Status.FAILED,
        acks=3,
        failure=CheckpointFailureReason.EXPIRED,
        message="not complete after 10 s; no answer of count/1",
    )
    summary = CheckpointSummary(
        id=CheckpointId(7), path=f"{ROOT}/chk-7", duration_ms=0, bytes=900, completed_at_ms=NOW - 70_000
    )
    return CheckpointFacts(
        counts=Counts(triggered=4, completed=2, failed=1),
        in_progress=(stats(11, Status.IN_PROGRESS, acks=2),),
        recent=(done[0], failed, done[1]),
        figures=tuple(Figures(round(each.duration_s * 1000), each.size, each.stored) for each in done),
        latest_completed=done[1],
        latest_savepoint=None,
        latest_failed=failed,
        retained=frozenset({CheckpointId(10)}),
        restored=RestoreFacts(summary, savepoint=False, at_ms=NOW - 60_000),
        restores=1,
        kept={
            CheckpointId(7): Kept(f"{ROOT}/chk-7", NOW - 70_000),
            CheckpointId(10): Kept(f"{ROOT}/chk-10", done[1].ended_ms, done[1].size),
        },
        failed_in_row=1,
    )


def named_failure(**fields: object) -> Failure:
    return named(Failure(**fields))


FAILURES = (
    FailureRecord(
        failure=named_failure(
            kind=FailureKind.WORKER_LOST,
            message="worker tm-b-0.0 was ended by SIGKILL",
            worker=WorkerId("tm-b-0.0"),
        ),
        at_ms=NOW - 90_000,
        attempt=AttemptId(1),
    ),
    FailureRecord(
        failure=named_failure(
            kind=FailureKind.USER,
            message="flights/job.py:41: ValueError: no carrier (in operator 'count' (uid count), key 'AA')",
            operator="'count' (uid count)",
            subtask=1,
            traceback='Traceback (user code, most recent call last):\n  File "flights/job.py", line 41\nValueError: no carrier\n',
            worker=WorkerId("tm-b-0.2"),
        ),
        at_ms=NOW - 63_000,
        attempt=AttemptId(2),
    ),
)


def job_facts() -> JobFacts:
    checkpoints = checkpoint_facts()
    found = vertices()
    status = JobStatus(
        job_id=JOB,
        name="flights",
        state=JobState.RUNNING,
        attempt=AttemptId(3),
        epoch=Epoch(2),
        started_at_ms=START,
        ended_at_ms=None,
        restarts=2,
        records_in=found[1].records_in,
        records_out=found[2].records_in,
        vertices=found,
        checkpoints=checkpoints_status(checkpoints, enabled=True),
        failures=FAILURES,
        slots_required=2,
        slots_available=3,
        checkpoint_root=ROOT,
        notes=("goes on with checkpoint 7",),
    )
    entered = {
        JobState.CREATED: START,
        JobState.RESTARTING: NOW - 63_000,
        JobState.RUNNING: NOW - 60_000,
    }
    spent = {JobState.CREATED: 400, JobState.RUNNING: 20_000, JobState.RESTARTING: 3000}
    return JobFacts(status, SPEC, entered, PLAN, checkpoints, rescale_facts(), spent, control_facts())


def control_facts() -> ControlFacts:
    operations = Operations(lambda: NOW - 500)
    savepoint, _ = operations.begin(OperationKind.SAVEPOINT, "5a" * 16)
    operations.begin(OperationKind.CHECKPOINT, "c4" * 16)
    operations.finish(savepoint, checkpoint=CheckpointId(8), path="s3://weir/savepoints/savepoint-f1f1f1-8")
    return ControlFacts(
        Position(Epoch(2), 31),
        running_since_ms=NOW - 60_000,
        requests=operations.known(),
        skipped=(Skipped("s3://weir/checkpoints/f1f1f1/chk-8", "its _metadata is damaged"),),
    )


def standing_by() -> JobFacts:
    """A start that was planned for another tail."""
    spec = structs.replace(
        SPEC, namespace="shop", overrides={**SPEC.overrides, "taskmanager.numberOfTaskSlots": "2"}
    )
    status = JobStatus(
        job_id=JOB,
        name="flights",
        state=JobState.CREATED,
        attempt=AttemptId(0),
        epoch=None,
        started_at_ms=START,
        ended_at_ms=None,
        restarts=0,
        parallelism=2,
        slots_required=3,
        slots_available=3,
    )
    control = ControlFacts(refused=StartRefused(expected=31, found=32), stands_by=True)
    return JobFacts(status, spec, {JobState.CREATED: START}, PLAN, control=control)


def stopped() -> JobFacts:
    """Found so by a JobManager that was started again."""
    status = structs.replace(
        standing_by().status, state=JobState.FINISHED, notes=("it was stopped before",), slots_available=0
    )
    at = Position(Epoch(2), 33, "Stopped", Kept("s3://weir/savepoints/savepoint-f1f1f1-12", NOW - 100))
    return JobFacts(status, SPEC, {}, PLAN, control=ControlFacts(at, "Stopped"))


def blocked() -> JobFacts:
    """Nothing that may be restored is whole."""
    status = structs.replace(standing_by().status, state=JobState.FAILED)
    error = RestoreBlocked(
        "chk-9 is damaged", ("chk-8 (output committed with snapshot 9 would be written a second time)",)
    )
    return JobFacts(
        status, SPEC, {}, PLAN, control=ControlFacts(blocked=error, waiting="s3://weir: timed out")
    )


#: The id of the last rescale.
RESCALED = "2e" * 16


def rescale_facts() -> RescaleFacts:
    history = RescaleHistory()
    for number, (trigger, before, wanted, failure) in enumerate(
        (("0e" * 16, 1, 1, None), ("1e" * 16, 1, 8, "no slots"), (RESCALED, 1, 2, None))
    ):
        began = START + 10_000 * (number + 1)
        sizes = {ENUMERATOR: 1, READER: before, COUNT: before}
        history.began(trigger, before, wanted, sizes, began)
        history.ended(trigger, began + 500 * number, failure)
    history.began("3e" * 16, 2, 3, {ENUMERATOR: 1, READER: 2, COUNT: 2}, NOW - 200)
    return history.facts()


def broken_job() -> JobFacts:
    failure = Failure(
        kind=FailureKind.USER, message="job.py:3: NameError: name 'env' is not defined", restartable=False
    )
    status = JobStatus(
        job_id=BROKEN,
        name="broken",
        state=JobState.FAILED,
        attempt=AttemptId(0),
        epoch=None,
        started_at_ms=START,
        ended_at_ms=START + 700,
        restarts=0,
        failures=(FailureRecord(failure=failure, at_ms=START + 700, attempt=AttemptId(0)),),
    )
    spec = structs.replace(SPEC, name="broken", entrypoint="job.py")
    return JobFacts(status, spec, {JobState.CREATED: START, JobState.FAILED: START + 700})


def task_managers() -> tuple[TaskManagerStatus, ...]:
    def present(letter: str, free: int, workers: int) -> TaskManagerStatus:
        return TaskManagerStatus(
            id=TaskManagerId(f"tm-{letter}"),
            pid=100,
            slots=2,
            free=free,
            lost=False,
            silent_ms=400,
            host=f"flights-7-tm-{letter}",
            # The kubelet of the second one is late with slot b.
            authorities=("of-a", "of-b") if letter == "a" else ("of-a",),
            workers=(
                WorkerInfo(
                    worker=WorkerId(f"tm-{letter}-0.{workers}"),
                    slot=0,
                    pid=101,
                    data_address=f"10.0.0.{workers}:4000",
                ),
            ),
        )

    lost = TaskManagerStatus(id=TaskManagerId("tm-c"), pid=99, slots=2, free=0, lost=True, silent_ms=60_000)
    return present("a", 1, 1), present("b", 0, 2), lost


def cluster_facts() -> ClusterFacts:
    jobs = (broken_job(), job_facts())
    certificates = tuple(
        CertificateSlot(
            name=name, authority=f"of-{name}", not_before_ms=begins, not_after_ms=begins + 10_000_000
        )
        for name, begins in (("a", START), ("b", NOW))
    )
    return ClusterFacts(
        NOW, "1.2.3", task_managers(), jobs, run="7", instance="0b5e12ce", certificates=certificates
    )
