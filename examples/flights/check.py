"""Checks the example's result without Weir: ``python -m examples.flights.check INPUT RESULT``.

Computes from the CSV files, with the standard library only, what must be there, and compares it with all committed part files.
Ends with exit code 1 and the first differences if it is not so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from examples import exactness
from examples.exactness import line, rows

LATE_MINUTES = 60


def expected(source: Path) -> dict[str, Counter[str]]:
    names = {row["carrier"]: row["name"] for row in rows(source / "carriers")}
    delays: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    late: Counter[str] = Counter()
    for row in rows(source / "flights"):
        delay = None if row["dep_delay"] in {"", "NA"} else int(row["dep_delay"])
        delays[row["carrier"], row["origin"]].append(delay)
        if delay is not None and delay > LATE_MINUTES:
            flight = {name: row[name] for name in ("carrier", "flight", "origin", "dest")}
            flight |= {"scheduled": row["time_hour"], "carrier_name": names[row["carrier"]]}
            late[line({**flight, "delay": delay})] += 1
    summary: Counter[str] = Counter()
    for (carrier, origin), all_delays in delays.items():
        known = [delay for delay in all_delays if delay is not None]
        summary[
            line(
                {
                    "carrier": carrier,
                    "carrier_name": names[carrier],
                    "origin": origin,
                    "flights": len(all_delays),
                    "cancelled": len(all_delays) - len(known),
                    "mean_delay": round(sum(known) / len(known), 2) if known else None,
                }
            )
        ] += 1
    return {"summary": summary, "late": late}


if __name__ == "__main__":
    exactness.main(expected)
