"""Checks the example's result without Weir: ``python -m examples.flights.check INPUT RESULT``.

Computes from the CSV files, with the standard library only, what must be there, and compares it with all committed part files: nothing
missing, nothing twice, nothing else. Ends with exit code 1 and the first differences if it is not so.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

LATE_MINUTES = 60


def rows(folder: Path) -> Iterator[dict[str, str]]:
    for path in sorted(folder.glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def line(value: dict[str, object]) -> str:
    return json.dumps(value, sort_keys=True)


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
    return {"late": late, "summary": summary}


def written(folder: Path) -> Counter[str]:
    lines: Counter[str] = Counter()
    for path in folder.rglob("part-*"):
        lines.update(line(json.loads(text)) for text in path.read_text(encoding="utf-8").splitlines())
    return lines


def differences(source: Path, result: Path) -> list[str]:
    """One sentence for each line that is missing or too many; empty when the result is exact."""
    found = []
    for name, wanted in expected(source).items():
        got = written(result / name)
        found += [f"{name}: {count} x missing: {text}" for text, count in (wanted - got).items()]
        found += [f"{name}: {count} x too many: {text}" for text, count in (got - wanted).items()]
    return found


def main() -> None:
    source, result = map(Path, sys.argv[1:])
    found = differences(source, result)
    for sentence in found[:20]:
        print(sentence)
    if found:
        raise SystemExit(f"{len(found)} lines differ")
    print(
        f"{result} is exact: {', '.join(f'{written(result / n).total()} lines of {n}' for n in ('summary', 'late'))}"
    )


if __name__ == "__main__":
    main()
