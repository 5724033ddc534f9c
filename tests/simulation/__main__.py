"""Replay one seed with its trace, or try many: ``python -m tests.simulation --seed 7``, ``--from 1 --count 1000``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tests.simulation.run import Report, run
from tests.simulation.scenario import Scenario, make_scenario
from tests.simulation.steering import Steering, make_steered_scenario

Show = Callable[[str], None] | None
Runner = Callable[..., tuple[Scenario, Report]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="replay this seed and show what happens")
    parser.add_argument("--quiet", action="store_true", help="with --seed: only the result")
    parser.add_argument("--from", type=int, default=1, dest="first")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first failing seed")
    parser.add_argument("--steered", action="store_true", help="people save, stop and rescale the job, too")
    options = parser.parse_args()
    runner = _steered if options.steered else _plain
    if options.seed is not None:
        return _replay(runner, options.seed, quiet=options.quiet)
    return _many(runner, options.first, options.count, keep_going=options.keep_going)


def _plain(seed: int, show: Show = None) -> tuple[Scenario, Report]:
    scenario = make_scenario(seed)
    return scenario, run(scenario, show)


def _steered(seed: int, show: Show = None) -> tuple[Scenario, Report]:
    scenario = make_steered_scenario(seed)
    return scenario, run(scenario, show, Steering)


def _replay(runner: Runner, seed: int, *, quiet: bool) -> int:
    scenario, report = runner(seed, None if quiet else print)
    print("\n".join(scenario.describe()))
    for fault in report.faults:
        print(f"FAULT {fault}")
    print(
        f"{report.lines} lines, {report.virtual_seconds:.1f} virtual s, epochs {report.epochs}, {report.digest}"
    )
    return 0 if report.good else 1


def _many(runner: Runner, first: int, count: int, *, keep_going: bool) -> int:
    began = time.monotonic()
    failing = []
    totals = {"checkpoints": 0, "epochs": 0, "virtual_seconds": 0.0}
    for seed in range(first, first + count):
        _, report = runner(seed)
        for name in totals:
            totals[name] += getattr(report, name)
        if not report.good:
            failing.append(seed)
            print(f"seed {seed}: {report.faults[0][:600]}", flush=True)
            if not keep_going:
                break
    print(f"{count} seeds in {time.monotonic() - began:.1f} s, {totals}; failing: {failing}")
    if failing:
        print(f"replay: python -m tests.simulation --seed {failing[0]}")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
