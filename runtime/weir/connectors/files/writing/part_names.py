"""How a file sink's files are called, and which of the files that lie about are leftovers of whom. Pure.

``part-<operator>-<job>-<subtask>-<epoch>-<attempt>-<counter>.<suffix>``: no two attempts of any jobs ever write
the same name. What is not committed has a dot before that name (local) or lies in ``.pending/`` (object stores).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from weir.connectors.sink import WriterContext

#: Digits of an id in a name: enough that two jobs in one folder do not meet by chance.
_OPERATOR_DIGITS = 8
_JOB_DIGITS = 12

_NAME = re.compile(r"part-([0-9a-z]+)-([0-9a-z]+)-(\d+)-(\d+)-(\d+)-(\d+)(\.[a-z]+)")


class PartName(NamedTuple):
    """The final name of a part file, taken apart."""

    operator: str
    job: str
    subtask: int
    epoch: int
    attempt: int
    counter: int
    suffix: str

    def __str__(self) -> str:
        numbers = f"{self.subtask}-{self.epoch}-{self.attempt}-{self.counter:06}"
        return f"part-{self.operator}-{self.job}-{numbers}{self.suffix}"


def part_name(context: WriterContext, counter: int, suffix: str) -> PartName:
    """The ``counter``-th file of a writer."""
    return PartName(
        context.operator_id[:_OPERATOR_DIGITS],
        context.job_id[:_JOB_DIGITS],
        context.subtask_index,
        context.epoch,
        context.attempt,
        counter,
        suffix,
    )


def parse(name: str) -> PartName | None:
    """The parts of a final name; ``None`` for any other file."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    operator, job, subtask, epoch, attempt, counter, suffix = match.groups()
    return PartName(operator, job, int(subtask), int(epoch), int(attempt), int(counter), suffix)


def leftovers(names: Iterable[str], context: WriterContext) -> list[str]:
    """Of these final names of pending files: those that earlier attempts left for this subtask to remove.

    Only of the same job and operator, and of an attempt that came before; each file falls to one subtask.
    """
    mine = part_name(context, 0, "")
    found = []
    for name in names:
        part = parse(name)
        if (
            part is not None
            and (part.operator, part.job) == (mine.operator, mine.job)
            and (part.epoch, part.attempt) < (mine.epoch, mine.attempt)
            and part.subtask % context.parallelism == context.subtask_index
        ):
            found.append(name)
    return sorted(found)
