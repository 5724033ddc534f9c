"""What a conformance run found, as a table for people and as numbers for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weir.testing.conformance.calls import Moment
from weir.testing.conformance.measure import Difference, Guarantee


class ConformanceError(AssertionError):
    """A connector does not do what it declares; the message holds the table."""


@dataclass(frozen=True)
class Trial:
    """One run of the job, hit at a call."""

    call: str  #: the method, e.g. ``committer.commit``
    moment: Moment
    where: str  #: the call with its number, and what came before it
    difference: Difference


@dataclass(frozen=True)
class Report:
    """All trials of one connector."""

    connector: str
    declared: Guarantee
    trials: tuple[Trial, ...]

    @property
    def total(self) -> Difference:
        """All trials together."""
        return sum((trial.difference for trial in self.trials), Difference())

    @property
    def measured(self) -> Guarantee:
        """What held in every trial."""
        return self.total.guarantee

    def check(self) -> None:
        """Raise ``ConformanceError`` unless what was measured is what is declared."""
        if self.measured is self.declared:
            return
        stronger = {Guarantee.AT_LEAST_ONCE, Guarantee.AT_MOST_ONCE}
        if self.measured is Guarantee.EXACTLY_ONCE and self.declared in stronger:
            advice = "it does more than it declares: set transactional (replayable) if that is no luck"
        else:
            worst = next(t for t in self.trials if t.difference.guarantee is not Guarantee.EXACTLY_ONCE)
            advice = f"first seen {worst.where}: {_in_words(worst.difference)}"
        raise ConformanceError(
            f"{self.connector} declares {self.declared}, measured was {self.measured}; {advice}\n{self}"
        )

    def __str__(self) -> str:
        rows = [
            ("crashed at", "times", "lost", "doubled", "strange", "reordered"),
            *((call, *_numbers(trials)) for call, trials in self._by_call()),
            ("all", *_numbers(self.trials)),
        ]
        verdict = f"{self.connector}: measured {self.measured}, declared {self.declared}"
        return f"{verdict}\n{_table(rows)}"

    def _by_call(self) -> Iterable[tuple[str, list[Trial]]]:
        grouped: dict[str, list[Trial]] = {}
        for trial in self.trials:
            name = f"{trial.call}, refused" if trial.moment is Moment.REFUSED else trial.call
            grouped.setdefault(name, []).append(trial)
        return grouped.items()


def summary(reports: Iterable[Report]) -> str:
    """One line a connector, as a Markdown table."""
    rows = [("connector", "rows lost", "rows doubled", "measured", "declared")]
    for report in reports:
        total = report.total
        rows.append(
            (
                report.connector,
                "some" if total.lost else "none",
                "some" if total.doubled else "none",
                str(report.measured),
                str(report.declared),
            )
        )
    return _table(rows)


def _numbers(trials: Sequence[Trial]) -> tuple[str, ...]:
    total = sum((trial.difference for trial in trials), Difference())
    numbers = (len(trials), total.lost, total.doubled, total.strange, total.reordered)
    return tuple(map(str, numbers))


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown, aligned: texts to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join(
            cell.rjust(width) if cell.isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _in_words(difference: Difference) -> str:
    named = (
        (difference.lost, "lost"),
        (difference.doubled, "doubled"),
        (difference.strange, "strange"),
        (difference.reordered, "reordered"),
    )
    return ", ".join(f"{number} rows {name}" for number, name in named if number)
