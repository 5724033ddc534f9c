"""At least once on real processes: nothing waits for a late barrier, nothing is lost, what was read ahead comes twice. Row A9."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path

from tests.integration.test_late_barrier_of_processes import Journal, position
from tests.integration.test_rest_of_a_cluster import Rest
from tests.support.oracle import part_files
from tests.support.processes import Run, small_job

#: Rows that A is ahead of its barrier at least.
AHEAD = 50


def shown(folder: Path) -> Counter[tuple[str, int]]:
    lines = [line for path in part_files(str(folder)) for line in path.read_text().splitlines()]
    return Counter((name, number) for name, number in map(json.loads, lines))


def test_skewed_inputs_and_a_crash_lose_nothing_double_what_was_read_ahead_and_nothing_without_a_join(
    tmp_path: Path,
) -> None:
    described = small_job("", tmp_path, {}, parallelism=1, interval="1h", checkpoints={"mode": "AtLeastOnce"})
    described["spec"]["job"] |= {
        "entrypoint": "tests.support.held_barrier_job:visible",
        "args": [str(tmp_path)],
    }
    journal, hold = Journal(tmp_path), tmp_path / "hold"
    with Run(tmp_path, described, flags=("--address", "127.0.0.1:0")) as run:
        run.wait(lambda: journal.of("a") and journal.of("b"), "rows of both come")
        hold.touch()
        run.wait((tmp_path / "held").exists, "B is held")
        rest = Rest(run.wait(lambda: re.findall(r"REST at http://(\S+)", run.stderr), "REST listens")[-1])
        job = f"/jobs/{rest.get('/jobs')['jobs'][0]['id']}"
        status, _ = rest("POST", f"{job}/checkpoints", b'{"triggerId": "%s"}' % (b"5" * 32))
        assert status == 202
        before = len(journal.of("a"))
        run.wait(lambda: len(journal.of("a")) > before + AHEAD, "A goes on while B's barrier is held")
        assert not run.completed(), "B's barrier did not come yet"
        hold.unlink()
        done = rest.until(f"{job}/checkpoints/{'5' * 32}", lambda found: found["status"]["id"] == "COMPLETED")
        number = done["operation"]["checkpointId"]
        vertices = {vertex["name"]: vertex["id"] for vertex in rest.get(job)["vertices"]}
        join = next(id_ for name, id_ in vertices.items() if "join" in name)
        found = rest.get(f"{job}/checkpoints/details/{number}/subtasks/{join}")["subtasks"][0]
        checkpoint = run.job_folder() / f"chk-{number}"
        of_a = position(checkpoint, "a")
        for worker in run.processes("worker"):
            worker.signal(signal.SIGKILL)
        ahead = max(journal.of("a"))
        run.wait(
            lambda: journal.of("a").count(ahead) > 1,
            "A is read again, from behind its barrier to where it was",
        )
        rest("POST", f"{job}/stop", json.dumps({"targetDirectory": str(tmp_path / "savepoints")}).encode())
        assert run.finish() == 0, run.story()
    [savepoint] = (tmp_path / "savepoints").iterdir()
    joined, forward = shown(tmp_path / "joined"), shown(tmp_path / "forward")
    assert found["alignment"]["duration"] == 0
    wanted = {(name, i) for name in "ab" for i in range(position(savepoint, name))}
    assert set(joined) == wanted, "lost or invented"
    doubled = [number for (name, number), times in joined.items() if times > 1 and name == "a"]
    assert len(doubled) >= AHEAD // 2
    assert min(doubled) == of_a, "what is doubled begins behind the barrier"
    assert forward == Counter({("c", i): 1 for i in range(position(savepoint, "c"))})
