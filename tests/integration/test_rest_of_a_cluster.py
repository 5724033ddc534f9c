"""REST of a real cluster with a running job: every route, field names, time shares, bad input, cancel, a killed JobManager."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_for
from weir.errors import AddressInUse, ConfigError
from weir.ids import JobId
from weir.jobmanager.rest.routes import ROUTES
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

ROOT = str(Path(__file__).parent.parent.parent)
FAST = {"WEIR_HEARTBEAT_INTERVAL": "200ms", "WEIR_HEARTBEAT_TIMEOUT": "5s"}
#: Field names of Flink's REST that clients and dashboards read.
FIELDS = {
    "/overview": "taskmanagers slots-total slots-available jobs-running jobs-finished jobs-cancelled jobs-failed "
    "flink-version flink-commit",
    "/config": "refresh-interval timezone-name timezone-offset flink-version flink-revision features",
    "/taskmanagers/{taskmanager}": "id path dataPort jmxPort timeSinceLastHeartbeat slotsNumber freeSlots totalResource "
    "freeResource hardware memoryConfiguration blocked allocatedSlots metrics",
    "/jobs/{job}": "jid name isStoppable state start-time end-time duration maxParallelism now timestamps vertices "
    "status-counts plan stream-graph pending-operators",
    "/jobs/{job}/config": "jid name execution-config",
    "/jobs/{job}/exceptions": "root-exception timestamp all-exceptions truncated exceptionHistory",
    "/jobs/{job}/checkpoints": "counts summary latest history",
    "/jobs/{job}/checkpoints/config": "mode interval timeout min_pause max_concurrent externalization state_backend "
    "checkpoint_storage unaligned_checkpoints tolerable_failed_checkpoints aligned_checkpoint_timeout "
    "checkpoints_after_tasks_finish",
    "/jobs/{job}/checkpoints/details/{checkpoint}": "className id status is_savepoint savepointFormat "
    "trigger_timestamp latest_ack_timestamp checkpointed_size state_size end_to_end_duration alignment_buffered "
    "processed_data persisted_data num_subtasks num_acknowledged_subtasks checkpoint_type tasks external_path discarded",
    "/jobs/{job}/checkpoints/details/{checkpoint}/subtasks/{vertex}": "id status latest_ack_timestamp checkpointed_size "
    "state_size end_to_end_duration num_subtasks num_acknowledged_subtasks summary subtasks",
    "/jobs/{job}/vertices/{vertex}": "id name parallelism maxParallelism now subtasks aggregated",
    "/jobs/{job}/vertices/{vertex}/backpressure": "status backpressureLevel end-timestamp subtasks",
    "/jobs/{job}/vertices/{vertex}/subtasks/{subtask}": "subtask status attempt endpoint start-time end-time duration "
    "metrics taskmanager-id status-duration",
}


def words(text: str) -> list[str]:
    return text.split()


#: What Flink's REST serves and operators read, without uploads of code, which Weir refuses.
LISTED_READS = words("""
/overview /config /taskmanagers /taskmanagers/{taskmanager} /taskmanagers/{taskmanager}/metrics
/taskmanagers/{taskmanager}/logs /taskmanagers/{taskmanager}/log /taskmanagers/{taskmanager}/logs/taskmanager.log
/taskmanagers/{taskmanager}/thread-dump /jobmanager/config /jobmanager/metrics /jobmanager/logs /jobmanager/log
/jobmanager/logs/jobmanager.log /jobmanager/thread-dump /jars
/applications/overview /applications/{job} /applications/{job}/exceptions /applications/{job}/jobmanager/config
/jobs /jobs/overview /jobs/{job} /jobs/{job}/status /jobs/{job}/plan /jobs/{job}/config /jobs/{job}/exceptions
/jobs/{job}/metrics /jobs/{job}/accumulators /jobs/{job}/execution-result /jobs/{job}/resource-requirements
/jobs/{job}/rescales/overview /jobs/{job}/rescales/history /jobs/{job}/rescales/summary
/jobs/{job}/vertices/{vertex} /jobs/{job}/vertices/{vertex}/backpressure /jobs/{job}/vertices/{vertex}/watermarks
/jobs/{job}/vertices/{vertex}/metrics /jobs/{job}/vertices/{vertex}/subtasks/metrics
/jobs/{job}/vertices/{vertex}/flamegraph /jobs/{job}/vertices/{vertex}/taskmanagers /jobs/{job}/vertices/{vertex}/subtasktimes
/jobs/{job}/vertices/{vertex}/subtasks/{subtask} /jobs/{job}/vertices/{vertex}/subtasks/{subtask}/metrics
/jobs/{job}/checkpoints /jobs/{job}/checkpoints/config /jobs/{job}/checkpoints/details/{checkpoint}
/jobs/{job}/checkpoints/details/{checkpoint}/subtasks/{vertex} /metrics /healthz /readyz
""")
#: Metrics that operators rely on.
JOB_METRICS = words("""
lastCheckpointDuration lastCheckpointSize lastCheckpointFullSize lastCompletedCheckpointId
lastCheckpointCompletedTimestamp lastCheckpointExternalPath lastCheckpointRestoreTimestamp
numberOfInProgressCheckpoints numberOfCompletedCheckpoints numberOfFailedCheckpoints totalNumberOfCheckpoints numRestarts
numRescales runningTime restartingTime runningTimeTotal restartingTimeTotal
""")
TASK_METRICS = words("""
numRecordsIn numRecordsOut numRecordsInPerSecond numRecordsOutPerSecond numBytesOut numBytesOutPerSecond
busyTimeMsPerSecond idleTimeMsPerSecond backPressuredTimeMsPerSecond isBackPressured inPoolUsage outPoolUsage
checkpointAlignmentTime checkpointStartDelayNanos mailboxLatencyMs mailboxQueueSize initializationTime numFiredTimers
currentInputWatermark currentOutputWatermark numLateRecordsDropped debloatedBufferSize
""")
CLUSTER_METRICS = words("numRegisteredTaskManagers taskSlotsAvailable taskSlotsTotal numRunningJobs")


class Rest:
    """A client as simple as can be: it knows nothing of Weir."""

    def __init__(self, address: str, **headers: str) -> None:
        self.address = address
        self.headers = headers

    def __call__(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request(method, path, body, {**self.headers, **headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, body = self("GET", path)
        assert status == 200, (path, body)
        return json.loads(body)

    def until(self, path: str, condition: Callable[[Any], bool], seconds: float = 120) -> Any:
        found: Any = None

        def holds() -> bool:
            nonlocal found
            try:
                status, body = self("GET", path)
            except (OSError, http.client.HTTPException):
                found = "no answer"
                return False
            found = json.loads(body)
            return status == 200 and condition(found)

        wait_for(holds, lambda: f"the condition holds of {path}: {found}", seconds)
        return found


def spec(folder: Path, name: str = "steered", **more: Any) -> JobSpec:
    return JobSpec(
        name=name,
        **more,
        entrypoint="tests.support.steered_job:build",
        args=(str(folder / "out"),),
        python_path=(ROOT,),
        parallelism=2,
        overrides={
            "execution.checkpointing.interval": "500ms",
            "execution.checkpointing.num-retained": "3",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "20",
            "restart-strategy.fixed-delay.delay": "50ms",
        },
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


class Running:
    """The cluster, its job, and its REST."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        assert cluster.rest_address is not None
        self.rest = Rest(cluster.rest_address)
        self.job: JobId = cluster.submit(spec(folder))
        self.path = f"/jobs/{self.job}"

    def vertices(self) -> dict[str, str]:
        return {vertex["name"]: vertex["id"] for vertex in self.rest.get(self.path)["vertices"]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("steered")
    with LocalCluster(environment=FAST, rest="127.0.0.1:0") as cluster:
        made = Running(cluster, folder)
        made.rest.until(f"{made.path}/checkpoints", lambda found: found["counts"]["completed"] >= 2)
        yield made


def filled(running: Running, path: str) -> str:
    vertex = running.vertices()["slow"]
    newest = running.rest.get(f"{running.path}/checkpoints")["latest"]["completed"]["id"]
    manager = running.rest.get("/taskmanagers")["taskmanagers"][0]["id"]
    return path.format(
        job=running.job,
        vertex=vertex,
        subtask=0,
        attempt=0,
        checkpoint=newest,
        taskmanager=manager,
        trigger="0" * 32,
        application=running.job,
        file="taskmanager.log" if path.startswith("/taskmanagers") else "jobmanager.log",
        jar="app.jar",
    )


#: Parts of paths of routes that have nothing to show, now or ever.
NOTHING = {"{trigger}", "{rescale}", "{jar}", "stdout"}


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_every_route_that_only_looks_answers(running: Running, prefix: str) -> None:
    for route in ROUTES:
        if route.method == "GET" and not NOTHING & set(route.path.split("/")):
            path = prefix + filled(running, route.path)
            status, body = running.rest("GET", path)
            assert status == 200, (path, body)


@pytest.mark.parametrize("path", FIELDS)
def test_answers_have_flinks_field_names(running: Running, path: str) -> None:
    found = running.rest.get(filled(running, path))
    assert set(FIELDS[path].split()) - set(found) == set()


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_everything_that_flinks_clients_read_is_there(running: Running, prefix: str) -> None:
    for path in LISTED_READS:
        status, body = running.rest("GET", prefix + filled(running, path))
        assert status == 200, (path, body)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/jobmanager/metrics", CLUSTER_METRICS),
        ("/jobs/{job}/metrics", JOB_METRICS),
        ("/jobs/{job}/vertices/{vertex}/subtasks/{subtask}/metrics", TASK_METRICS),
        ("/jobs/{job}/vertices/{vertex}/metrics", [f"{i}.{name}" for i in (0, 1) for name in TASK_METRICS]),
        ("/jobs/{job}/vertices/{vertex}/subtasks/metrics", sorted({*TASK_METRICS} - {"isBackPressured"})),
    ],
)
def test_every_metric_that_operators_rely_on_is_listed_and_has_a_value(
    running: Running, path: str, names: list[str]
) -> None:
    path = filled(running, path)
    running.rest.until(path, lambda listed: {*names} <= {metric["id"] for metric in listed})
    values = running.rest.get(f"{path}?get={','.join(names)}")
    assert [metric["id"] for metric in values] == names
    for metric in values:
        assert metric.get("value", metric.get("sum")) is not None, metric


def test_the_logs_of_the_processes_are_listed_and_read(running: Running) -> None:
    manager = running.rest.get("/taskmanagers")["taskmanagers"][0]["id"]
    for path, name in (("/jobmanager", "jobmanager.log"), (f"/taskmanagers/{manager}", "taskmanager.log")):
        listed = running.rest.get(f"{path}/logs")["logs"]
        assert [file["name"] for file in listed] == [name]
        status, text = running.rest("GET", f"{path}/logs/{name}")
        assert (status, len(text) >= listed[0]["size"]) == (200, True)
        assert text.startswith(b"timestamp=")
        assert running.rest("GET", f"{path}/log")[0] == 200


def test_a_thread_dump_shows_where_the_users_function_is(running: Running) -> None:
    managers = [manager["id"] for manager in running.rest.get("/taskmanagers")["taskmanagers"]]

    def seen(found: Any) -> bool:
        text = "".join(thread["stringifiedThreadInfo"] for thread in found["threadInfos"])
        return "steered_job.py" in text and "process_element" in text

    running.rest.until(f"/taskmanagers/{managers[0]}/thread-dump", seen)
    names = [thread["threadName"] for thread in running.rest.get("/jobmanager/thread-dump")["threadInfos"]]
    assert "MainThread" in names


def calls(node: Any) -> Iterator[tuple[str, int]]:
    yield node["name"], node["value"]
    for below in node["children"]:
        yield from calls(below)


def test_a_flame_graph_shows_what_the_slow_vertex_does_and_of_others_nothing(running: Running) -> None:
    vertices = running.vertices()
    after = next(vertices[name] for name in vertices if name.startswith("after"))
    slow_graph, after_graph = (
        f"{running.path}/vertices/{vertex}/flamegraph" for vertex in (vertices["slow"], after)
    )
    paths = [slow_graph, f"{slow_graph}?subtaskindex=1", after_graph]
    for path in paths:
        running.rest.get(path)  # all are sampled at the same time
    slow, alone, others = (
        running.rest.until(path, lambda found: found["data"] is not None)["data"] for path in paths
    )
    seen = dict(calls(slow))
    users = next(seen[name] for name in seen if name.startswith("Slow.process_element (steered_job.py:"))
    assert users > slow["value"] / 2
    assert 0 < alone["value"] <= 100
    assert not any(name.startswith("Slow.") for name, _ in calls(others))


def test_a_profile_shows_that_user_code_takes_the_time_of_the_slow_vertex(running: Running) -> None:
    found = running.rest.until(f"{running.path}/profile", lambda profile: profile["vertices"])
    slow = next(vertex for vertex in found["vertices"] if vertex["name"] == "slow")
    kinds = ("state", "serialisation", "network", "engine")
    assert slow["samples"] > 0
    assert slow["user"] > max(slow[kind] for kind in kinds)


def shares_of(running: Running, name: str) -> list[dict[str, float]]:
    vertex = running.vertices()[name]
    path = f"{running.path}/vertices/{vertex}/backpressure"
    subtasks: list[dict[str, float]] = running.rest.until(path, lambda found: found["status"] == "ok")[
        "subtasks"
    ]
    return subtasks


def test_times_of_each_running_subtask_add_up_to_a_second(running: Running) -> None:
    for name in running.vertices():
        for subtask in shares_of(running, name):
            total = subtask["ratio"] + subtask["idleRatio"] + subtask["busyRatio"]
            assert total == pytest.approx(1.0, abs=0.05)


def test_back_pressure_points_at_the_slow_vertex_in_the_middle(running: Running) -> None:
    slow = running.vertices()["slow"]
    running.rest.until(
        f"{running.path}/vertices/{slow}/backpressure",
        lambda found: found["subtasks"] and min(each["busyRatio"] for each in found["subtasks"]) > 0.5,
    )
    worst = {name: max(each["ratio"] for each in shares_of(running, name)) for name in ("numbers", "slow")}
    after = next(name for name in running.vertices() if name.startswith("after"))
    assert worst["numbers"] > 0.5, "it waits"
    assert worst["slow"] < 0.1, "it is what the others wait for"
    assert max(each["busyRatio"] + each["ratio"] for each in shares_of(running, after)) < 0.5, (
        "it waits for rows"
    )


def test_bytes_and_rows_of_a_vertex_are_counted(running: Running) -> None:
    metrics = {v["name"]: v["metrics"] for v in running.rest.get(running.path)["vertices"]}
    assert metrics["numbers"]["write-bytes"] >= metrics["slow"]["read-bytes"] > 0
    assert metrics["slow"]["read-records"] > 0


def test_each_subtask_says_what_its_part_of_a_checkpoint_took(running: Running) -> None:
    newest = running.rest.get(f"{running.path}/checkpoints")["latest"]["completed"]
    assert newest["external_path"].endswith(f"chk-{newest['id']}")
    details = running.rest.get(f"{running.path}/checkpoints/details/{newest['id']}")
    assert details["num_acknowledged_subtasks"] == details["num_subtasks"] == 9
    slow = running.vertices()["slow"]
    shown = running.rest.get(f"{running.path}/checkpoints/details/{newest['id']}/subtasks/{slow}")
    assert [subtask["status"] for subtask in shown["subtasks"]] == ["completed", "completed"]
    for subtask in shown["subtasks"]:
        assert subtask["state_size"] > 0
        assert newest["trigger_timestamp"] <= subtask["ack_timestamp"]
        assert set(subtask["checkpoint"]) == {"sync", "async"}
        assert subtask["alignment"]["duration"] >= 0


def test_a_checkpoint_on_demand_completes_and_is_polled_for(running: Running) -> None:
    trigger = "5" * 32
    body = json.dumps({"triggerId": trigger, "checkpointType": "CONFIGURED"}).encode()
    status, answer = running.rest("POST", f"{running.path}/checkpoints", body)
    assert (status, json.loads(answer)) == (202, {"request-id": trigger})
    done = running.rest.until(
        f"{running.path}/checkpoints/{trigger}", lambda found: found["status"]["id"] == "COMPLETED"
    )
    assert done["operation"]["failureCause"] is None
    number = done["operation"]["checkpointId"]
    assert running.rest.get(f"{running.path}/checkpoints/details/{number}")["status"] == "COMPLETED"


def test_the_page_of_metrics_has_the_job_and_its_subtasks(running: Running) -> None:
    _, page = running.rest("GET", "/metrics")
    lines = page.decode().splitlines()
    assert f'weir_job_state{{job="steered",job_id="{running.job}",state="RUNNING"}} 1' in lines
    busy = [line for line in lines if line.startswith('weir_busy_seconds_total{job="steered"')]
    assert any('operator="slow"' in line for line in busy)


@pytest.mark.parametrize(
    ("method", "path", "body", "expected", "message"),
    [
        ("GET", "/jobs/steerde", None, 404, "did you mean steered?"),
        ("GET", "/nothing/here", None, 404, "there is nothing at /nothing/here"),
        ("PUT", "/jobs/steered", b"{}", 405, "takes GET, PATCH, not PUT"),
        ("PATCH", "/jobs/steered?mode=destroy", None, 400, "the only mode is cancel"),
        ("POST", "/jobs/steered/checkpoints", b"not json", 400, "body is wrong"),
        ("POST", "/jobs/steered/checkpoints", b'{"checkpointType": []}', 400, "Expected `str`, got `array`"),
        ("POST", "/jobs/steered/checkpoints", b" " * (1024 * 1024 + 1), 413, "larger than 1048576 bytes"),
        ("POST", "/jobs/nobody/checkpoints", b"{}", 404, "no job 'nobody' here"),
        ("POST", "/jars/upload", b"PK", 403, "this JobManager takes no code"),
        ("POST", "/jars/upload", b"PK" * 4 * 1024 * 1024, 403, "this JobManager takes no code"),
        ("POST", "/jars/app.jar/run", b"{}", 404, "there is no jar 'app.jar'"),
        ("DELETE", "/jars/app.jar", None, 404, "there is no jar 'app.jar'"),
        ("POST", "/jobs/steered/checkpoints", b'{"a":' * 200_000, 400, "body is wrong"),
        ("GET", "/jobmanager/logs/..%2Fsecret", None, 404, "no log file '../secret'"),
        ("GET", "/jobmanager/stdout", None, 404, "what a process prints is not kept here"),
    ],
)
def test_a_request_that_is_wrong_is_told_so_and_harms_nothing(
    running: Running, method: str, path: str, body: bytes | None, expected: int, message: str
) -> None:
    before = running.rest.get(f"{running.path}/metrics?get=numRestarts")
    status, answer = running.rest(method, path, body)
    assert status == expected
    assert message in json.loads(answer)["errors"][0]
    assert running.rest.get(f"{running.path}/status") == {"status": "RUNNING"}
    assert running.rest.get(f"{running.path}/metrics?get=numRestarts") == before


def test_a_body_without_a_length_is_cut_off_at_the_limit(running: Running) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 64 * 1024

    connection = http.client.HTTPConnection(running.rest.address, timeout=30)
    try:
        connection.request("POST", "/jobs/steered/checkpoints", endless(), encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # it hung up while we were still sending
    finally:
        connection.close()
    assert running.rest.get(f"{running.path}/status") == {"status": "RUNNING"}


@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b""]
)
def test_what_is_no_http_ends_its_connection_only(running: Running, nonsense: bytes) -> None:
    host, _, port = running.rest.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(nonsense)
        raw.shutdown(socket.SHUT_WR)
        raw.settimeout(10)
        raw.recv(4096)
    assert running.rest.get(f"{running.path}/status") == {"status": "RUNNING"}


def test_rescales_are_counted_and_remembered_with_what_became_of_them(running: Running) -> None:
    requirements = f"{running.path}/resource-requirements"
    same = {vertex: {"parallelism": {"upperBound": 2}} for vertex in running.rest.get(requirements)}
    status, answer = running.rest("PUT", requirements, json.dumps(same).encode())
    assert status == 200, answer
    trigger = json.loads(answer)["request-id"]
    overview = running.rest.until(
        f"{running.path}/rescales/overview", lambda found: found["rescalesCounts"]["ignored"] == 1
    )
    assert overview["latest"]["ignored"]["rescaleUuid"] == trigger
    details = running.rest.get(f"{running.path}/rescales/details/{trigger}")
    assert details == running.rest.get(f"{running.path}/rescales/history")[0]
    assert (details["terminalState"], details["triggerCause"]) == ("IGNORED", "UPDATE_REQUIREMENT")
    slow = details["vertices"][running.vertices()["slow"]]
    assert (slow["preRescaleParallelism"], slow["postRescaleParallelism"]) == (2, 2)
    summary = running.rest.get(f"{running.path}/rescales/summary")
    assert set(summary["rescalesCounts"]) == {"ignored", "inProgress", "completed", "failed"}
    assert running.rest("GET", f"{running.path}/rescales/details/{'0' * 32}")[0] == 404


def test_a_failure_is_shown_with_the_users_line_first(running: Running) -> None:
    (running.folder / "out.trouble").write_text("now")
    found = running.rest.until(
        f"{running.path}/exceptions", lambda shown: shown["root-exception"] is not None
    )
    assert re.match(r"\S*steered_job\.py:\d+: ValueError: asked to fail", found["root-exception"])
    entry = found["exceptionHistory"]["entries"][0]
    assert entry["exceptionName"] == "ValueError"
    assert entry["taskName"].startswith("'slow' (uid slow) (")
    running.rest.until(f"{running.path}/status", lambda shown: shown["status"] == "RUNNING")
    restored = running.rest.until(
        f"{running.path}/checkpoints", lambda shown: shown["counts"]["restored"] == 1
    )
    assert restored["latest"]["restored"]["id"] > 0


def test_the_port_outlives_a_killed_jobmanager(running: Running) -> None:
    assert running.cluster.jobmanager_pid is not None
    os.kill(running.cluster.jobmanager_pid, signal.SIGKILL)
    running.rest.until(running.path, lambda found: found["epoch"] == 2 and found["state"] == "RUNNING")


def test_a_cancelled_job_ends_and_stays_to_be_looked_at(running: Running) -> None:
    status, _ = running.rest("PATCH", f"{running.path}?mode=cancel")
    assert status == 202
    assert running.cluster.wait(running.job, timeout=60).state is JobState.CANCELED
    assert running.rest.get(f"{running.path}/status") == {"status": "CANCELED"}
    status, answer = running.rest("POST", f"{running.path}/checkpoints", b"{}")
    assert (status, "job steered is CANCELED" in json.loads(answer)["errors"][0]) == (409, True)
    assert running.rest("PATCH", running.path)[0] == 202, "cancelled already: that is what was asked for"


# ---- savepoints and stops by REST


def posted(rest: Rest, path: str, **body: Any) -> tuple[int, Any]:
    status, answer = rest("POST", path, json.dumps(body).encode())
    return status, json.loads(answer)


def outcome(rest: Rest, path: str) -> Any:
    return rest.until(path, lambda found: found["status"]["id"] == "COMPLETED")["operation"]


def test_savepoints_are_taken_disposed_of_and_of_two_stops_at_once_one_is_told_of_the_other(
    tmp_path: Path,
) -> None:
    with LocalCluster(environment=FAST, rest="127.0.0.1:0") as cluster:
        rest = Rest(str(cluster.rest_address))
        job = cluster.submit(spec(tmp_path, "stopped"))
        path, target = f"/jobs/{job}", f"file://{tmp_path}/savepoints"
        newest = rest.until(f"{path}/checkpoints", lambda found: found["latest"]["completed"] is not None)[
            "latest"
        ]["completed"]

        status, answer = posted(rest, f"{path}/savepoints", **{"target-directory": target})
        assert status == 202, answer
        taken = outcome(rest, f"{path}/savepoints/{answer['request-id']}")["location"]
        folder = Path(taken.removeprefix("file://"))
        assert (folder / "_metadata").exists()

        for wrong, message in (
            (newest["external_path"], "and no savepoint"),
            (target, "_metadata is missing"),
        ):
            _, answer = posted(rest, "/savepoint-disposal", **{"savepoint-path": wrong})
            failed = outcome(rest, f"/savepoint-disposal/{answer['request-id']}")
            assert message in failed["failure-cause"]["stack-trace"]
        (folder / "notes.txt").write_text("somebody's own")
        status, answer = posted(rest, "/savepoint-disposal", **{"savepoint-path": taken})
        assert (status, outcome(rest, f"/savepoint-disposal/{answer['request-id']}")) == (200, {})
        assert [file.name for file in folder.iterdir()] == ["notes.txt"]

        first, second = (posted(rest, f"{path}/stop", targetDirectory=target) for _ in range(2))
        assert (first[0], second[0]) == (202, 409)
        assert f"(trigger {first[1]['request-id']})" in second[1]["errors"][0]
        stopped = outcome(rest, f"{path}/savepoints/{first[1]['request-id']}")["location"]
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
        assert (Path(stopped.removeprefix("file://")) / "_metadata").exists()
        status, answer = posted(rest, f"{path}/stop", targetDirectory=target)
        assert (status, "job stopped is FINISHED" in answer["errors"][0]) == (409, True)


def test_a_job_of_an_operator_is_not_stopped_by_people(tmp_path: Path) -> None:
    with LocalCluster(environment=FAST, rest="127.0.0.1:0") as cluster:
        rest = Rest(str(cluster.rest_address))
        job = cluster.submit(spec(tmp_path, "kept", managed_by="prod/kept"))
        rest.until(f"/jobs/{job}/status", lambda found: found["status"] == "RUNNING")
        status, answer = rest("PATCH", f"/jobs/{job}?mode=cancel")
        assert status == 409
        assert (
            "StreamJob prod/kept, whose operator steers it; set spec.job.state: Suspended" in answer.decode()
        )
        assert rest("PATCH", f"/jobs/{job}", **{"Weir-Operator": "prod/kept"})[0] == 202
        assert cluster.wait(job, timeout=120).state is JobState.CANCELED


# ---- addresses, tokens, weight


def test_a_named_port_that_is_taken_is_refused_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            AddressInUse, match=f"cannot listen on 127.0.0.1:{port}: another process has the port"
        ):
            LocalCluster(rest=f"127.0.0.1:{port}").__enter__()


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:80"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        LocalCluster(rest=address).__enter__()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="name an address of this machine"):
        LocalCluster(rest="192.0.2.7:8081").__enter__()


def test_where_others_can_reach_it_rest_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs --rest-token-file"):
        LocalCluster(rest="0.0.0.0:0").__enter__()
    secret = tmp_path / "token"
    secret.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        LocalCluster(rest="0.0.0.0:0", rest_token_file=str(secret)).__enter__()
    secret.write_text("first\n")
    with LocalCluster(environment=FAST, rest="0.0.0.0:0", rest_token_file=str(secret)) as cluster:
        assert cluster.rest_address is not None
        rest = Rest(cluster.rest_address.replace("0.0.0.0", "127.0.0.1"))
        assert rest("GET", "/healthz")[0] == 200
        assert rest("GET", "/overview")[0] == 401
        assert rest("GET", "/overview", Authorization="Bearer first")[0] == 200
        secret.write_text("second\n")
        assert rest("GET", "/overview", Authorization="Bearer first")[0] == 401
        assert rest("GET", "/overview", Authorization="Bearer second")[0] == 200


def test_an_idle_jobmanager_with_rest_takes_little_memory() -> None:
    with LocalCluster(environment=FAST, rest="127.0.0.1:0") as cluster:
        assert cluster.rest_address is not None
        Rest(cluster.rest_address).until("/overview", lambda found: found["jobs-running"] == 0)
        status = Path(f"/proc/{cluster.jobmanager_pid}/status").read_text()
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
        assert resident < 80 * 1024
