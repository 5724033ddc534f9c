"""``python -m tests.pipeline``: everything that CI runs, as steps that may run side by side; what ``make test`` is.

Each step is a target of the Makefile and can be run alone (``make integration``). A step begins when those that it names have ended well;
its output is printed in one piece when it ends, and lies in ``out/test/STEP.log`` before that. Whatever fails, the other steps go on; at the end stand the
failures again, and the time of each step. With names of steps as arguments only those run.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path

from tests.pipeline.running import Running
from tests.pipeline.steps import STEPS, Step

ROOT = Path(__file__).parent.parent.parent
LOGS = ROOT / "out/test"
POLL_S = 0.2
#: What pytest says of each test that failed, in its summary; what make says of a command that did.
FAILURE = re.compile(r"^(FAILED|ERROR) .*|^make.*\*\*\*.*", re.MULTILINE)


def main(names: list[str]) -> int:
    wanted = [step for step in STEPS if not names or step.name in names]
    if unknown := set(names) - {step.name for step in wanted}:
        print(f"no step is called {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in STEPS)}")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    ended = run(wanted)
    print_end(wanted, ended, time.monotonic() - began)
    return 0 if all(step.name in ended and ended[step.name].code == 0 for step in wanted) else 1


def run(steps: list[Step]) -> dict[str, Running]:
    """The steps that ran, by name; a step whose predecessor failed is not among them."""
    waiting, live, ended = list(steps), dict[str, Running](), dict[str, Running]()
    asked, well = {step.name for step in steps}, dict[str, bool]()
    try:
        while waiting or live:
            for step in list(waiting):
                state = step.state(well, asked)
                if state == "wait":
                    continue
                waiting.remove(step)
                if state == "skip":
                    well[step.name] = False
                else:
                    live[step.name] = Running.start(step, LOGS / f"{step.name}.log", ROOT)
                    print(f"--- {step.name} began", flush=True)
            for name, running in list(live.items()):
                if running.poll():
                    ended[name] = live.pop(name)
                    well[name] = running.code == 0
                    print_output(running)
            time.sleep(POLL_S)
    finally:
        for running in live.values():
            running.kill()
            print_output(running)
    return ended


def print_output(running: Running) -> None:
    word = {0: "ended well", None: "was ended"}.get(running.code, f"failed with {running.code}")
    print(f"=== {running.step.name} {word} after {clock(running.seconds)}")
    print(running.log.read_text(errors="replace").rstrip(), flush=True)


def print_end(steps: list[Step], ended: dict[str, Running], seconds: float) -> None:
    failures = [(name, running) for name, running in ended.items() if running.code != 0]
    for name, running in failures:
        print(f"\n=== {name} failed; its whole output is above, and in {running.log.relative_to(ROOT)}")
        print("\n".join(match[0] for match in FAILURE.finditer(running.log.read_text(errors="replace"))))
    print(f"\n{'step':<16}{'time':>8}  result")
    for step in steps:
        running = ended.get(step.name)
        if running is None:
            print(f"{step.name:<16}{'-':>8}  not run: needs {', '.join(step.after)}")
        else:
            print(f"{step.name:<16}{clock(running.seconds):>8}  {'ok' if running.code == 0 else 'FAILED'}")
    print(f"{'all':<16}{clock(seconds):>8}")
    well = sum(running.code == 0 for running in ended.values())
    print(f"steps: {well} passed, {len(steps) - well} failed", flush=True)


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
