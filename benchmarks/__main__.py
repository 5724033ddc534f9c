"""``make bench``: runs every ``benchmarks/bench_*.py``, then measures the size of the install.

Each runs in a process of its own and prints its own numbers: peer and Weir in the same run, and their ratio.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    failed = []
    for name in [*sorted(path.stem for path in FOLDER.glob("bench_*.py")), "install_size"]:
        print(f"== {name}", flush=True)
        ended = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=FOLDER.parent, check=False)
        if ended.returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
