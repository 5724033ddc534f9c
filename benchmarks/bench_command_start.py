"""How long ``weir`` takes before it does anything: help, completion, a usage error; each as a process of its own.

Prints the best and the median of a number of starts, and what an empty Python costs on this machine. The budget is
150 ms for each (scorecard, E15); it ends with exit code 1 when a best is above it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BUDGET_MS = 150.0
STARTS = 15
WEIR = str(Path(sys.executable).with_name("weir"))

LINES = {
    "an empty Python": ([sys.executable, "-c", "pass"], {}),
    "weir --help": ([WEIR, "--help"], {}),
    "weir run --help": ([WEIR, "run", "--help"], {}),
    "weir completion bash": ([WEIR, "completion", "bash"], {}),
    "completing 'weir i'": ([WEIR], {"COMP_WORDS": "weir i", "COMP_CWORD": "1"}),
    "completing 'weir run --'": ([WEIR], {"COMP_WORDS": "weir run --", "COMP_CWORD": "2"}),
    "completing a config key": ([WEIR], {"COMP_WORDS": "weir config explain heart", "COMP_CWORD": "3"}),
    "a usage error": ([WEIR, "inspect"], {}),
}


def milliseconds(command: list[str], environment: dict[str, str]) -> list[float]:
    extra = {"_WEIR_COMPLETE": "bash_complete", **environment} if environment else {}
    times = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, env={**os.environ, **extra}, check=False)
        times.append((time.perf_counter() - started) * 1000)
    return times


def main() -> None:
    late = []
    for name, (command, environment) in LINES.items():
        times = milliseconds(command, environment)
        best = min(times)
        print(f"{best:7.0f} ms  (median {statistics.median(times):4.0f})  {name}")
        if best > BUDGET_MS:
            late.append(name)
    print(f"budget {BUDGET_MS:.0f} ms" + (f"; above it: {', '.join(late)}" if late else ""))
    sys.exit(bool(late))


if __name__ == "__main__":
    main()
