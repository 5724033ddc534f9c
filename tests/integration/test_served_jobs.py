"""What a JobManager pod does with its StreamJob and its start directive: real processes, started as pods start them.

The directive of a run is applied once; a JobManager that was restarted goes on from the log, one that is not wanted any more
stays away, and nobody starts from nothing without being told to.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracle
from tests.support.pods import JOB, OPERATOR, JobManagerPod, TaskManagerPod, in_cluster
from tests.support.processes import resource, write_resource
from tests.support.reference_rows import Reference
from weir.cli.main import run_command
from weir.jobmanager.main import FENCED_EXIT


class Cluster(contextlib.ExitStack):
    """The pods of one StreamJob, and the folder that they share."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__()
        self.folder = folder
        given = {"rows": 1500, "rate": 1000, **settings}
        self.reference = Reference(out=str(folder / "out"), gate=str(folder / "gate"), **given)
        self.document = in_cluster(resource(self.reference, folder, parallelism=1))

    def run(self, run: int, start: Mapping[str, Any] | None = None, **how: Any) -> JobManagerPod:
        """A JobManager, with the TaskManager that the job needs."""
        jobmanager = self.jobmanager(run, start, **how)
        self.taskmanager(jobmanager)
        return jobmanager

    def taskmanager(self, jobmanager: JobManagerPod, number: int = 0, **how: Any) -> TaskManagerPod:
        name = f"{jobmanager.name}-tm{number}"
        return self.enter_context(TaskManagerPod(self.folder, jobmanager.address(), name=name, **how))

    def jobmanager(self, run: int, start: Mapping[str, Any] | None = None, **how: Any) -> JobManagerPod:
        return self.enter_context(JobManagerPod(self.folder, self.document, run, start, **how))

    def finish(self, jobmanager: JobManagerPod) -> None:
        """Let the input end, and look at all that was written."""
        Path(self.reference.gate).touch()
        jobmanager.wait_state("FINISHED")
        assert oracle.complete(oracle.visible(self.reference.out), self.reference) == []

    def starts(self, jobmanager: JobManagerPod) -> list[dict[str, Any]]:
        return [entry["record"] for entry in jobmanager.fence() if entry["record"]["type"] == "start"]


@pytest.fixture
def cluster(tmp_path: Path):
    with Cluster(tmp_path) as made:
        yield made


def test_a_streamjob_runs_under_its_uid_and_only_its_operator_steers_it(cluster: Cluster) -> None:
    jobmanager = cluster.run(1)
    jobmanager.wait_completed(2)
    assert (cluster.folder / "checkpoints/by-name/shop/reference" / JOB).exists()
    status, said = jobmanager.refusal(f"/jobs/{JOB}?mode=cancel", method="PATCH")
    assert status == 409 and "StreamJob shop/reference" in said and "spec.job.state" in said
    report = jobmanager.report()
    assert (report["run"], report["jobId"], report["namespace"], report["epoch"]) == (1, JOB, "shop", 1)
    assert report["taskManagers"] == [socket.gethostname()] and report["taskManagersRequired"] == 1
    assert report["lastCheckpoint"] == report["retained"][-1] and report["lastCheckpoint"]["bytes"] > 0
    assert report["runningSinceMs"] <= report["lastCheckpoint"]["completedAtMs"]
    config = jobmanager.rest(f"/jobs/{JOB}/checkpoints/config")
    assert config["externalization"] == {"enabled": True, "delete_on_cancellation": False}
    cluster.finish(jobmanager)
    assert [(start["run"], start["base"]) for start in cluster.starts(jobmanager)] == [("1", None)]


def test_a_directive_is_applied_once_and_a_restarted_jobmanager_goes_on_from_the_tail(
    cluster: Cluster,
) -> None:
    empty = {"mode": "Empty"}
    first = cluster.run(1, empty)
    first.wait_completed(3)
    first.process.kill()
    second = cluster.run(1, empty, name="again")
    second.wait_completed(len(second.completed()) + 1)
    report = second.report()
    assert report["epoch"] == 2 and report["restored"]["id"] >= 3
    assert report["restored"]["id"] in [kept["id"] for kept in report["retained"]]
    cluster.finish(second)
    assert [start["base"] is not None for start in cluster.starts(second)] == [False, True]


def answered(capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, Any]:
    """What a short-lived pod says; the last line of its output."""
    run_command(command)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_next_run_goes_on_from_the_savepoint_that_the_last_one_stopped_with(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    first = cluster.run(1)
    first.wait_completed(2)
    savepoint = first.stop_with_savepoint(cluster.folder / "savepoints")
    first.wait_state("FINISHED")
    document = ("--resource", str(cluster.folder / "jm1.yaml"))
    found = answered(capsys, "snapshots", "inspect", *document)
    assert (found["tail"], found["lastRun"], found["ending"]) == (len(first.fence()), 1, "Stopped")
    assert found["newest"]["path"] == savepoint
    assert answered(capsys, "preflight", *document, "--from", savepoint)["fits"]
    cluster.document["spec"]["job"]["maxParallelism"] = 64
    other = ("--resource", str(write_resource(cluster.folder, cluster.document)))
    unfit = answered(capsys, "preflight", *other, "--from", savepoint)
    assert not unfit["fits"] and "max parallelism 128" in unfit["message"]
    del cluster.document["spec"]["job"]["maxParallelism"]
    second = cluster.run(2, {"expectedTail": found["tail"]})
    cluster.finish(second)
    [_, start] = cluster.starts(second)
    assert (start["run"], start["base"]["path"]) == ("2", savepoint)


def test_a_jobmanager_that_finds_the_end_of_its_own_run_stays_with_it(cluster: Cluster) -> None:
    first = cluster.run(1)
    first.wait_completed(2)
    savepoint = first.stop_with_savepoint(cluster.folder / "savepoints")
    first.wait_state("FINISHED")
    before = first.fence()
    first.process.kill()
    again = cluster.run(1, name="again")
    again.wait_state("FINISHED")
    assert again.fence() == before and before[-1]["record"]["type"] == "stopped"
    report = again.report()
    assert (report["ending"], report["tail"], report["lastSavepoint"]["path"]) == (
        "Stopped",
        len(before),
        savepoint,
    )


def test_a_jobmanager_of_an_earlier_run_stays_away(cluster: Cluster) -> None:
    first = cluster.run(1)
    first.wait_completed(2)
    first.process.kill()
    second = cluster.run(2)
    second.wait_completed(len(second.completed()) + 1)
    late = cluster.jobmanager(1, name="late")
    assert late.process.wait(60) == FENCED_EXIT, late.story()
    assert "run 2 has the job, this process is of run 1" in late.stderr
    cluster.finish(second)
    assert [start["run"] for start in cluster.starts(second)] == ["1", "2"]


def test_a_start_that_was_planned_for_another_tail_claims_nothing_and_waits(cluster: Cluster) -> None:
    first = cluster.run(1)
    first.wait_completed(2)
    first.process.kill()
    first.process.wait()
    before = first.fence()
    second = cluster.run(2, {"expectedTail": len(before) - 1})
    said = second.said(r"event='start refused' (.*)")
    assert f"expected={len(before) - 1} found={len(before)}" in said
    report = second.report()
    assert report["startRefused"] == {"expected": len(before) - 1, "found": len(before)}
    assert (report["state"], report["epoch"], report["tail"]) == ("CREATED", None, None)
    assert second.fence() == before


def test_a_start_from_a_snapshot_goes_back_to_it(cluster: Cluster) -> None:
    first = cluster.run(1)
    first.wait_completed(2)
    savepoint = first.stop_with_savepoint(cluster.folder / "savepoints")
    first.wait_state("FINISHED")
    second = cluster.run(2)
    second.wait_completed(len(second.completed()) + 2)
    second.process.kill()
    third = cluster.run(3, {"mode": "From", "path": savepoint})
    third.wait_completed(len(third.completed()) + 1)
    assert cluster.starts(third)[-1]["base"]["path"] == savepoint
    own = third.job_folder() / f"chk-{third.completed()[-1]}"
    third.process.kill()
    fourth = cluster.run(4, {"mode": "From", "path": f"file://{own}"})
    fourth.wait_completed(len(fourth.completed()) + 1)
    assert cluster.starts(fourth)[-1]["base"]["path"] == own.name


def test_the_tail_of_a_job_whose_checkpoints_went_with_its_end_is_no_silent_empty_start(
    cluster: Cluster,
) -> None:
    cluster.document["spec"]["checkpoints"]["onCancel"] = "Delete"
    first = cluster.run(1)
    first.wait_completed(2)
    first.rest(f"/jobs/{JOB}?mode=cancel", method="PATCH", operator=OPERATOR)
    first.wait_state("CANCELED")
    second = cluster.run(2)
    second.wait_state("FAILED")
    blocked = second.report()["restoreBlocked"]
    assert (
        "a start from there would be empty" in blocked["reason"] and "restore.nonce" in blocked["choices"][0]
    )
    third = cluster.run(3, {"mode": "Empty"})
    third.wait_completed(1)


def test_a_directive_for_another_run_or_with_an_unknown_field_is_refused(cluster: Cluster) -> None:
    other = cluster.jobmanager(1, {"run": 2}, name="other")
    assert other.process.wait(60) == 1 and "is for run 2, this process is of --run 1" in other.stderr
    wrong = cluster.jobmanager(1, {"mod": "Tail"}, name="wrong")
    assert wrong.process.wait(60) == 1 and "unknown field `mod`" in wrong.stderr


def test_workers_advertise_the_address_of_their_pod(cluster: Cluster) -> None:
    cluster.document["spec"]["job"]["parallelism"] = 2
    jobmanager = cluster.jobmanager(1)
    for number, pod_ip in enumerate(["127.0.0.2", "127.0.0.3"]):
        cluster.taskmanager(jobmanager, number, pod_ip=pod_ip, host=pod_ip)
    jobmanager.wait_completed(2)
    endpoints = {
        subtask["endpoint"]
        for vertex in jobmanager.job()["vertices"]
        for subtask in jobmanager.rest(f"/jobs/{JOB}/vertices/{vertex['id']}")["subtasks"]
    }
    assert {endpoint.rpartition(":")[0] for endpoint in endpoints} == {"127.0.0.2", "127.0.0.3"}
    cluster.finish(jobmanager)


def test_a_job_that_stands_by_touches_nothing_until_it_is_activated_and_then_goes_on(
    cluster: Cluster,
) -> None:
    first = cluster.run(1)
    first.wait_completed(2)
    second = cluster.run(2, flags=["--standby"])
    second.wait(lambda: second.report()["standby"] == {"ready": True}, "the next run is ready")
    assert {entry["record"].get("run", "1") for entry in second.fence()} == {"1"}, "nothing was touched"
    assert second.refusal("/activate", method="POST", body={"run": 2, "start": {"run": 2}})[0] == 409

    savepoint = first.stop_with_savepoint(cluster.folder / "savepoints")
    first.wait_state("FINISHED")
    order = {"run": 2, "start": {"run": 2, "expectedTail": first.report()["tail"]}}
    early = {"run": 2, "start": {"run": 2, "expectedTail": 1}}
    second.rest("/activate", "POST", early, OPERATOR)
    second.wait(lambda: second.report()["startRefused"], "the start is refused")
    second.rest("/activate", "POST", order, OPERATOR)
    assert second.rest("/activate", "POST", order, OPERATOR)["run"] == 2, "repeating it is harmless"
    status, said = second.refusal("/activate", method="POST", body=early, operator=OPERATOR)
    assert status == 409 and "start a new run" in said
    second.wait_completed(len(first.completed()) + 1)
    assert cluster.starts(second)[-1]["base"]["path"] == savepoint

    second.process.kill()
    again = cluster.run(2, name="again", flags=["--standby"])
    cluster.finish(again)
    assert [start["run"] for start in cluster.starts(again)] == ["1", "2", "2"]


def test_a_lost_jobmanager_without_checkpoints_means_failed_and_never_an_empty_restart(
    cluster: Cluster,
) -> None:
    del cluster.document["spec"]["checkpoints"]["interval"]
    cluster.document["spec"]["restart"] = {"strategy": "None"}
    first = cluster.run(1)
    first.wait(lambda: first.report()["runningSinceMs"], "the job runs")
    first.process.kill()
    again = cluster.run(1, name="again")
    again.wait_state("FAILED")
    report = again.report()
    assert "checkpointing is off: a restart would lose state" in report["failures"][0]["message"]
    assert (report["failures"][0]["class"], report["epoch"]) == ("Infrastructure", None)
    assert len(cluster.starts(again)) == 1
