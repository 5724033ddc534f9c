"""How long a checkpoint takes behind a sink that is a hundred times slower than the source: aligned and unaligned, in the same run.

``python -m benchmarks.unaligned [--rows-per-second N] [--row-bytes N] [--checkpoints N]`` prints the duration of each checkpoint, what
it persisted of rows on their way, and the ratio of the medians. Scorecard B1 asks for 1/10 at most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from weir.local import LocalCluster
from weir.rpc.messages import JobSpec

ROOT = Path(__file__).resolve().parent.parent
#: Seconds until the queue before the sink is full, before checkpoints count.
FILLS = 10
POLL = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows-per-second", type=int, default=500)
    parser.add_argument("--row-bytes", type=int, default=64)
    parser.add_argument("--checkpoints", type=int, default=3)
    options = parser.parse_args()
    medians = {}
    with (
        LocalCluster(slots=2, environment={"WEIR_LOG_LEVEL": "ERROR"}, rest="127.0.0.1:0") as cluster,
        tempfile.TemporaryDirectory() as folder,
    ):
        for unaligned in (False, True):
            name = "unaligned" if unaligned else "aligned"
            found = measured(cluster, Path(folder) / name, options, unaligned=unaligned)
            medians[name] = statistics.median(each["end_to_end_duration"] for each in found)
            for each in found:
                print(
                    f"{name:9}  checkpoint {each['id']}: {each['end_to_end_duration'] / 1000:8.2f} s, "
                    f"{each['persisted_data'] / 1000:8.1f} kB of rows on their way",
                    flush=True,
                )
    print(f"median of unaligned / aligned: {medians['unaligned'] / medians['aligned']:.3f}")


def measured(
    cluster: LocalCluster, folder: Path, options: argparse.Namespace, *, unaligned: bool
) -> list[dict[str, Any]]:
    """The checkpoints that began when the queue was full."""
    job = cluster.submit(
        JobSpec(
            name=folder.name,
            entrypoint="benchmarks.jobs.slow_sink:build",
            args=(str(options.rows_per_second), str(options.row_bytes)),
            python_path=(str(ROOT),),
            overrides={
                "execution.checkpointing.interval": f"{FILLS}s",
                "execution.checkpointing.unaligned.enabled": str(unaligned).lower(),
            },
            checkpoint_storage=f"file://{folder}",
        )
    )
    found: list[dict[str, Any]] = []
    while len(found) < options.checkpoints:
        time.sleep(POLL)
        address = f"http://{cluster.rest_address}/jobs/{job}/checkpoints"
        with urllib.request.urlopen(address) as answer:
            history = json.load(answer)["history"]
        found = [each for each in reversed(history) if each["status"] == "COMPLETED"]
    cluster.cancel(job)
    cluster.wait(job, timeout=120)
    return found[: options.checkpoints]


if __name__ == "__main__":
    main()
