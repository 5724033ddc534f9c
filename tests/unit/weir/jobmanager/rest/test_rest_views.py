"""Every answer of REST from the same facts, held by golden files; and what must be true of them whatever they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.support import rest_facts as facts
from weir.checkpoint.history import Status
from weir.config import Layer, Origin
from weir.ids import CheckpointId
from weir.jobmanager.operations import OperationKind, Operations
from weir.jobmanager.rest.models.jobs import PlanInfo
from weir.jobmanager.rest.views import (
    checkpoint_tasks,
    checkpoints,
    cluster,
    exceptions,
    jobs,
    metric_names,
    metrics,
    prometheus,
    report,
    rescales,
    vertices,
)
from weir.jobmanager.rest.views.figures import summary
from weir.jobmanager.rest.views.plan import plan
from weir.rpc.requests import TaskState, TaskStatus

CLUSTER = facts.cluster_facts()
BROKEN, JOB = CLUSTER.jobs
COUNT = JOB.status.vertices[2]
READER = JOB.status.vertices[1]
LAYERS = (
    Layer(Origin.FILE, {"heartbeat.interval": "1s", "heartbeat.timeout": "4s"}, {}),
    Layer(Origin.ENVIRONMENT, {"heartbeat.timeout": "5s"}, {"heartbeat.timeout": "WEIR_HEARTBEAT_TIMEOUT"}),
)


def operation(**outcome: Any) -> Any:
    operations = Operations()
    begun, _ = operations.begin(OperationKind.CHECKPOINT, "0" * 32)
    if outcome:
        operations.finish(begun, **outcome)
    found = operations.get(OperationKind.CHECKPOINT, "0" * 32)
    assert found is not None
    return checkpoints.operation(found)


ANSWERS: dict[str, Callable[[], Any]] = {
    "overview": lambda: cluster.overview(CLUSTER),
    "config": lambda: cluster.dashboard(CLUSTER),
    "taskmanagers": lambda: cluster.task_managers(CLUSTER),
    "taskmanager": lambda: cluster.task_manager(CLUSTER.task_managers[2], CLUSTER),
    "jobmanager-config": lambda: cluster.configuration(LAYERS),
    "jobmanager-metrics": lambda: metrics.asked(metrics.of_cluster(CLUSTER), "taskSlotsTotal,numRunningJobs"),
    "jobs": lambda: jobs.ids(CLUSTER),
    "jobs-overview": lambda: jobs.overview(CLUSTER),
    "job": lambda: jobs.details(JOB, facts.NOW),
    "job-weir": lambda: report.report(JOB, CLUSTER),
    "job-weir-standing-by": lambda: report.report(facts.standing_by(), CLUSTER),
    "job-weir-stopped": lambda: report.report(facts.stopped(), CLUSTER),
    "job-weir-blocked": lambda: report.report(facts.blocked(), CLUSTER),
    "job-not-planned": lambda: jobs.details(BROKEN, facts.NOW),
    "job-plan": lambda: PlanInfo(plan=plan(JOB)),
    "job-config": lambda: jobs.config(JOB),
    "job-config-not-planned": lambda: jobs.config(BROKEN),
    "job-exceptions": lambda: exceptions.exceptions(JOB, CLUSTER),
    "job-exceptions-none": lambda: exceptions.exceptions(JOB, CLUSTER, 0),
    "job-execution-result": lambda: jobs.execution_result(BROKEN, facts.NOW),
    "job-execution-result-running": lambda: jobs.execution_result(JOB, facts.NOW),
    "job-metrics": lambda: metrics.asked(
        metrics.of_job(JOB, facts.NOW), ",".join(metrics.of_job(JOB, facts.NOW))
    ),
    "job-rescales-overview": lambda: rescales.overview(JOB, facts.NOW),
    "job-rescales-history": lambda: rescales.history(JOB, facts.NOW),
    "job-rescales-summary": lambda: rescales.summary(JOB),
    "taskmanager-with-slots": lambda: cluster.task_manager(CLUSTER.task_managers[0], CLUSTER),
    "taskmanager-metrics": lambda: metrics.asked(
        metrics.of_task_manager(CLUSTER.task_managers[0]), "taskSlotsTotal,taskSlotsAvailable,numWorkers"
    ),
    "checkpoints": lambda: checkpoints.checkpoints(JOB.checkpoints),
    "checkpoints-config": lambda: checkpoints.config(JOB.planned.options, JOB.status.checkpoint_root),
    "checkpoint-completed": lambda: one_checkpoint(10),
    "checkpoint-failed": lambda: one_checkpoint(9),
    "checkpoint-in-progress": lambda: one_checkpoint(11),
    "checkpoint-subtasks": lambda: checkpoint_tasks.details(checkpoints.find(JOB.checkpoints, 10), COUNT.id),
    "checkpoint-subtasks-in-progress": lambda: checkpoint_tasks.details(
        checkpoints.find(JOB.checkpoints, 11), COUNT.id
    ),
    "checkpoint-operation": operation,
    "checkpoint-operation-done": lambda: operation(checkpoint=CheckpointId(12), path="s3://b/chk-12"),
    "checkpoint-operation-failed": lambda: operation(failure="The job failed or was cancelled: no tasks"),
    "vertex": lambda: vertices.details(COUNT, CLUSTER),
    "vertex-backpressure": lambda: vertices.back_pressure(READER, facts.NOW),
    "vertex-watermarks": lambda: vertices.watermarks(COUNT),
    "vertex-subtasktimes": lambda: vertices.times(COUNT, CLUSTER),
    "vertex-taskmanagers": lambda: vertices.task_managers(COUNT, CLUSTER),
    "vertex-metrics": lambda: metrics.asked(metrics.of_vertex(COUNT, JOB), None),
    "vertex-aggregated-metrics": lambda: metrics.aggregated(
        [metrics.of_subtask(task, JOB, COUNT) for task in COUNT.tasks],
        "numRecordsIn,busyTimeMsPerSecond",
        "min,max,sum",
    ),
    "subtask-metrics": lambda: metrics.asked(
        metrics.of_subtask(COUNT.tasks[0], JOB, COUNT),
        ",".join(metrics.of_subtask(COUNT.tasks[0], JOB, COUNT)),
    ),
}


def one_checkpoint(number: int) -> Any:
    found = checkpoints.find(JOB.checkpoints, number)
    assert found is not None
    return checkpoints.statistics(found, JOB.checkpoints, tasks=True)


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_what_was_agreed(name: str, golden: Callable[[str, str], None]) -> None:
    encoded = msgspec.json.encode(ANSWERS[name]())
    golden(f"rest/{name}.json", msgspec.json.format(encoded, indent=1).decode() + "\n")


def test_the_page_of_metrics_is_what_was_agreed(golden: Callable[[str, str], None]) -> None:
    golden("rest/metrics.txt", prometheus.exposition(CLUSTER))


def test_each_line_of_the_page_of_metrics_belongs_to_a_family_that_was_announced() -> None:
    announced: dict[str, str] = {}
    seen: set[str] = set()
    for line in prometheus.exposition(CLUSTER).splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split(" ")
            assert name not in announced, "all lines of a family stand together"
            announced[name] = kind
        elif not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            assert series.partition("{")[0] in announced
            assert series not in seen
            seen.add(series)
            float(value)
    assert all(name.startswith("weir_") for name in announced)
    assert {name for name, kind in announced.items() if kind == "counter"} == {
        name for name in announced if name.endswith("_total")
    }


def test_label_values_are_escaped() -> None:
    odd = msgspec.structs.replace(JOB.status, name='a "b"\\\n')
    page = prometheus.exposition(facts.ClusterFacts(0, "1", (), (facts.JobFacts(odd, facts.SPEC, {}),)))
    assert r'job="a \"b\"\\\n"' in page


def test_times_of_each_subtask_add_up_to_a_second() -> None:
    for vertex in JOB.status.vertices:
        for task in vertex.tasks:
            shown = metrics.of_subtask(task, JOB, vertex)
            names = ("busyTimeMsPerSecond", "idleTimeMsPerSecond", "backPressuredTimeMsPerSecond")
            assert sum(shown[name] for name in names) == 1000


@pytest.mark.parametrize(
    ("table", "given"),
    [
        (metric_names.CLUSTER, metrics.of_cluster(CLUSTER)),
        (metric_names.TASK_MANAGER, metrics.of_task_manager(CLUSTER.task_managers[0])),
        (metric_names.JOB, metrics.of_job(JOB, facts.NOW)),
        (metric_names.SUBTASK, metrics.of_subtask(READER.tasks[0], JOB, READER)),
    ],
    ids=["cluster", "TaskManager", "job", "subtask"],
)
def test_the_published_names_are_the_ones_that_are_given(table: Any, given: Any) -> None:
    assert sorted(row.name for row in table) == sorted(given)


def test_time_in_a_state_is_of_now_and_of_all_times_together() -> None:
    shown = metrics.of_job(JOB, facts.NOW)
    assert (shown["runningTime"], shown["runningTimeTotal"]) == (60_000, 80_000)
    assert (shown["restartingTime"], shown["restartingTimeTotal"]) == (0, 3000)
    assert shown["numRescales"] == 1


def test_series_stay_below_what_a_monitoring_system_is_promised() -> None:
    lines = [line for line in prometheus.exposition(CLUSTER).splitlines() if not line.startswith("#")]
    subtasks = [line for line in lines if 'subtask="1"' in line and f'vertex="{facts.COUNT}"' in line]
    of_job = [line for line in lines if 'job="flights"' in line and "subtask=" not in line]
    assert 0 < len(subtasks) <= 40
    assert 0 < len(of_job) <= 60


def test_back_pressure_points_at_what_stands_before_the_slow_vertex() -> None:
    levels = {vertex.name: vertices.back_pressure(vertex, facts.NOW).level for vertex in JOB.status.vertices}
    assert levels == {"flights (enumerator)": "ok", "flights": "high", "count -> out": "ok"}


@pytest.mark.parametrize(
    ("ratio", "word"), [(0.0, "ok"), (0.1, "ok"), (0.11, "low"), (0.5, "low"), (0.51, "high"), (1.0, "high")]
)
def test_levels_of_back_pressure_are_flinks(ratio: float, word: str) -> None:
    assert vertices.level(ratio) == word


def test_without_figures_nothing_is_said_about_back_pressure() -> None:
    silent = msgspec.structs.replace(READER, tasks=(TaskStatus(index=0, state=TaskState.INITIALIZING),))
    shown = vertices.back_pressure(silent, facts.NOW)
    assert (shown.status, shown.level, shown.subtasks) == ("deprecated", None, ())


def test_the_users_line_comes_first_in_the_root_cause() -> None:
    shown = exceptions.exceptions(JOB, CLUSTER)
    assert shown.root_exception is not None
    assert shown.root_exception.startswith("flights/job.py:41: ValueError: no carrier")
    newest, oldest = shown.exception_history.entries
    assert newest.exception_name == "ValueError"
    assert newest.task_name == "'count' (uid count) (2/2)"
    assert newest.task_manager_id == "tm-b"
    assert oldest.timestamp < newest.timestamp


def test_a_cut_history_says_so() -> None:
    shown = exceptions.exceptions(JOB, CLUSTER, 1)
    assert len(shown.exception_history.entries) == 1
    assert shown.truncated
    assert shown.exception_history.truncated


def test_settings_name_who_set_them() -> None:
    origins = {setting.key: setting.origin for setting in jobs.config(JOB).settings}
    assert origins["execution.checkpointing.interval"] == "job.yaml:7, spec.checkpoints.interval"
    assert origins["parallelism.default"] == "the job's code"
    entries = {entry.key: entry for entry in cluster.configuration(LAYERS)}
    assert (entries["heartbeat.timeout"].value, entries["heartbeat.timeout"].origin) == ("5s", "environment")
    assert entries["heartbeat.interval"].origin == "file"
    assert entries["job.load-timeout"].origin == "default"


def test_a_subsumed_checkpoint_is_called_discarded_and_the_retained_one_is_not() -> None:
    shown = {each.id: each for each in checkpoints.checkpoints(JOB.checkpoints).history}
    assert list(shown) == [11, 10, 9, 8]
    assert (shown[8].discarded, shown[10].discarded) == (True, False)
    assert shown[9].status == Status.FAILED.value


def test_percentiles_lie_between_the_figures_next_to_them() -> None:
    found = summary([10, 20, 30, 40])
    assert (found.min, found.max, found.avg, found.p50, found.p90) == (10, 40, 25, 25.0, 37.0)
    assert summary([7]) == summary([7, 7])
    assert summary([]).max == 0
