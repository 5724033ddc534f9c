"""Scorecard A5 with real processes: the barrier of one of two inputs comes seconds late.

``tests/simulation/test_late_barrier`` has the same step by step, on time that jumps.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec

from tests.integration.test_rest_of_a_cluster import Rest
from tests.support.metadata_check import Snapshot
from tests.support.processes import Run, small_job
from weir.state.descriptors import ListStateDescriptor
from weir.state.operator_state import OperatorStateStore

SECONDS = 4.0


class Journal:
    """What the operator with two inputs has seen."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal"

    def rows(self) -> list[tuple[str, int, float]]:
        if not self._path.exists():
            return []
        whole = self._path.read_text().rpartition("\n")[0]
        return [(name, int(i), float(at)) for name, i, at in map(str.split, whole.splitlines())]

    def of(self, name: str) -> list[int]:
        return [number for of, number, _ in self.rows() if of == name]


def position(checkpoint: Path, uid: str) -> int:
    """The next row of the only split of a source."""
    snapshot = Snapshot(checkpoint)
    [operator] = [op for op in snapshot.document["operators"] if op.get("uid") == uid]
    store = OperatorStateStore()
    store.restore(list(snapshot.blobs(operator, "operator")), 0, 1)
    [split] = store.get_list_state(ListStateDescriptor("_splits", bytes)).get()
    return msgspec.msgpack.decode(split)["position"]


def test_rows_behind_the_barrier_of_a_wait_for_that_of_b_and_go_first_then(tmp_path: Path) -> None:
    described = small_job("", tmp_path, {}, parallelism=1, interval="1h")
    described["spec"]["job"] |= {
        "entrypoint": "tests.support.held_barrier_job:build",
        "args": [str(tmp_path)],
    }
    journal, hold = Journal(tmp_path), tmp_path / "hold"
    with Run(tmp_path, described, flags=("--address", "127.0.0.1:0")) as run:
        run.wait(lambda: journal.of("a") and journal.of("b"), "rows of both come")
        hold.touch()
        run.wait((tmp_path / "held").exists, "B is held")
        rest = Rest(run.wait(lambda: re.findall(r"REST at http://(\S+)", run.stderr), "REST listens")[-1])
        job = f"/jobs/{rest.get('/jobs')['jobs'][0]['id']}"
        asked = time.monotonic()
        status, _ = rest("POST", f"{job}/checkpoints", b'{"triggerId": "%s"}' % (b"5" * 32))
        assert status == 202
        seen, changed = -1, time.monotonic()

        def stands_still() -> bool:
            nonlocal seen, changed
            if (now := len(journal.of("a"))) != seen:
                seen, changed = now, time.monotonic()
            return time.monotonic() - changed > SECONDS

        run.wait(stands_still, "A stands still")
        before, released = journal.of("a"), time.monotonic()
        hold.unlink()
        done = rest.until(f"{job}/checkpoints/{'5' * 32}", lambda found: found["status"]["id"] == "COMPLETED")
        number, completed = done["operation"]["checkpointId"], time.monotonic()
        checkpoint = run.job_folder() / f"chk-{number}"
        of_a, of_b = position(checkpoint, "a"), position(checkpoint, "b")
        run.wait(lambda: max(journal.of("b")) > of_b, "B goes on")
        vertices = {vertex["name"]: vertex["id"] for vertex in rest.get(job)["vertices"]}
        join = next(id_ for name, id_ in vertices.items() if "join" in name)
        shown = rest.get(f"{job}/checkpoints/details/{number}/subtasks/{join}")["subtasks"][0]
        assert run.interrupt() == 130, run.story()

    assert before == list(range(of_a)), "a row from behind A's barrier was processed before B's came"
    rows = journal.rows()
    last_before = max(at for at, (name, i, _) in enumerate(rows) if name == "b" and i < of_b)
    first_after = min(at for at, (name, i, _) in enumerate(rows) if name == "b" and i >= of_b)
    backlog = [i for name, i, _ in rows[last_before:first_after] if name == "a"]
    assert backlog == list(range(of_a, of_a + len(backlog)))
    waited = [i for name, i, made in rows if name == "a" and i >= of_a and made < released - 0.5]
    assert waited
    assert set(waited) <= set(backlog), "B's next rows came before what A had waiting"
    alignment = shown["alignment"]["duration"] / 1000
    assert 0.9 * (released - changed) <= alignment <= completed - asked
