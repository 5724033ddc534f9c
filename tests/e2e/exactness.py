"""What the counting job must have written, checked by plain json over the objects in the bucket: nothing of Weir reads them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

#: As in the job.
KEYS = 17
#: Faults of one kind that are named; the rest is only counted.
NAMED = 5
Line = dict[str, Any]


def lines(objects: Mapping[str, bytes]) -> list[Line]:
    """The rows of all committed files: those called ``part-*``; what is not committed lies below a name with a dot."""
    found = []
    for key in sorted(objects):
        *folders, name = key.split("/")
        if name.startswith("part-") and not any(folder.startswith(".") for folder in folders):
            found += [json.loads(line) for line in objects[key].decode().splitlines()]
    return found


def faults(found: list[Line], rows: int | None = None) -> list[str]:
    """Everything that is wrong: of a job that ended after ``rows`` rows, or of one that still runs.

    What is visible of a running job is a part of the whole: no row twice, and of each key exactly its first n results.
    """
    seen = Counter(line["id"] for line in found)
    wrong = _named("doubled", [number for number, times in seen.items() if times > 1])
    if rows is not None:
        wrong += _named("lost", sorted(set(range(rows)) - seen.keys()))
        wrong += _named("invented", sorted(seen.keys() - set(range(rows))))
    places: dict[int, list[int]] = defaultdict(list)
    for line in found:
        places[line["key"]].append(line["nth"])
        if line["key"] != line["id"] % KEYS:
            wrong.append(f"row {line['id']} has key {line['key']}")
    for key, numbers in sorted(places.items()):
        wanted = range(1, len(numbers) + 1)
        if sorted(numbers) != list(wanted):
            missing = sorted(set(wanted) - set(numbers))[:NAMED]
            wrong.append(
                f"key {key}: {len(numbers)} results, not numbered 1 to {len(numbers)}; missing {missing}"
            )
    return wrong


def _named(what: str, numbers: list[int]) -> list[str]:
    return [f"{what}: {len(numbers)} rows, such as {numbers[:NAMED]}"] if numbers else []
