"""Minimum, maximum, average and percentiles of a few figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from weir.jobmanager.rest.models.checkpoints import StatsSummary


def summary(figures: Iterable[int]) -> StatsSummary:
    """All zero where there are none."""
    ordered = sorted(figures)
    if not ordered:
        return StatsSummary()
    return StatsSummary(
        min=ordered[0],
        max=ordered[-1],
        avg=sum(ordered) // len(ordered),
        p50=_percentile(ordered, 0.5),
        p90=_percentile(ordered, 0.9),
        p95=_percentile(ordered, 0.95),
        p99=_percentile(ordered, 0.99),
        p999=_percentile(ordered, 0.999),
    )


def _percentile(ordered: list[int], share: float) -> float:
    """Between the two figures next to it, in proportion."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (position - below), 3)
