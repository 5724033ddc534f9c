"""How long a job with large state in RocksDB is away when a worker of it is killed, by phase: detect, fence, fetch, replay. Scorecard R33.

``python -m benchmarks.restored_state [--mb N ...] [--kills N] [--out FILE] [--gate FILE]``: fills the state, and kills (``SIGKILL``) the worker between two checkpoints.
*Detect*: until the JobManager fails the job. *Fence*: until nothing of the old attempt is left, and tasks are placed in another process. *Fetch*: until the
state is restored from storage and the tasks run. *Replay*: until rows come through that had not before the kill.

``--out`` writes the median of each phase as JSON; ``--gate`` compares with such a file of an earlier release on the same machine, and ends with 1
when a phase takes more than a tenth, and more than 0.1 s, longer.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.jobs.restored_state import reached
from benchmarks.peers import ROOT
from benchmarks.processes import workers
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

VALUE_BYTES = 1000
INTERVAL_S = 10
PHASES = ("detect", "fence", "fetch", "replay")
#: How much longer than before a phase may take, and what is no more than a machine's mood.
MOST_SLOWER, NOISE_S = 0.1, 0.1
_PATIENCE = 1200.0
T = TypeVar("T")
#: By megabytes of state: seconds by phase.
Results = dict[str, dict[str, float]]


def until(good: Callable[[], T], what: str) -> T:
    deadline = time.monotonic() + _PATIENCE
    while not (found := good()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {_PATIENCE:g} s in vain until {what}")
        time.sleep(0.005)
    return found


class Running:
    """A job that was submitted."""

    def __init__(self, cluster: LocalCluster, folder: Path, keys: int) -> None:
        self.cluster = cluster
        self.progress = folder / "progress"
        self.job = cluster.submit(
            JobSpec(
                name="restored-state",
                entrypoint="benchmarks.jobs.restored_state:build",
                args=(str(keys), str(VALUE_BYTES), str(self.progress)),
                python_path=(str(ROOT),),
                overrides={
                    "execution.checkpointing.interval": f"{INTERVAL_S}s",
                    "execution.checkpointing.incremental": "true",
                    "state.backend.type": "RocksDB",
                    "state.backend.rocksdb.localdir": str(folder / "local"),
                    "state.backend.rocksdb.memory.fixed-per-slot": "256Mi",
                    "restart-strategy.type": "fixed-delay",
                    "restart-strategy.fixed-delay.attempts": "1000",
                    "restart-strategy.fixed-delay.delay": "0ms",
                },
                checkpoint_storage=f"file://{folder / 'checkpoints'}",
            )
        )

    def ask(self, path: str) -> Any:
        """What REST says of the job."""
        with urllib.request.urlopen(f"http://{self.cluster.rest_address}/jobs/{self.job}{path}") as answer:
            return json.load(answer)

    @property
    def completed(self) -> list[dict[str, Any]]:
        """Checkpoints, newest first."""
        return [each for each in self.ask("/checkpoints")["history"] if each["status"] == "COMPLETED"]

    def entered(self) -> list[dict[str, int]]:
        """When each subtask entered its states, in milliseconds of wall time."""
        times = [self.ask(f"/vertices/{each['id']}/subtasktimes") for each in self.ask("")["vertices"]]
        return [subtask["timestamps"] for vertex in times for subtask in vertex["subtasks"]]

    def kill(self) -> dict[str, float]:
        """Kill the worker; seconds by phase until it was all there again."""
        before = len(self.completed)
        until(lambda: len(self.completed) > before, "a checkpoint is completed")
        time.sleep(INTERVAL_S / 2)
        [worker] = workers(self.cluster.taskmanager_pids[0])
        restarts = self.cluster.status(self.job).restarts
        row, killed = reached(self.progress), time.time() * 1000
        os.kill(worker, signal.SIGKILL)
        until(
            lambda: (s := self.cluster.status(self.job)).restarts > restarts and s.state is JobState.RUNNING,
            "it runs again",
        )
        until(lambda: reached(self.progress) > row, "rows come that had not come before")
        replayed = time.time() * 1000
        failed = max(each["timestamp"] for each in self.ask("/exceptions")["exceptionHistory"]["entries"])
        entered = self.entered()
        placed = min(each[_PLACED] for each in entered)
        runs = max(each["RUNNING"] for each in entered)
        parts = {
            "detect": failed - killed,
            "fence": placed - failed,
            "fetch": runs - placed,
            "replay": replayed - runs,
            "all": replayed - killed,
        }
        return {name: round(ms / 1000, 3) for name, ms in parts.items()}


_PLACED = "INITIALIZING"


def measure(megabytes: int, kills: int) -> dict[str, float]:
    """The median of each phase over the kills, in seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(slots=1, environment={"WEIR_LOG_LEVEL": "ERROR"}, rest="127.0.0.1:0") as cluster,
    ):
        keys = megabytes * 1000
        running = Running(cluster, Path(folder), keys)
        until(lambda: reached(running.progress) >= keys, "the state is filled")
        filled = len(running.completed)
        until(lambda: len(running.completed) > filled + 1, "checkpoints are completed")
        found: list[dict[str, float]] = []
        for _ in range(kills):
            found.append(running.kill())
            size = running.completed[0]["state_size"] / 1e6
            told = ", ".join(f"{name} {found[-1][name]:.2f}" for name in PHASES)
            print(f"{size:6.0f} MB in the checkpoint: {told} s; {found[-1]['all']:.2f} s in all", flush=True)
        cluster.cancel(running.job)
        cluster.wait(running.job, timeout=120)
    return {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}


def slower(found: Results, before: Results) -> list[str]:
    """A line for each phase that takes longer than before by more than a tenth and :data:`NOISE_S`, and for each size without a measure."""
    faults: list[str] = []
    for megabytes, phases in before.items():
        now = found.get(megabytes)
        if now is None:
            faults.append(f"{megabytes} MB: not measured; give --mb {megabytes}")
            continue
        for name, seconds in phases.items():
            if now[name] > seconds * (1 + MOST_SLOWER) and now[name] > seconds + NOISE_S:
                faults.append(
                    f"{megabytes} MB: {name} takes {now[name]:.2f} s, before {seconds:.2f} s: {now[name] / seconds - 1:+.0%}, "
                    f"allowed {MOST_SLOWER:+.0%}"
                )
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--gate", type=Path)
    given = parser.parse_args()
    before: Results = {} if given.gate is None else json.loads(given.gate.read_text())
    found = {str(megabytes): measure(megabytes, given.kills) for megabytes in given.mb}
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    if faults := slower(found, before):
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
