"""Checks the example's result without Weir: ``python -m examples.weather.check INPUT RESULT``.

Joins the CSV files in memory, with the standard library only, and compares that with all committed part files.
Ends with exit code 1 and the first differences if it is not so.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from examples import exactness
from examples.exactness import line, rows


def measured(text: str) -> float | None:
    return float(text) if text not in {"", "NA"} else None


def expected(source: Path) -> dict[str, Counter[str]]:
    reports: dict[tuple[str, str], dict[str, object]] = {}
    columns = {"temperature": "temp", "wind": "wind_speed", "rain": "precip", "visibility": "visib"}
    for row in rows(source / "weather"):
        reports[row["origin"], row["time_hour"]] = {
            name: measured(row[column]) for name, column in columns.items()
        }
    found: dict[str, Counter[str]] = {"flights": Counter(), "unknown": Counter()}
    for row in rows(source / "flights"):
        delay = None if row["dep_delay"] in {"", "NA"} else int(row["dep_delay"])
        flight: dict[str, object] = {name: row[name] for name in ("carrier", "flight", "origin", "dest")}
        flight |= {"hour": row["time_hour"], "delay": delay}
        weather = reports.get((row["origin"], row["time_hour"]))
        if weather is None:
            found["unknown"][line(flight)] += 1
        else:
            found["flights"][line({**flight, **weather})] += 1
    return found


if __name__ == "__main__":
    exactness.main(expected)
