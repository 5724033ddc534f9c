"""Columnar state through a crash and a change of parallelism: windows and totals are those of a loop over all rows."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from tests.support import columns_job as job  # noqa: E402
from tests.support.clusters import FAST, ROOT, kill_a_worker, wait_for  # noqa: E402
from weir.local import LocalCluster  # noqa: E402
from weir.rpc.messages import JobSpec  # noqa: E402
from weir.rpc.requests import JobState, JobStatus, TaskState  # noqa: E402

ROWS, RATE = 240_000, 60_000


def spec(folder: Path, parallelism: int) -> JobSpec:
    return JobSpec(
        name="columns",
        entrypoint="tests.support.columns_job:build",
        args=(str(ROWS), str(RATE), str(folder / "out")),
        python_path=(str(ROOT),),
        parallelism=parallelism,
        overrides={
            "execution.checkpointing.interval": "200ms",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50ms",
        },
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


def written(folder: Path) -> list[list]:
    return [json.loads(line) for part in folder.glob("part-*") for line in part.read_text().splitlines()]


def expected() -> tuple[dict, dict]:
    """Windows by auction and start; and by auction the total after all of its rows."""
    numbers = np.arange(ROWS)
    columns = zip(
        job.auctions(numbers).tolist(), job.prices(numbers).tolist(), job.times(numbers).tolist(), strict=True
    )
    windows: dict[tuple[int, int], list[int]] = defaultdict(list)
    totals: dict[int, list[int]] = defaultdict(list)
    for auction, price, time in columns:
        if price % 2:
            continue
        totals[auction].append(price * 2)
        pane = time - time % job.SLIDE_MS
        for start in range(pane - job.SIZE_MS + job.SLIDE_MS, pane + 1, job.SLIDE_MS):
            windows[auction, start].append(price * 2)
    return windows, totals


def under_way(rows: int):
    return lambda status: status.records_in >= rows and status.checkpoints.completed >= 2


def all_run(status: JobStatus) -> bool:
    """A job that restarts in part is RUNNING while some of its tasks are not."""
    tasks = [task for vertex in status.vertices for task in vertex.tasks]
    at_work = {TaskState.RUNNING, TaskState.FINISHED}  # the enumerator has given all it has
    return status.state is JobState.RUNNING and at_work.issuperset(task.state for task in tasks)


def test_windows_and_totals_are_exact_through_a_killed_worker_and_a_rescale(tmp_path: Path) -> None:
    with LocalCluster(environment=FAST) as cluster:
        running = cluster.submit(spec(tmp_path, parallelism=2))
        wait_for(cluster, running, under_way(40_000))
        kill_a_worker(cluster, running)
        wait_for(cluster, running, lambda s: s.restarts > 0 and all_run(s) and s.records_in > 80_000)
        cluster.rescale(running, 3)
        (tmp_path / "out.gate").touch()
        ended = cluster.wait(running, timeout=120)
    assert ended.state is JobState.FINISHED, ended.failures
    windows, totals = expected()
    found = {(row[0], row[1]): row[2:] for row in written(tmp_path / "out/windows")}
    assert len(found) == len(written(tmp_path / "out/windows")), "a window was written twice"
    assert found == {at: [len(v), sum(v), max(v)] for at, v in windows.items()}
    rows = written(tmp_path / "out/totals")
    numbers = [row[0] for row in rows]
    kept = [n for n in range(0, ROWS, 10) if n * 31 % 1009 % 2 == 0]
    assert sorted(numbers) == kept
    highest = {
        auction: max(row[2] for row in rows if row[1] == auction) for auction in {row[1] for row in rows}
    }
    assert all(highest[auction] <= sum(values) for auction, values in totals.items() if auction in highest)


def test_parquet_files_are_read_once_each_through_a_killed_worker(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    numbers = np.arange(60_000)
    table = pa.table(
        {"number": numbers, "auction": numbers % 7, "price": job.prices(numbers), "unread": numbers}
    )
    (tmp_path / "in").mkdir()
    for part in range(3):
        piece = table.slice(part * 20_000, 20_000)
        parquet.write_table(piece, tmp_path / f"in/{part}.parquet", row_group_size=9_000)
    files = msgspec.structs.replace(
        spec(tmp_path, parallelism=2),
        name="files",
        entrypoint="tests.support.parquet_job:build",
        args=(str(tmp_path / "in"), str(tmp_path / "out")),
    )
    with LocalCluster(environment=FAST) as cluster:
        running = cluster.submit(files)
        wait_for(cluster, running, under_way(20_000))
        kill_a_worker(cluster, running)
        wait_for(cluster, running, lambda s: s.restarts > 0 and s.state is JobState.RUNNING)
        (tmp_path / "in.gate").touch()
        ended = cluster.wait(running, timeout=120)
    assert ended.state is JobState.FINISHED, ended.failures
    found = written(tmp_path / "out")
    kept = [number for number in numbers.tolist() if number * 31 % 1009 % 2 == 0]
    assert sorted(row[0] for row in found) == kept
    for auction in range(7):
        whole = sum(number * 31 % 1009 for number in kept if number % 7 == auction)
        assert max(row[2] for row in found if row[1] == auction) == whole


def test_columns_without_their_packages_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weir import StreamExecutionEnvironment, columnar
    from weir.errors import GraphError

    monkeypatch.setattr(columnar, "find_spec", lambda name: None)
    env = StreamExecutionEnvironment.get_execution_environment()
    with pytest.raises(GraphError, match=r"needs numpy and pyarrow.*weir-stream\[columnar\]"):
        env.from_collection([1]).to_columns(None)
