"""Requests without a socket: who may pass, what is found, what bad input is answered, and that it changes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import msgspec
import pytest

from tests.support import rest_facts as facts
from tests.support.checkpoints import ManualClock
from weir.checkpoint.metadata import Owner
from weir.checkpoint.start_directive import StartDirective
from weir.errors import ConfigError, UnknownJob, WrongState
from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.operations import Operation, OperationKind, Operations
from weir.jobmanager.rest import gate
from weir.jobmanager.rest.access import Caller
from weir.jobmanager.rest.exchange import (
    Access,
    Answer,
    Cluster,
    Refusal,
    Request,
    body_of,
    refusal_answer,
)
from weir.jobmanager.rest.routes import ROUTES, Route
from weir.jobmanager.stacks import Stacks
from weir.rpc.logs import LogTail
from weir.rpc.messages import LogText
from weir.rpc.requests import JobState

RUNNING, BROKEN = f"/jobs/{facts.JOB}", f"/jobs/{facts.BROKEN}"
TRIGGER = "ab" * 16
#: What good requests are answered.
GOOD = {"GET": 200, "PUT": 200, "POST": 202, "PATCH": 202}


#: What is refused whatever is asked.
REFUSED = {
    "/activate": 409,
    "/jars/upload": 403,
    "/jobmanager/stdout": 404,
    "/taskmanagers/{taskmanager}/stdout": 404,
}


def good(route: Route) -> int:
    if "{jar}" in route.path or route.path in REFUSED:
        return REFUSED.get(route.path, 404)
    return 200 if route.path == "/savepoint-disposal" else GOOD[route.method]


def bounds(upper: int) -> dict[str, Any]:
    """Every vertex of the running job is to have that parallelism."""
    vertices = facts.plan_of().plan.vertices
    return {vertex.id: {"parallelism": {"lowerBound": 1, "upperBound": upper}} for vertex in vertices}


#: Bodies without which a request does nothing.
BODIES = {
    "/activate": {"run": 7, "start": {"run": 7}},
    "/jobs/{job}/resource-requirements": bounds(4),
    "/savepoint-disposal": {"savepoint-path": "s3://b/sp/savepoint-1"},
}


class FakeSteering:
    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self.asked: list[tuple[Any, ...]] = []
        self.owners: list[Owner] = []
        self.native: list[bool] = []
        #: Raised by the next call.
        self.refusal: Exception | None = None

    def savepoint(
        self,
        target: str | None = None,
        trigger: str | None = None,
        owner: Owner = Owner.USER,
        *,
        native: bool = False,
    ) -> Operation:
        self.owners.append(owner)
        self.native.append(native)
        return self._begin(OperationKind.SAVEPOINT, trigger, "savepoint", target)

    def stop(
        self,
        target: str | None = None,
        *,
        drain: bool = False,
        trigger: str | None = None,
        owner: Owner = Owner.USER,
        native: bool = False,
    ) -> Operation:
        self.owners.append(owner)
        self.native.append(native)
        return self._begin(OperationKind.SAVEPOINT, trigger, "stop", target, drain)

    def rescale(self, parallelism: int, trigger: str | None = None) -> Operation:
        return self._begin(OperationKind.RESCALE, trigger, "rescale", parallelism)

    def _begin(self, kind: OperationKind, trigger: str | None, *asked: Any) -> Operation:
        if self.refusal is not None:
            raise self.refusal
        operation, new = self.operations.begin(kind, trigger)
        if new:
            self.asked.append(asked)
        return operation


class FakeJob:
    def __init__(self, found: JobFacts) -> None:
        self.found = found
        self.operations = Operations()
        self.steering = FakeSteering(self.operations)
        self.stopped: list[StopKind] = []
        self.triggered = 0
        self.full: list[bool] = []
        self.activated: list[StartDirective] = []

    def activate(self, directive: StartDirective) -> None:
        self.activated.append(directive)

    def facts(self) -> JobFacts:
        return self.found

    def stop_nowait(self, kind: StopKind) -> None:
        self.stopped.append(kind)

    def trigger_checkpoint(self, trigger: str | None = None, *, full: bool = False) -> Operation:
        self.full.append(full)
        operation, new = self.operations.begin(OperationKind.CHECKPOINT, trigger)
        self.triggered += new
        return operation


def nobody(*_: object) -> Any:
    async def silent() -> None:
        return None

    return silent()


class FakeDisposals:
    def __init__(self) -> None:
        self.operations = Operations()
        self.asked: list[str] = []
        self.refusal: Exception | None = None

    def dispose(self, path: str, trigger: str | None = None) -> Operation:
        if self.refusal is not None:
            raise self.refusal
        operation, new = self.operations.begin(OperationKind.DISPOSAL, trigger)
        if new:
            self.asked.append(path)
        return operation


class FakeJobs:
    def __init__(self) -> None:
        self.disposals = FakeDisposals()
        self.stacks = Stacks(nobody, ManualClock())
        self.known = {job.status.job_id: FakeJob(job) for job in facts.cluster_facts().jobs}
        self.ending = False
        self.logs = {"tm-a": b"began\n"}

    def now_ms(self) -> int:
        return facts.NOW

    def facts(self, *, with_jobs: bool = True) -> ClusterFacts:
        found = facts.cluster_facts()
        return ClusterFacts(
            found.now_ms, found.version, found.task_managers, found.jobs if with_jobs else (), self.ending
        )

    async def read_log(self, task_manager: str, *, text: bool) -> LogText | None:
        if task_manager not in self.logs:
            return None
        kept = self.logs[task_manager]
        return LogText(trigger="", size=len(kept), modified_ms=facts.NOW, text=kept if text else b"")

    def find(self, job: str) -> FakeJob:
        for each in self.known.values():
            if job in (each.found.status.job_id, each.found.status.name):
                return each
        raise UnknownJob(f"no job {job!r} here; did you mean flights?")


class Server:
    def __init__(self, token: str | None = None) -> None:
        self.jobs = FakeJobs()
        self.token = token
        self.log = LogTail()

    @property
    def job(self) -> FakeJob:
        return self.jobs.known[facts.JOB]

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.jobs, log=self.log, address="127.0.0.1:8081")

    def triggered(self) -> None:
        """Something of every kind was asked for before."""
        for kind in OperationKind:
            self.job.operations.begin(kind, TRIGGER)
        self.jobs.disposals.operations.begin(OperationKind.DISPOSAL, TRIGGER)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = b"",
        query: dict[str, str] | None = None,
        operator: str | None = None,
        **caller: str,
    ) -> Answer:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        raw = gate.RawRequest(Caller(method, **caller), path, query or {}, data, operator)
        try:
            return asyncio.run(gate.answer(self.cluster, raw, gate.admit(raw, self.token)))
        except Refusal as refusal:
            return refusal_answer(refusal)


@pytest.fixture
def server() -> Server:
    return Server()


def errors(answer: Answer) -> str:
    return "; ".join(msgspec.json.decode(answer.body)["errors"])


def filled(path: str) -> str:
    words = {
        "job": facts.JOB,
        "vertex": facts.COUNT,
        "subtask": "1",
        "attempt": "2",
        "checkpoint": "10",
        "trigger": TRIGGER,
        "rescale": facts.RESCALED,
        "taskmanager": "tm-a",
        "application": facts.JOB,
        "file": "taskmanager.log" if "taskmanager" in path else "jobmanager.log",
        "jar": "app.jar",
    }
    return path.format(**words)


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_answers_with_and_without_the_prefix(server: Server, route: Any, prefix: str) -> None:
    server.triggered()
    answer = server(route.method, prefix + filled(route.path), BODIES.get(route.path, b""))
    assert answer.status == good(route), answer.body
    if answer.content_type == "application/json":
        msgspec.json.decode(answer.body)


def test_a_job_is_found_by_its_name_too(server: Server) -> None:
    assert server("GET", "/jobs/flights").body == server("GET", RUNNING).body


def test_an_encoded_slash_is_part_of_a_name(server: Server) -> None:
    assert "no job 'a/b' here" in errors(server("GET", "/jobs/a%2Fb"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/jobs/flihgts", "no job 'flihgts' here; did you mean flights?"),
        (f"{RUNNING}/vertices/{facts.COUNT[:-1]}0", f"did you mean {facts.COUNT}?"),
        (f"{RUNNING}/vertices/{facts.COUNT}/subtasks/2", "has subtasks 0 to 1, not 2"),
        (f"{RUNNING}/vertices/{facts.COUNT}/subtasks/-1", "subtask '-1' is not a number"),
        (f"{RUNNING}/vertices/{facts.COUNT}/subtasks/0/attempts/0", "only attempt 2 of subtask 0"),
        (f"{RUNNING}/checkpoints/details/3", "checkpoint 3 is not known any more, or not yet"),
        (f"{RUNNING}/checkpoints/details/{'9' * 30}", "is not a number"),
        (f"{RUNNING}/checkpoints/details/x", "checkpoint 'x' is not a number"),
        (f"{RUNNING}/checkpoints/details/10/subtasks/nothing", "no vertex 'nothing'"),
        (f"{RUNNING}/checkpoints/{TRIGGER}", "no checkpoint was triggered under"),
        (f"{BROKEN}/checkpoints", "job broken has no checkpoints yet; it is FAILED"),
        ("/taskmanagers/tm-x", "no TaskManager 'tm-x'; did you mean tm-"),
        ("/nothing", "there is nothing at /nothing"),
        ("/v1/v1/jobs", "there is nothing at /v1/v1/jobs"),
        ("/jars/app.jar/plan", "there is no jar 'app.jar': this JobManager takes no code"),
        ("/applications/flihgts", "no job 'flihgts' here; did you mean flights?"),
        ("/jobmanager/logs/jobmanger.log", "no log file 'jobmanger.log'; did you mean jobmanager.log?"),
        ("/jobmanager/logs/..%2F..%2Fetc%2Fpasswd", "no log file '../../etc/passwd'"),
        ("/taskmanagers/tm-a/logs/jobmanager.out", "no log file 'jobmanager.out'"),
        ("/taskmanagers/tm-x/logs", "no TaskManager 'tm-x'"),
    ],
)
def test_what_does_not_exist_is_not_found_and_named(server: Server, path: str, message: str) -> None:
    answer = server("GET", path)
    assert answer.status == 404
    assert message in errors(answer)


def test_another_method_is_told_which_ones_there_are(server: Server) -> None:
    answer = server("DELETE", RUNNING)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, PATCH"
    assert server.job.stopped == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body is wrong"),
        (b"checkpoint!", "body is wrong"),
        (b"\xff\xfe", "body is wrong"),
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        ({"checkpointType": 7}, "Expected `str`, got `int`"),
        ({"checkpointType": "ALL"}, "Invalid enum value 'ALL'"),
        ({"checkpointType": "INCREMENTAL"}, "INCREMENTAL needs execution.checkpointing.incremental: true"),
        ({"triggerId": "../x"}, "expected 32 lower-case hex digits"),
        ({"trigger": TRIGGER}, "unknown field `trigger`"),
        (b"[" * 500_000, "body is wrong"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_wrong_body_is_refused_and_triggers_nothing(server: Server, body: Any, message: str) -> None:
    answer = server("POST", f"{RUNNING}/checkpoints", body)
    assert answer.status == 400
    assert message in errors(answer)
    assert server.job.triggered == 0


@pytest.mark.parametrize("body", [b'{"x": ' * 100_000, b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_a_body_that_is_nested_too_deeply_is_refused_whatever_is_expected(body: bytes) -> None:
    with pytest.raises(Refusal, match="nested too deeply") as refused:
        body_of(Request(body=body), dict)
    assert refused.value.status == 400


def test_a_checkpoint_on_demand_is_polled_for_and_its_call_may_be_repeated(server: Server) -> None:
    first = server("POST", f"{RUNNING}/checkpoints", {"triggerId": TRIGGER, "checkpointType": "FULL"})
    again = server("POST", f"{RUNNING}/checkpoints", {"triggerId": TRIGGER})
    assert (first.status, first.body) == (again.status, again.body)
    assert msgspec.json.decode(first.body) == {"request-id": TRIGGER}
    assert server.job.triggered == 1
    polled = server("GET", f"{RUNNING}/checkpoints/{TRIGGER}")
    assert msgspec.json.decode(polled.body)["status"] == {"id": "IN_PROGRESS"}


def test_a_checkpoint_of_a_job_that_is_over_is_a_conflict(server: Server) -> None:
    answer = server("POST", f"{BROKEN}/checkpoints")
    assert answer.status == 409
    assert "job broken is FAILED; a checkpoint needs a running job" in errors(answer)


def test_checkpointing_that_is_off_is_named(server: Server) -> None:
    spec = msgspec.structs.replace(facts.SPEC, overrides={}, checkpoint_storage=None)
    off = server.job.found
    server.job.found = JobFacts(off.status, spec, off.entered, facts.plan_of(spec), off.checkpoints)
    for method in ("GET", "POST"):
        answer = server(method, f"{RUNNING}/checkpoints")
        assert answer.status == 404
        assert "checkpointing is off for job flights; set execution.checkpointing.interval" in errors(answer)


# ---- logs, jars, applications


def test_the_log_of_a_process_is_listed_as_one_file_and_read(server: Server) -> None:
    assert msgspec.json.decode(server("GET", "/jobmanager/logs").body) == {"logs": []}
    server.log.add(b"listens\n")
    listed = msgspec.json.decode(server("GET", "/jobmanager/logs").body)["logs"]
    assert [(file["name"], file["size"]) for file in listed] == [("jobmanager.log", 8)]
    for path in ("/jobmanager/log", "/jobmanager/logs/jobmanager.log"):
        answer = server("GET", path)
        assert (answer.body, answer.content_type) == (b"listens\n", "text/plain; charset=utf-8")
    listed = msgspec.json.decode(server("GET", "/taskmanagers/tm-a/logs").body)["logs"]
    assert listed == [{"name": "taskmanager.log", "size": 6, "mtime": facts.NOW}]
    for path in ("/taskmanagers/tm-a/log", "/taskmanagers/tm-a/logs/taskmanager.log"):
        assert server("GET", path).body == b"began\n"


def test_a_taskmanager_that_does_not_answer_is_named(server: Server) -> None:
    server.jobs.logs.clear()
    answer = server("GET", "/taskmanagers/tm-a/log")
    assert (answer.status, "TaskManager tm-a does not answer" in errors(answer)) == (503, True)


def test_there_are_no_jars_and_an_upload_is_told_where_code_belongs_before_its_body_is_read(
    server: Server,
) -> None:
    listed = msgspec.json.decode(server("GET", "/jars").body)
    assert listed == {"address": "http://127.0.0.1:8081", "files": []}
    answer = server("POST", "/jars/upload", b"PK")
    assert answer.status == 403
    assert "this JobManager takes no code: a job's code lies in its image" in errors(answer)
    upload = next(route for route in ROUTES if route.path == "/jars/upload")
    assert not upload.reads_body
    features = msgspec.json.decode(server("GET", "/config").body)["features"]
    assert features["web-submit"] is False


def test_a_job_is_an_application_of_its_own(server: Server) -> None:
    listed = msgspec.json.decode(server("GET", "/applications/overview").body)["applications"]
    assert {each["id"]: each["jobs"] for each in listed}[facts.JOB] == {"RUNNING": 1}
    shown = msgspec.json.decode(server("GET", f"/applications/{facts.JOB}").body)
    assert (shown["name"], shown["status"], shown["jobs"][0]["jid"]) == ("flights", "RUNNING", facts.JOB)
    failed = msgspec.json.decode(server("GET", f"/applications/{facts.BROKEN}/exceptions").body)
    assert {entry["jobId"] for entry in failed["exceptionHistory"]["entries"]} == {facts.BROKEN}
    assert server("POST", f"/applications/{facts.JOB}/cancel").status == 202
    assert server.job.stopped == [StopKind.CANCEL]


# ---- savepoints, stop, rescale

SAVEPOINTS, STOP, REQUIREMENTS = (
    f"{RUNNING}/savepoints",
    f"{RUNNING}/stop",
    f"{RUNNING}/resource-requirements",
)


def test_a_savepoint_and_a_stop_take_flinks_bodies_and_are_polled_in_one_place(server: Server) -> None:
    first = {"target-directory": "s3://b/sp", "formatType": "CANONICAL", "triggerId": TRIGGER}
    stop = {"targetDirectory": "s3://b/sp", "drain": True, "triggerId": "cd" * 16}
    assert msgspec.json.decode(server("POST", SAVEPOINTS, first).body) == {"request-id": TRIGGER}
    assert server("POST", SAVEPOINTS, first).status == 202
    assert msgspec.json.decode(server("POST", STOP, stop).body) == {"request-id": "cd" * 16}
    assert server("POST", STOP).status == 202
    assert server.job.steering.asked == [
        ("savepoint", "s3://b/sp"),
        ("stop", "s3://b/sp", True),
        ("stop", None, False),
    ]
    for trigger in (TRIGGER, "cd" * 16):
        polled = msgspec.json.decode(server("GET", f"{SAVEPOINTS}/{trigger}").body)
        assert polled == {"status": {"id": "IN_PROGRESS"}, "operation": None}


def test_the_end_of_a_savepoint_is_its_place_or_why_there_is_none(server: Server) -> None:
    known = server.job.operations
    done, _ = known.begin(OperationKind.SAVEPOINT, TRIGGER)
    known.finish(done, path="s3://b/sp/savepoint-1")
    answer = msgspec.json.decode(server("GET", f"{SAVEPOINTS}/{TRIGGER}").body)
    assert answer == {"status": {"id": "COMPLETED"}, "operation": {"location": "s3://b/sp/savepoint-1"}}
    bad, _ = known.begin(OperationKind.SAVEPOINT, "cd" * 16)
    known.finish(bad, failure="the bucket is gone")
    answer = msgspec.json.decode(server("GET", f"{SAVEPOINTS}/{'cd' * 16}").body)
    assert answer["operation"]["failure-cause"]["stack-trace"] == "the bucket is gone"
    assert "no savepoint was triggered under" in errors(server("GET", f"{SAVEPOINTS}/{'ef' * 16}"))


def managed(server: Server) -> Server:
    found = server.job.found
    spec = msgspec.structs.replace(found.spec, managed_by="prod/flights")
    server.job.found = dataclasses.replace(found, spec=spec)
    return server


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("PATCH", RUNNING, "spec.job.state: Suspended"),
        ("POST", STOP, "spec.job.state: Suspended"),
        ("PUT", REQUIREMENTS, "spec.job.parallelism"),
    ],
)
def test_what_an_operator_steers_is_steered_by_its_resource_only(
    server: Server, method: str, path: str, field: str
) -> None:
    body = bounds(4) if method == "PUT" else b""
    answer = managed(server)(method, path, body)
    assert answer.status == 409
    assert "StreamJob prod/flights" in errors(answer)
    assert field in errors(answer)
    assert server(method, path, body, operator="prod/other").status == 409
    assert (server.job.steering.asked, server.job.stopped) == ([], [])
    assert server(method, path, body, operator="prod/flights").status in (200, 202)
    assert len(server.job.steering.asked) + len(server.job.stopped) == 1


def test_a_savepoint_of_such_a_job_is_anybodys(server: Server) -> None:
    assert managed(server)("POST", SAVEPOINTS).status == 202


def test_a_savepoint_is_disposed_of_by_its_path_and_the_call_may_be_repeated(server: Server) -> None:
    body = {"savepoint-path": "s3://b/sp/savepoint-1", "triggerId": TRIGGER}
    for _ in range(2):
        answer = server("POST", "/savepoint-disposal", body)
        assert (answer.status, msgspec.json.decode(answer.body)) == (200, {"request-id": TRIGGER})
    assert server.jobs.disposals.asked == ["s3://b/sp/savepoint-1"]
    polled = server("GET", f"/savepoint-disposal/{TRIGGER}")
    assert msgspec.json.decode(polled.body)["status"] == {"id": "IN_PROGRESS"}
    assert "no disposal was triggered" in errors(server("GET", f"/savepoint-disposal/{'cd' * 16}"))
    server.jobs.disposals.refusal = WrongState("job flights started from it")
    assert server("POST", "/savepoint-disposal", {"savepoint-path": "s3://b/sp"}).status == 409
    assert "missing required field `savepoint-path`" in errors(server("POST", "/savepoint-disposal", {}))


def test_metrics_over_several_jobs_and_taskmanagers_may_be_chosen(server: Server) -> None:
    def sums(path: str, **query: str) -> dict[str, float]:
        answer = server("GET", path, query={"agg": "sum", **query})
        return {metric["id"]: metric["sum"] for metric in msgspec.json.decode(answer.body)}

    assert sums("/taskmanagers/metrics", get="taskSlotsTotal,numWorkers") == {
        "taskSlotsTotal": 4,
        "numWorkers": 2,
    }
    assert sums("/taskmanagers/metrics", get="taskSlotsTotal", taskmanagers="tm-a,tm-x") == {
        "taskSlotsTotal": 2
    }
    assert sums("/jobs/metrics", get="numRestarts") == {"numRestarts": 2}
    assert sums("/jobs/metrics", get="numRestarts", jobs=facts.BROKEN) == {"numRestarts": 0}


def test_a_rescale_that_is_not_known_is_not_found(server: Server) -> None:
    assert "no rescale 'x' of job flights" in errors(server("GET", f"{RUNNING}/rescales/details/x"))


def test_parallelism_is_read_and_written_for_all_vertices(server: Server) -> None:
    found = msgspec.json.decode(server("GET", REQUIREMENTS).body)
    assert found[facts.COUNT] == {"parallelism": {"lowerBound": 1, "upperBound": 2}}
    trigger = msgspec.json.decode(server("PUT", REQUIREMENTS, bounds(7)).body)["request-id"]
    assert server.job.steering.asked == [("rescale", 7)]
    assert server("GET", f"{REQUIREMENTS}/{trigger}").status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", SAVEPOINTS, b"savepoint", "body is wrong"),
        ("POST", SAVEPOINTS, {"target-directory": 7}, "Expected `str | null`, got `int`"),
        ("POST", SAVEPOINTS, {"targetDirectory": "x"}, "unknown field `targetDirectory`"),
        ("POST", SAVEPOINTS, {"cancel-job": True}, "POST to /jobs/:id/stop instead"),
        ("POST", SAVEPOINTS, {"formatType": "FAST"}, "Invalid enum value 'FAST'"),
        ("POST", SAVEPOINTS, {"triggerId": "x"}, "expected 32 lower-case hex digits"),
        ("POST", STOP, {"drain": "yes"}, "Expected `bool`, got `str`"),
        ("POST", STOP, {"formatType": "FAST"}, "Invalid enum value 'FAST'"),
        ("PUT", REQUIREMENTS, {}, "these vertices have no parallelism in the request: "),
        ("PUT", REQUIREMENTS, {"x": {"parallelism": {"upperBound": 2}}}, "no vertex 'x'"),
        ("PUT", REQUIREMENTS, {**bounds(4), facts.COUNT: {"parallelism": {"upperBound": 2}}}, "as a whole"),
        ("PUT", REQUIREMENTS, bounds(0), "bounds 1 to 0 are impossible"),
        ("PUT", REQUIREMENTS, {facts.COUNT: {"parallelism": {"upperBound": "4"}}}, "Expected `int`"),
    ],
)
def test_what_is_wrong_with_such_a_body_is_told_and_nothing_happens(
    server: Server, method: str, path: str, body: Any, message: str
) -> None:
    answer = server(method, path, body)
    assert answer.status == 400
    assert message in errors(answer)
    assert server.job.steering.asked == []


@pytest.mark.parametrize(
    ("refusal", "status"), [(WrongState("it is over"), 409), (ConfigError("no folder"), 400)]
)
def test_what_the_job_refuses_is_a_conflict_or_a_wrong_request(
    server: Server, refusal: Exception, status: int
) -> None:
    server.job.steering.refusal = refusal
    for method, path in (("POST", SAVEPOINTS), ("POST", STOP), ("PUT", REQUIREMENTS)):
        answer = server(
            method, path, BODIES.get("/jobs/{job}/resource-requirements", b"") if method == "PUT" else b""
        )
        assert (answer.status, errors(answer)) == (status, str(refusal))


def test_a_job_without_a_plan_has_no_parallelism(server: Server) -> None:
    found = server.job.found
    server.job.found = JobFacts(found.status, found.spec, found.entered)
    assert server("GET", REQUIREMENTS).status == 409


# ---- cancel


def test_cancel_asks_the_job_to_stop(server: Server) -> None:
    assert server("PATCH", RUNNING, query={"mode": "cancel"}).status == 202
    assert server("PATCH", RUNNING).status == 202, "as in Flink, cancel is what is meant"
    assert server.job.stopped == [StopKind.CANCEL, StopKind.CANCEL]


def test_only_cancel_is_a_mode(server: Server) -> None:
    answer = server("PATCH", RUNNING, query={"mode": "stop"})
    assert answer.status == 400
    assert server.job.stopped == []


def test_a_job_that_is_over_cannot_be_cancelled_but_a_cancelled_one_stays_so(server: Server) -> None:
    answer = server("PATCH", BROKEN, query={"mode": "cancel"})
    assert answer.status == 409
    assert "job broken is FAILED already" in errors(answer)
    status = msgspec.structs.replace(server.job.found.status, state=JobState.CANCELED)
    server.job.found = JobFacts(status, facts.SPEC, {})
    assert server("PATCH", RUNNING).status == 202


def test_a_wrong_number_of_exceptions_is_refused(server: Server) -> None:
    assert server("GET", f"{RUNNING}/exceptions", query={"maxExceptions": "-1"}).status == 400
    assert server("GET", f"{RUNNING}/exceptions", query={"maxExceptions": "1"}).status == 200


def test_a_fault_of_ours_is_answered(server: Server) -> None:
    server.jobs.known[facts.JOB].found = None  # type: ignore[assignment]
    answer = server("GET", RUNNING)
    assert answer.status == 500
    assert "a fault of Weir" in errors(answer)


def test_a_jobmanager_that_is_about_to_end_is_not_ready(server: Server) -> None:
    assert server("GET", "/readyz").status == 200
    server.jobs.ending = True
    assert server("GET", "/readyz").status == 503
    assert server("GET", "/healthz").status == 200


# ---- access


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_with_a_token_everything_but_the_probes_asks_for_it(route: Any) -> None:
    server = Server(token="secret")
    server.triggered()
    path = filled(route.path)
    body = BODIES.get(route.path, b"")
    assert server(route.method, path, body, authorization="Bearer secret").status == good(route)
    expected = good(route) if route.access is Access.PROBE else 401
    for wrong in (
        {},
        {"authorization": "Bearer Secret"},
        {"authorization": "Basic secret"},
        {"authorization": ""},
    ):
        answer = server(route.method, path, **wrong)
        assert answer.status == expected
    cancels = route.method == "PATCH" or route.path.endswith("/cancel")
    assert server.job.stopped == ([StopKind.CANCEL] if cancels else [])


def test_without_the_token_nothing_is_said_about_what_exists() -> None:
    server = Server(token="secret")
    assert server("GET", "/nothing").status == server("DELETE", RUNNING).status == 401


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8081", "localhost:8081", "[::1]:8081", "localhost", "[::1]", "10.0.0.1"]
)
def test_on_loopback_this_machine_may_do_everything(server: Server, host: str) -> None:
    assert server("PATCH", RUNNING, host=host).status == 202


def test_a_name_that_a_foreign_server_made_resolve_to_this_machine_is_refused(server: Server) -> None:
    assert server("GET", RUNNING, host="evil.example:8081").status == 403
    assert server("GET", "/healthz", host="evil.example:8081").status == 200


def test_a_web_page_of_elsewhere_may_not_change_anything(server: Server) -> None:
    here = "127.0.0.1:8081"
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
        assert server("POST", f"{RUNNING}/checkpoints", host=here, origin=origin).status == 403
    assert server.job.triggered == 0
    assert server("POST", f"{RUNNING}/checkpoints", host=here, origin=f"http://{here}").status == 202
    assert server("GET", RUNNING, host=here, origin="https://evil.example").status == 200


def test_only_the_operator_of_its_streamjob_begins_a_job_that_stands_by(server: Server) -> None:
    managed(server)
    order = {"run": 7, "start": {"run": 7, "expectedTail": 31}}
    assert server("POST", "/activate", order).status == 409
    assert server("POST", "/activate", order, operator="prod/other").status == 409
    assert server.job.activated == []
    answer = server("POST", "/activate", order, operator="prod/flights")
    assert answer.status == 202 and msgspec.json.decode(answer.body)["jobId"] == facts.JOB
    assert server.job.activated == [StartDirective(run=7, expected_tail=31)]
    mixed = {"run": 6, "start": {"run": 7}}
    assert "for run 6, its start for run 7" in errors(
        server("POST", "/activate", mixed, operator="prod/flights")
    )


def test_savepoints_that_the_operator_asks_for_are_its_own(server: Server) -> None:
    managed(server)
    server("POST", f"{RUNNING}/savepoints", operator="prod/flights")
    server("POST", f"{RUNNING}/savepoints")
    server("POST", f"{RUNNING}/stop", operator="prod/flights")
    assert server.job.steering.owners == [Owner.OPERATOR, Owner.USER, Owner.OPERATOR]


@pytest.mark.parametrize(
    ("path", "kind"), [(SAVEPOINTS, "NATIVE"), (STOP, "NATIVE"), (SAVEPOINTS, "CANONICAL")]
)
def test_the_format_of_a_savepoint_is_passed_on(server: Server, path: str, kind: str) -> None:
    assert server("POST", path, {"formatType": kind}).status == 202
    assert server.job.steering.native == [kind == "NATIVE"]


@pytest.mark.parametrize(("kind", "full"), [("FULL", True), ("CONFIGURED", False)])
def test_the_type_of_a_checkpoint_is_passed_on(server: Server, kind: str, full: bool) -> None:
    assert server("POST", f"{RUNNING}/checkpoints", {"checkpointType": kind}).status == 202
    assert server.job.full == [full]
