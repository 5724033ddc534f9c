"""A running job gets another parallelism in place: same id and epoch, exact output, only the difference of processes.

Scorecard rows B18 and B22.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.support import oracle
from tests.support.chained_timers import STEP_MS
from tests.support.clusters import FAST, faults, fence, open_gate, reference, spec, started, wait_for
from tests.support.metadata_check import Snapshot
from tests.support.processes import ROOT
from weir.errors import ConfigError, WrongState
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus


def running_at(parallelism: int, attempt: int) -> Callable[[JobStatus], bool]:
    def holds(status: JobStatus) -> bool:
        widest = max(len(vertex.tasks) for vertex in status.vertices)
        return (status.state, status.attempt, widest) == (JobState.RUNNING, attempt, parallelism)

    return holds


def test_a_job_is_rescaled_up_and_down_in_place_and_stays_exact(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=6000, rate=2000, keys=100)
    with LocalCluster(environment=FAST) as cluster, oracle.Visible(work.out) as seen:
        job = started(cluster, spec(work, tmp_path))
        for attempt, parallelism in ((2, 4), (3, 7), (4, 2), (5, 1), (6, 3)):
            before = set(cluster.taskmanager_pids)
            cluster.rescale(job, parallelism)
            status = cluster.status(job)
            assert running_at(parallelism, attempt)(status)
            assert (status.parallelism, status.slots_required) == (parallelism, parallelism)
            assert (status.restarts, status.failures, status.epoch) == (0, (), 1)
            assert before & set(cluster.taskmanager_pids), "it stays on what it has"
            done = status.checkpoints.completed
            wait_for(cluster, job, lambda status, done=done: status.checkpoints.completed > done + 1)
        open_gate(work)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
    assert faults(work) == []
    assert seen.faults == []
    assert [record["type"] for record in fence(tmp_path, job)].count("start") == 1


def test_only_the_difference_of_slots_is_started_and_stopped(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=6000)
    with LocalCluster(slots=2, environment=FAST) as cluster:
        job = started(cluster, spec(work, tmp_path))
        before = set(cluster.taskmanager_pids)
        assert len(before) == 1
        cluster.rescale(job, 6)
        more = set(cluster.taskmanager_pids)
        assert before < more
        assert len(more) == 3
        cluster.rescale(job, 2)
        wait_for(cluster, job, lambda _: len(cluster.taskmanager_pids) == 1)
        assert set(cluster.taskmanager_pids) < more
        attempt = cluster.status(job).attempt
        open_gate(work)
        status = cluster.wait(job, timeout=120)
        assert (status.state, status.attempt) == (JobState.FINISHED, attempt), "it was not disturbed by that"
    assert faults(work) == []


def test_a_rescaled_job_keeps_its_parallelism_when_the_jobmanager_is_lost(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=4000)
    with LocalCluster(environment=FAST) as cluster:
        job = started(cluster, spec(work, tmp_path))
        cluster.rescale(job, 3)
        done = cluster.status(job).checkpoints.completed
        wait_for(cluster, job, lambda status: status.checkpoints.completed > done + 3)
        pid = cluster.jobmanager_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(cluster, job, lambda status: status.epoch == 2 and status.state is JobState.RUNNING)
        assert cluster.status(job).parallelism == 3
        open_gate(work)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
    assert faults(work) == []


def test_the_rest_request_rescales_from_a_checkpoint_of_its_own_so_that_nothing_from_before_it_is_read_again(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    work = reference(tmp_path, rows=20_000, rate=1000, journal=str(journal))
    with LocalCluster(slots=1, environment=FAST, rest="127.0.0.1:0") as cluster:
        job = cluster.submit(spec(work, tmp_path, execution__checkpointing__interval="1h"))
        started_at = 0
        for attempt, parallelism in ((2, 3), (3, 1), (4, 2)):
            before = started_at + rows_read(wait_for(cluster, job, lambda status: rows_read(status) > 500))
            processes = set(cluster.taskmanager_pids)
            requests = read_requests(journal)
            path = f"/jobs/{job}/resource-requirements"
            bounds = {"parallelism": {"lowerBound": 1, "upperBound": parallelism}}
            asked = rest(cluster, "PUT", path, dict.fromkeys(rest(cluster, "GET", path), bounds))
            wait_for(
                cluster,
                job,
                lambda _, path=f"{path}/{asked['request-id']}": (
                    rest(cluster, "GET", path)["status"]["id"] == "COMPLETED"
                ),
            )
            assert running_at(parallelism, attempt)(cluster.status(job))
            *_, point = [record["point"] for record in fence(tmp_path, job) if "point" in record]
            assert point["checkpoint_id"] == attempt - 1, "one for each rescale, and no other"
            offsets = Snapshot(tmp_path / "checkpoints" / job / point["path"]).next_offsets(work)
            started_at = sum(offsets.values())
            assert started_at >= before, "what was read when it was asked for is not read again"
            again = [line for line in read_requests(journal) if line not in requests]
            assert {line["partition"]: line["position"] for line in again} == offsets
            held = {vertex["parallelism"]["upperBound"] for vertex in rest(cluster, "GET", path).values()}
            assert parallelism in held
            wait_for(cluster, job, lambda _, n=parallelism: len(cluster.taskmanager_pids) == n)
            kept = processes & set(cluster.taskmanager_pids)
            assert len(kept) == min(len(processes), parallelism), "only the difference came or went"
        open_gate(work)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
    assert faults(work) == []


def rows_read(status: JobStatus) -> int:
    """By the readers of this attempt."""
    return sum(vertex.records_in for vertex in status.vertices if vertex.kind == "reader")


def read_requests(journal: Path) -> list[dict[str, int]]:
    """What readers were asked to read."""
    return [json.loads(line) for path in journal.iterdir() for line in path.read_text().splitlines()]


def rest(cluster: LocalCluster, method: str, path: str, body: Any = None) -> Any:
    """The answer of REST."""
    assert cluster.rest_address is not None
    connection = http.client.HTTPConnection(cluster.rest_address, timeout=60)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return json.loads(answer)
    finally:
        connection.close()


def test_processing_time_timers_fire_once_each_however_often_their_key_moves(tmp_path: Path) -> None:
    keys, out, enough = 40, tmp_path / "out", tmp_path / "enough"
    given = {"keys": keys, "out": out, "gate": tmp_path / "gate", "enough": enough}
    wanted = JobSpec(
        name="chains",
        entrypoint="tests.support.chained_timers:build",
        args=tuple(f"{key}={value}" for key, value in given.items()),
        python_path=(str(ROOT),),
        parallelism=2,
        overrides={"execution.checkpointing.interval": "200ms"},
        checkpoint_storage=f"file://{tmp_path}/checkpoints",
    )

    def fired() -> list[oracle.Line]:
        return oracle.visible(str(out))

    with LocalCluster(environment=FAST) as cluster:
        job = cluster.submit(wanted)
        for parallelism in (5, 1):
            before = len(fired())
            wait_for(cluster, job, lambda _, before=before: len(fired()) > before + keys)
            cluster.rescale(job, parallelism)
        enough.touch()
        wait_for(cluster, job, lambda _: sum(line["last"] for line in fired()) >= keys)
        (tmp_path / "gate").touch()
        status = cluster.wait(job, timeout=120)
        assert (status.state, status.restarts, status.attempt) == (JobState.FINISHED, 0, 3)
    for key in range(keys):
        chain = sorted((line for line in fired() if line["k"] == f"k{key}"), key=lambda line: line["at"])
        first = chain[0]["at"]
        assert [(line["n"], line["at"]) for line in chain] == [
            (n + 1, first + n * STEP_MS) for n in range(len(chain))
        ]
        assert [line["last"] for line in chain] == [False] * (len(chain) - 1) + [True]


def test_what_cannot_be_is_refused_with_both_values_and_harms_nothing(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=4000)
    with LocalCluster(environment=FAST) as cluster:
        job = started(cluster, spec(work, tmp_path))
        with pytest.raises(
            ConfigError, match=r"cannot have parallelism 200: .*uid 'count' has max parallelism 128"
        ):
            cluster.rescale(job, 200)
        with pytest.raises(ConfigError, match="parallelism 0 is impossible"):
            cluster.rescale(job, 0)
        cluster.rescale(job, 2)
        status = cluster.status(job)
        assert (status.state, status.attempt) == (JobState.RUNNING, 1), "it has that parallelism"
        open_gate(work)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
        assert faults(work) == []
        with pytest.raises(WrongState, match="is FINISHED"):
            cluster.rescale(job, 3)

        own = reference(tmp_path / "own", variant="broadcast")
        job = started(cluster, spec(own, tmp_path / "own", name="own"))
        with pytest.raises(
            ConfigError, match=r"uid 'rules' has parallelism 1; leave set_parallelism\(\) out"
        ):
            cluster.rescale(job, 3)
        open_gate(own)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
        assert faults(own) == []

        off = reference(tmp_path / "off")
        unset = {"execution__checkpointing__interval": "", "restart_strategy__type": ""}
        without = spec(off, tmp_path / "off", name="off", **unset)
        job = cluster.submit(structs.replace(without, checkpoint_storage=None))
        wait_for(cluster, job, lambda status: status.state is JobState.RUNNING and status.records_in > 0)
        with pytest.raises(WrongState, match="checkpointing is off for job off"):
            cluster.rescale(job, 3)
        open_gate(off)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
