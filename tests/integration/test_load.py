"""Full load between all workers does not deadlock, a shut sink stops its source, a huge record passes.

``WEIR_LOAD_SECONDS=60`` makes each load run a minute (the acceptance run); by default it is a few seconds.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.processes import Process, Run, small_job

LOAD_SECONDS = int(os.environ.get("WEIR_LOAD_SECONDS", "4"))
MIB = 1 << 20


@pytest.mark.timeout(300 + 2 * LOAD_SECONDS)
@pytest.mark.parametrize("parallelism", [1, 2, 3, 4])
def test_key_by_under_full_load_never_deadlocks(tmp_path: Path, parallelism: int) -> None:
    out = tmp_path / "out"
    described = small_job("shuffled", tmp_path, {"out": out}, parallelism=parallelism, interval="1s")
    with Run(tmp_path, described) as run:
        for number in range(1, LOAD_SECONDS + 1):
            # A barrier passes every channel behind all rows before it, so each one proves that rows move everywhere.
            run.wait_completed(number)
        workers = run.processes("worker")
        assert len(workers) == parallelism
        assert run.interrupt() == 130, run.story()
        assert "0 restarts" in run.stderr, run.story()
    written = [int(line) for path in oracle.part_files(str(out)) for line in path.read_text().split()]
    assert len(written) > 50, "hardly anything moved"
    for split in range(parallelism):
        # Split s of p reads the numbers s, s + p, ...: what came of each is the beginning of its multiples of 1000.
        found = sorted(number for number in written if number % parallelism == split)
        all_of_them = [n for n in range(0, max(found, default=-1) + 1, 1000) if n % parallelism == split]
        assert found == all_of_them


def test_records_of_40_mib_pass_between_workers(tmp_path: Path) -> None:
    out = tmp_path / "out"
    described = small_job("wide", tmp_path, {"out": out, "size": 40 * MIB, "count": 4}, interval="1s")
    with Run(tmp_path, described) as run:
        assert run.finish() == 0, run.story()
        assert "0 restarts" in run.stderr, run.story()
    lines = sorted(oracle.visible(str(out)), key=lambda line: line["i"])
    assert lines == [{"i": i, "size": 40 * MIB, "letters": [chr(97 + i)]} for i in range(4)]


def resident(process: Process) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_shut_sink_stops_its_source_and_a_slow_one_costs_no_memory(tmp_path: Path) -> None:
    valve, read, written = tmp_path / "valve", tmp_path / "read", tmp_path / "written"
    arguments = {"valve": valve, "read": read, "written": written}
    # Checkpoints would wait for the shut sink; they have their own tests.
    described = small_job("dammed", tmp_path, arguments, parallelism=2, interval="10m")

    def rows_read() -> int:
        return int(read.read_text()) if read.exists() else 0

    def rows_written() -> int:
        return sum(int(path.read_text()) for path in tmp_path.glob("written-[0-9]"))

    def memory() -> int:
        return sum(resident(process) for process in run.processes("worker"))

    with Run(tmp_path, described) as run:
        run.wait(lambda: rows_read() > 0, "the source reads")
        history: list[int] = []

        def stands_still() -> bool:
            history.append(rows_read())
            return len(history) > 100 and history[-100] == history[-1]

        run.wait(stands_still, "the source stands still")
        # A row is 100 bytes: what is under way between two workers is a few windows of credit, not the endless source.
        assert rows_read() * 100 < 32 * MIB
        valve.touch()
        run.wait(lambda: rows_written() > 150_000, "rows move again")
        before = memory()
        run.wait(lambda: rows_written() > 600_000, "many more rows moved")
        growth = memory() - before
        assert (rows_read() - rows_written()) * 100 < 32 * MIB
        print(f"growth {growth} read {rows_read()} written {rows_written()}")
        assert growth < 16 * MIB, f"workers grew by {growth / MIB:.1f} MiB over 450,000 rows"
        assert run.interrupt() == 130, run.story()
