"""Contestants that take turns: medians over rounds and ratios, printed, and written as JSON and as a picture of bars.

Whoever is compared runs in the same rounds, one after the other, so that a busy spell of the machine meets all of them.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
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
    #: Names of those that it is compared with.
    beside: tuple[str, ...] = ()
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


def report(name: str, title: str, contestants: Sequence[Contestant]) -> None:
    """Print the table, and write ``out/benchmarks/NAME.json`` and ``NAME.svg``."""
    medians = {each.name: each.median for each in contestants}
    lines = []
    print(title)
    for each in contestants:
        ratios = {other: each.median / medians[other] for other in each.beside if other in medians}
        told = "   ".join(f"{ratio:6.2f} x {other}" for other, ratio in ratios.items())
        print(f"{each.name:40} {each.median / 1e6:8.3f} M rows/s   {told}")
        lines.append({"name": each.name, "rates": each.rates, "median": each.median, "ratios": ratios})
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"title": title, "contestants": lines}, indent=1))
    (RESULTS / f"{name}.svg").write_text(picture(title, medians))
    print(f"written: out/benchmarks/{name}.json and {name}.svg")


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
