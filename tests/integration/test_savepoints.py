"""Savepoints of real processes: taken, stopped with, drained, refused, failed; what comes of them is exact.

Scorecard rows A17, A18, B7.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from tests.support import metadata_check, oracle, waiting
from tests.support.clusters import (
    FAST,
    elsewhere,
    faults,
    fence,
    files_of,
    folder_of,
    kill_a_worker,
    metadata_of,
    open_gate,
    reference,
    spec,
    started,
    wait_for,
)
from tests.support.reference_rows import Reference, event_time, window_end
from weir.errors import ConfigError, UnknownJob, WrongState
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.requests import JobState

NO_TARGET = (
    r"no folder for the savepoint of job reference was given, and state\.savepoints\.dir .* is not set"
)


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST) as made:
        yield made


def rows_below(path: str, job: Reference) -> int:
    """How many rows a savepoint has behind it, by its positions."""
    assert metadata_check.faults(folder_of(path), job) == []
    return sum(metadata_check.Snapshot(folder_of(path)).next_offsets(job).values())


def rows(job: Reference) -> list[oracle.Line]:
    return [line for line in oracle.visible(job.out) if line["kind"] == "row"]


def windows(job: Reference) -> list[oracle.Line]:
    return [line for line in oracle.visible(job.out) if line["kind"] == "window"]


def finish(cluster: LocalCluster, job: JobId, work: Reference) -> None:
    """Let the rest come, to an exact end."""
    open_gate(work)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, (status.failures, status.notes)
    assert faults(work) == []


# ---- stop


def test_a_job_stopped_with_a_savepoint_goes_on_from_it_under_its_name(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = reference(tmp_path)
    job = started(cluster, spec(work, tmp_path))
    path = cluster.stop(job, str(tmp_path / "savepoints"))
    status = cluster.status(job)
    assert (status.state, status.restarts, status.attempt) == (JobState.FINISHED, 0, 1)
    assert status.notes[-1] == f"stopped with savepoint {path}"
    assert folder_of(path).parent == tmp_path / "savepoints"
    *_, checkpoint, stopped = fence(tmp_path, job)
    assert checkpoint["point"]["path"] == stopped["savepoint"]["path"] == path
    assert (checkpoint["point"]["kind"], stopped["type"]) == ("savepoint", "stopped")
    assert len(rows(work)) == rows_below(path, work), (
        "what belongs to the savepoint is committed, and no more"
    )
    fired = len(windows(work))

    assert cluster.submit(spec(work, tmp_path)) == job
    status = wait_for(cluster, job, lambda status: status.checkpoints.restored is not None)
    assert status.checkpoints.restored.path == path
    assert len(windows(work)) >= fired
    finish(cluster, job, work)
    assert (folder_of(path) / "_metadata").exists(), "a savepoint belongs to the user"


def test_without_drain_no_timer_fires_with_drain_all_of_them_do(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    seen = {}
    for drain in (False, True):
        folder = tmp_path / str(drain)
        work = reference(folder)
        job = started(cluster, spec(work, folder, name=f"drain-{drain}".lower()))
        path = cluster.stop(job, str(folder / "savepoints"), drain=drain)
        assert cluster.status(job).state is JobState.FINISHED
        assert len(rows(work)) == rows_below(path, work)
        by_window = Counter((line["k"], window_end(event_time(line["o"]))) for line in rows(work))
        fired = Counter((line["k"], line["end"]) for line in windows(work))
        assert max(fired.values(), default=1) == 1
        seen[drain] = (by_window, {(line["k"], line["end"]): line["rows"] for line in windows(work)})
    by_window, fired = seen[True]
    assert fired == dict(by_window), "every window fired once, with all of its rows so far"
    by_window, fired = seen[False]
    # The watermark is behind the slowest partition: windows that are still open stay so.
    assert fired.keys() < by_window.keys()
    assert max(end for _, end in by_window) not in {end for _, end in fired}


def test_a_drained_savepoint_may_be_started_from_and_no_row_is_lost(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = reference(tmp_path)
    job = started(cluster, spec(work, tmp_path))
    path = cluster.stop(job, str(tmp_path / "savepoints"), drain=True)
    assert metadata_of(path)["final"] is True
    again = cluster.submit(spec(work, tmp_path))
    assert again == job
    open_gate(work)
    assert cluster.wait(again, timeout=120).state is JobState.FINISHED
    assert oracle.sequence_faults(rows(work)) == []
    assert len(rows(work)) == work.total


def test_a_stop_that_fails_leaves_the_job_running_exactly(cluster: LocalCluster, tmp_path: Path) -> None:
    work = reference(tmp_path)
    job = started(cluster, spec(work, tmp_path))
    target = tmp_path / "savepoints"
    target.mkdir()
    for number in range(1000):  # where the savepoint's folder would be made there is a file
        (target / f"savepoint-{job[:6]}-{number}").write_text("in the way")
    with pytest.raises(WrongState, match="savepoint-"):
        cluster.stop(job, str(target))
    status = wait_for(cluster, job, lambda status: status.state is JobState.RUNNING)
    assert any(note.startswith("was not stopped: ") for note in status.notes)
    assert status.attempt == 2, "some tasks held already"
    assert status.restarts == 0, "nothing of the job failed"
    assert status.failures == ()
    done = status.checkpoints.completed
    wait_for(cluster, job, lambda status: status.checkpoints.completed > done + 1)
    path = cluster.stop(job, str(tmp_path / "elsewhere"))
    assert len(rows(work)) == rows_below(path, work)
    assert cluster.submit(spec(work, tmp_path)) == job
    finish(cluster, job, work)


def test_a_worker_lost_while_the_job_stops_fails_the_stop_and_the_job_goes_on_exactly(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    environment = {**FAST, "WEIR_CRASH_POINT": "worker.task.before-ack", "WEIR_CRASH_MARKER": str(marker)}
    with LocalCluster(environment=environment) as cluster:
        work = reference(tmp_path)
        # A checkpoint now and then, so that the one that is disturbed is the savepoint.
        job = started(cluster, spec(work, tmp_path, execution__checkpointing__interval="1s"))
        marker.unlink()
        with pytest.raises(WrongState):
            cluster.stop(job, str(tmp_path / "savepoints"))
        status = wait_for(
            cluster, job, lambda status: status.attempt > 1 and status.state is JobState.RUNNING
        )
        assert marker.exists()
        assert status.restarts == 1
        finish(cluster, job, work)


# ---- what is refused


def test_default_folder_custom_folder_or_a_clear_refusal(cluster: LocalCluster, tmp_path: Path) -> None:
    work = reference(tmp_path)
    default = tmp_path / "default"
    job = started(cluster, spec(work, tmp_path, state__savepoints__dir=str(default)))
    assert folder_of(cluster.savepoint(job)).parent == default
    assert folder_of(cluster.savepoint(job, str(tmp_path / "custom"))).parent == tmp_path / "custom"
    other = reference(tmp_path / "other")
    without = started(cluster, spec(other, tmp_path / "other", name="without"))
    for call in (cluster.savepoint, cluster.stop):
        with pytest.raises(ConfigError, match=NO_TARGET.replace("reference", "without")):
            call(without)
    finish(cluster, job, work)
    finish(cluster, without, other)


def test_a_folder_that_cannot_be_written_is_told_and_the_job_not_touched(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = reference(tmp_path)
    job = started(cluster, spec(work, tmp_path))
    (tmp_path / "file").write_text("a file")
    below = str(tmp_path / "file" / "savepoints")
    for call in (cluster.savepoint, cluster.stop):
        with pytest.raises(WrongState, match=re.escape(below)):
            call(job, below)
    with pytest.raises(ConfigError, match="unknown scheme 'ftp'"):
        cluster.stop(job, "ftp://host/savepoints")
    status = cluster.status(job)
    assert (status.state, status.attempt) == (JobState.RUNNING, 1)
    finish(cluster, job, work)


def test_two_stops_at_once_give_one_savepoint_and_one_refusal(cluster: LocalCluster, tmp_path: Path) -> None:
    work = reference(tmp_path)
    job = started(cluster, spec(work, tmp_path))

    def stop(_: int) -> str:
        try:
            return cluster.stop(job, str(tmp_path / "savepoints"))
        except WrongState as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(stop, range(2)))
    (path,) = [outcome for outcome in outcomes if outcome.startswith("file://")]
    (refusal,) = [outcome for outcome in outcomes if outcome != path]
    assert "is being stopped with a savepoint already" in refusal or "is FINISHED" in refusal
    assert [folder.name for folder in (tmp_path / "savepoints").iterdir()] == [folder_of(path).name]


def test_after_the_end_during_a_recovery_and_of_an_unknown_job_nothing_is_stopped(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    with pytest.raises(UnknownJob, match="no job 'referense' here; there are: none"):
        cluster.stop(JobId("referense"), str(tmp_path))
    work = reference(tmp_path)
    job = started(cluster, spec(work, tmp_path, restart_strategy__fixed_delay__delay="10s"))
    with pytest.raises(UnknownJob, match="did you mean reference"):
        cluster.savepoint(JobId("referense"), str(tmp_path))
    kill_a_worker(cluster, job)
    wait_for(cluster, job, lambda status: status.state is JobState.RESTARTING)
    with pytest.raises(
        WrongState, match="is RESTARTING and not all of its tasks run; try again when they do"
    ):
        cluster.stop(job, str(tmp_path / "savepoints"))
    wait_for(cluster, job, lambda status: status.state is JobState.RUNNING)
    finish(cluster, job, work)
    with pytest.raises(WrongState, match="is FINISHED"):
        cluster.stop(job, str(tmp_path / "savepoints"))
    assert not (tmp_path / "savepoints").exists()


def test_a_stop_during_a_checkpoint_is_exact(cluster: LocalCluster, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()  # no snapshot with rows completes
    work = reference(tmp_path, hold=str(hold))
    job = cluster.submit(spec(work, tmp_path))
    wait_for(cluster, job, lambda _: Path(f"{hold}.held").exists())
    before = cluster.status(job)
    assert before.checkpoints.in_progress == 1
    with ThreadPoolExecutor(1) as pool:
        try:
            stopping = pool.submit(cluster.stop, job, str(tmp_path / "savepoints"))
            read = min(before.records_in + 100, work.total // 2)  # what comes before the gate
            seen = wait_for(cluster, job, lambda status: status.records_in > read or stopping.done())
            assert (seen.state, stopping.done()) == (JobState.RUNNING, False)
            assert seen.checkpoints.completed == before.checkpoints.completed
        finally:
            hold.unlink()
        path = stopping.result(120)
    status = cluster.status(job)
    assert (status.state, status.attempt, status.failures) == (JobState.FINISHED, 1, ())
    assert len(rows(work)) == rows_below(path, work)
    assert cluster.submit(spec(work, tmp_path)) == job
    finish(cluster, job, work)


def test_a_job_cancelled_twice_is_cancelled_once_and_cannot_be_saved_then(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = reference(tmp_path)
    job = started(cluster, spec(work, tmp_path))
    with ThreadPoolExecutor(2) as pool:
        for cancelled in [pool.submit(cluster.cancel, job) for _ in range(2)]:
            cancelled.result(120)
    before = fence(tmp_path, job)
    assert [record["type"] for record in before][-1] == "cancelled"
    cluster.cancel(job)
    assert cluster.status(job).state is JobState.CANCELED
    for call in (cluster.savepoint, cluster.stop):
        with pytest.raises(WrongState, match="is CANCELED"):
            call(job, str(tmp_path / "savepoints"))
    assert fence(tmp_path, job) == before
    assert not (tmp_path / "savepoints").exists()


# ---- what a savepoint is


@pytest.mark.parametrize("backend", ["Memory", "FileSystem"])
def test_a_savepoint_is_self_contained_may_be_moved_and_is_never_deleted(
    cluster: LocalCluster, tmp_path: Path, backend: str
) -> None:
    work = reference(tmp_path, keys=100, ballast=1000 if backend == "FileSystem" else 0)
    settings = {"state__backend__type": backend, "execution__checkpointing__num_retained": "1"}
    job = started(cluster, spec(work, tmp_path, **settings))
    path = cluster.savepoint(job, str(tmp_path / "savepoints"))
    assert (len(files_of(path)) > 1) == (backend == "FileSystem")
    done = cluster.status(job).checkpoints.completed
    wait_for(cluster, job, lambda status: status.checkpoints.completed > done + 3)
    before = files_of(path)
    cluster.cancel(job)
    assert files_of(path) == before, "neither newer checkpoints nor the cancellation touch it"
    assert not list((tmp_path / "checkpoints" / job).glob("chk-*")), "what is the engine's is gone"

    moved = tmp_path / "moved" / "elsewhere"
    shutil.copytree(folder_of(path), moved)
    shutil.rmtree(tmp_path / "savepoints")
    shutil.rmtree(tmp_path / "checkpoints")
    below = rows_below(str(moved), work)
    assert 0 < below < work.total
    fork = elsewhere(work, tmp_path / "forked")
    wanted = structs.replace(spec(fork, tmp_path, **settings), restore_from=f"file://{moved}")
    again = cluster.submit(wanted)
    assert again != job
    open_gate(fork)
    assert cluster.wait(again, timeout=120).state is JobState.FINISHED
    written = rows(fork)
    assert len(written) == work.total - below
    numbers = Counter(line["k"] for line in written)
    for line in written:  # counting went on where the savepoint was: the last number of each key is its total
        numbers[line["k"]] = max(numbers[line["k"]], line["seq"])
    totals = Counter(work.key(p, o) for p in range(work.partitions) for o in range(work.rows))
    assert all(totals[key] == number for key, number in numbers.items())


def test_savepoints_during_the_run_change_nothing_and_are_never_rewound(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work = reference(tmp_path, rows=2000)
    job = started(cluster, spec(work, tmp_path, execution__checkpointing__interval="2s"), checkpoints=1)
    path = cluster.savepoint(job, str(tmp_path / "savepoints"))
    waiting.wait_for(lambda: len(rows(work)) >= rows_below(path, work), "what it promised is committed")
    kill_a_worker(cluster, job)
    status = wait_for(
        cluster, job, lambda status: status.attempt == 2 and status.checkpoints.restored is not None
    )
    number = metadata_of(path)["checkpoint_id"]
    assert status.checkpoints.restored.id >= number
    finish(cluster, job, work)
