"""``make bench``: runs every ``benchmarks/bench_*.py``, then what has a budget: latency, pauses, install, memory, back pressure.

Each runs in a process of its own and prints its own numbers, how long it took, and ends with 1 when one is not what it must be: peer and
Weir in the same run, and their ratio.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
#: What has a budget of its own, and no peer.
MEASURED = (
    "latency",
    "heap_pauses",
    "skew",
    "install_size",
    "first_result",
    "memory",
    "slow_sink",
    "deadlock_minute",
)


def main() -> None:
    failed = []
    for name in [*sorted(path.stem for path in FOLDER.glob("bench_*.py")), *MEASURED]:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        ended = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=FOLDER.parent, check=False)
        print(f"== {name} took {time.monotonic() - began:.0f} s", flush=True)
        if ended.returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed, or not what it must be: {', '.join(failed)}")


if __name__ == "__main__":
    main()
