"""Contestants that take turns: medians over rounds and ratios, printed, and written as JSON and as a picture of bars.

Whoever is compared runs in the same rounds, one after the other, so that a busy spell of the machine meets all of them.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from benchmarks.peers import ROOT

RESULTS = ROOT / "out" / "benchmarks"
_BAR, _LEFT, _WIDTH = 26, 330, 900


@dataclass
class Contestant:
    """``run`` gets an empty folder and gives rows per second."""

    name: str
    run: Callable[[Path], float]
    #: Names of those that it is compared with, and how many times their rate it must have; 0 where nothing is asked.
    beside: Mapping[str, float] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Rows per second."""
        return statistics.median(self.rates)


def compete(contestants: Sequence[Contestant], rounds: int) -> None:
    """Let each run once a round."""
    for turn in range(rounds):
        for contestant in contestants:
            with tempfile.TemporaryDirectory() as folder:
                contestant.rates.append(contestant.run(Path(folder)))
            print(
                f"round {turn + 1} of {rounds}: {contestant.name:40} {contestant.rates[-1] / 1e6:8.3f} M rows/s",
                file=sys.stderr,
                flush=True,
            )


def report(name: str, title: str, contestants: Sequence[Contestant]) -> bool:
    """Print the table, and write ``out/benchmarks/NAME.json`` and ``NAME.svg``; whether each ratio is what it must be."""
    medians = {each.name: each.median for each in contestants}
    lines, missed = [], []
    print(title)
    for each in contestants:
        ratios = {other: each.median / medians[other] for other in each.beside if other in medians}
        told = "   ".join(compared(ratio, other, each.beside[other]) for other, ratio in ratios.items())
        print(f"{each.name:40} {each.median / 1e6:8.3f} M rows/s   {told}")
        missed += [f"{each.name} beside {other}" for other in ratios if ratios[other] < each.beside[other]]
        lines.append(
            {
                "name": each.name,
                "rates": each.rates,
                "median": each.median,
                "ratios": ratios,
                "must": dict(each.beside),
            }
        )
    print(f"missed: {', '.join(missed)}" if missed else "each ratio is what it must be")
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"title": title, "contestants": lines}, indent=1))
    (RESULTS / f"{name}.svg").write_text(picture(title, medians))
    print(f"written: out/benchmarks/{name}.json and {name}.svg")
    return not missed


def compared(ratio: float, other: str, must: float) -> str:
    """A ratio, as the table tells it."""
    return f"{ratio:6.2f} x {other}" + (f" (must: {must:g})" if must else "")


def picture(title: str, medians: dict[str, float]) -> str:
    """An SVG with a bar for each median."""
    most = max(medians.values())
    height = _BAR * (len(medians) + 2)
    shapes = [f'<text x="10" y="18" font-weight="bold">{escape(title)}</text>']
    for row, (name, rate) in enumerate(medians.items(), start=1):
        top = row * _BAR + 8
        width = max(1, round(rate / most * (_WIDTH - _LEFT - 130)))
        colour = "#2b6cb0" if name.startswith("weir") else "#a0aec0"
        shapes += [
            f'<text x="{_LEFT - 10}" y="{top + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{width}" height="{_BAR - 6}" fill="{colour}"/>',
            f'<text x="{_LEFT + width + 6}" y="{top + 15}">{rate / 1e6:.2f} M rows/s</text>',
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13">'
        f"{''.join(shapes)}</svg>\n"
    )
