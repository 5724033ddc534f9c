"""A keyed count in two workers: keys that are all as frequent, beside keys by Zipf's law, where one worker has more to do.

``python -m benchmarks.skew [--seconds N] [--rounds N]`` prints rows a second, medians, and their ratio.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

from benchmarks.peers import ROOT
from benchmarks.rounds import Contestant, compete, report
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec

WORKERS = 2


def rate(law: str, seconds: float, scratch: Path) -> float:
    """Rows per second, from the second checkpoint on."""
    spec = JobSpec(
        name="skewed",
        entrypoint="benchmarks.jobs.skewed:build",
        args=(law,),
        python_path=(str(ROOT),),
        parallelism=WORKERS,
        overrides={"execution.checkpointing.interval": "1s"},
        checkpoint_storage=(scratch / "checkpoints").as_uri(),
    )
    with LocalCluster(slots=WORKERS, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster:
        job = cluster.submit(spec)
        while cluster.status(job).checkpoints.completed < 2:
            time.sleep(0.1)
        rows, began = cluster.status(job).records_in, time.monotonic()
        time.sleep(seconds)
        found = (cluster.status(job).records_in - rows) / (time.monotonic() - began)
        cluster.cancel(job)
        cluster.wait(job, timeout=60)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = [
        Contestant("weir, uniform keys", partial(rate, "uniform", options.seconds)),
        *(
            Contestant(
                f"weir, Zipf keys, exponent {law}",
                partial(rate, law, options.seconds),
                {"weir, uniform keys": 0},
            )
            for law in ("1.0", "1.5")
        ),
    ]
    compete(found, options.rounds)
    report("skew", f"keyed count over 10,000 keys in {WORKERS} workers, medians of {options.rounds}", found)


if __name__ == "__main__":
    main()
