"""How long ``weir`` takes before it does anything: help, completion, a usage error, a list of jobs up to
the network; each as a process of its own.

Prints wall and CPU time (the best of a number of starts), and what an empty Python costs on this machine. Starting is
all CPU, so on an idle machine both are the same, and on a busy one the CPU time is what can be judged. The budget is
150 ms for each (scorecard, E15); it ends with exit code 1 when one is above it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

BUDGET_MS = 150.0
STARTS = 15
WEIR = str(Path(sys.executable).with_name("weir"))
#: The discard service: closed everywhere.
NOBODY = "127.0.0.1:9"

LINES = {
    "an empty Python": ([sys.executable, "-c", "pass"], {}),
    "weir --help": ([WEIR, "--help"], {}),
    "weir run --help": ([WEIR, "run", "--help"], {}),
    "weir completion bash": ([WEIR, "completion", "bash"], {}),
    "completing 'weir i'": ([WEIR], {"COMP_WORDS": "weir i", "COMP_CWORD": "1"}),
    "completing 'weir run --'": ([WEIR], {"COMP_WORDS": "weir run --", "COMP_CWORD": "2"}),
    "completing a config key": ([WEIR], {"COMP_WORDS": "weir config explain heart", "COMP_CWORD": "3"}),
    "a usage error": ([WEIR, "inspect"], {}),
    # Up to the network: nobody listens there, which is known at once.
    "weir jobs": ([WEIR, "jobs", "--address", NOBODY], {}),
    "completing a job name": (
        [WEIR],
        {"COMP_WORDS": "weir status ", "COMP_CWORD": "2", "WEIR_ADDRESS": NOBODY},
    ),
}


def milliseconds(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU time of the best start."""
    extra = {"_WEIR_COMPLETE": "bash_complete", **environment} if environment else {}
    wall, cpu = [], []
    for _ in range(STARTS):
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, env={**os.environ, **extra}, check=False)
        wall.append((time.perf_counter() - started) * 1000)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append((after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000)
    return min(wall), min(cpu)


def main() -> None:
    late = []
    for name, (command, environment) in LINES.items():
        wall, cpu = milliseconds(command, environment)
        print(f"{wall:7.0f} ms  (CPU {cpu:4.0f} ms)  {name}")
        if min(wall, cpu) > BUDGET_MS:
            late.append(name)
    print(f"budget {BUDGET_MS:.0f} ms" + (f"; above it: {', '.join(late)}" if late else ""))
    sys.exit(bool(late))


if __name__ == "__main__":
    main()
