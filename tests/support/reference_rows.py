"""What the reference job reads and must write, as pure functions: no Weir, so that the oracle stands on its own.

Row number ``i`` belongs to partition ``i % partitions`` and has the offset ``i // partitions`` there. Key and event time
follow from both, so a replay is equal to the byte. The job writes two kinds of JSON lines: one for each row, with the
key's running number (``seq``) and its rank among the rows of that key and partition (``nth``), and one for each key and
window of event time, with the number of rows in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

#: Milliseconds of event time between two offsets of a partition, and of a window.
STEP_MS = 10
WINDOW_MS = 1000
#: Of each partition's rows, before the gate.
GATE_SHARE = 0.7


@dataclass(frozen=True)
class Reference:
    """The parameters of a reference job; they travel as ``name=value`` arguments."""

    out: str
    partitions: int = 4
    rows: int = 1000  #: in each partition
    keys: int = 40
    rate: int = 0  #: rows a second over all partitions; 0: as fast as it goes
    #: ``plain`` | ``mutating`` | ``two-inputs`` | ``union`` | ``broadcast``
    variant: str = "plain"
    #: Bytes of state that each key keeps beside what it counts.
    ballast: int = 0
    #: Folder in which readers note what they are asked for; empty: they do not.
    journal: str = ""
    #: Until this file exists readers keep to the rate and stop at ``GATE_SHARE`` of their rows; then they read as
    #: fast as they can. Empty: there is no gate.
    gate: str = ""
    #: While this file exists, the first sink subtask's snapshot is not acknowledged.
    hold: str = ""
    #: Milliseconds that the sink's half of each snapshot takes at least.
    slow_ms: int = 0

    def arguments(self) -> list[str]:
        return [f"{name}={value}" for name, value in asdict(self).items()]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Reference:
        kinds = {field.name: int if field.type == "int" else str for field in fields(cls)}
        given = dict(argument.split("=", 1) for argument in arguments)
        return cls(**{name: kinds[name](value) for name, value in given.items()})

    @property
    def total(self) -> int:
        return self.partitions * self.rows

    def key(self, partition: int, offset: int) -> str:
        return f"k{(offset * 7919 + partition * 104729 + offset * offset % 31) % self.keys}"

    def row(self, number: int) -> dict[str, Any]:
        offset, partition = divmod(number, self.partitions)
        return {"p": partition, "o": offset, "k": self.key(partition, offset)}


def event_time(offset: int) -> int:
    return offset * STEP_MS


def window_end(timestamp: int) -> int:
    return (timestamp // WINDOW_MS + 1) * WINDOW_MS


def expected_rows(job: Reference) -> Iterator[tuple[int, int, str, int]]:
    """(partition, offset, key, nth) of every row, in the order of each partition."""
    for partition in range(job.partitions):
        seen: Counter[str] = Counter()
        for offset in range(job.rows):
            key = job.key(partition, offset)
            seen[key] += 1
            yield partition, offset, key, seen[key]


def expected_windows(job: Reference) -> Counter[tuple[str, int]]:
    """Rows by (key, end of window)."""
    return Counter((key, window_end(event_time(offset))) for _, offset, key, _ in expected_rows(job))
