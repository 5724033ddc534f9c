"""What may be deleted in a job's folder. Decides; does no I/O, and knows no savepoint: those are never deleted.

Completed checkpoints beyond the number retained are dropped after each new one. What dead processes left is found by
classifying every listed object first; only then is anything deleted, and only what is spelled as our own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from weir.checkpoint import paths
from weir.ids import CheckpointId, Epoch


class JobEnd(enum.Enum):
    """How a job came to its end."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    STOPPED = "stopped"  #: with a savepoint, or suspended by Ctrl-C


def subsumed(completed: Sequence[CheckpointId], retained: int) -> tuple[CheckpointId, ...]:
    """The completed checkpoints (oldest first, savepoints not among them) to drop so that ``retained`` stay."""
    return tuple(completed[: max(0, len(completed) - retained)])


def deletes_checkpoints(end: JobEnd, *, retain_on_cancel: bool) -> bool:
    """Whether a job that ends so takes its checkpoints with it; to be done after its terminal record says so.

    A failed or stopped job keeps them. A finished one keeps them where a cancelled one would, so that an upgrade may
    still go on from its end.
    """
    return end in {JobEnd.CANCELLED, JobEnd.FINISHED} and not retain_on_cancel


@dataclass(frozen=True)
class Classified:
    """Every object of a listing is in exactly one of these."""

    keep: tuple[str, ...]
    delete: tuple[str, ...]
    #: In one of our folders, but not spelled by us: kept, and worth a warning.
    foreign: tuple[str, ...]
    #: Belongs to an epoch after ours: this process is a zombie and deletes nothing.
    newer: tuple[str, ...]


def classify(
    names: Sequence[str], keep: AbstractSet[CheckpointId], below: CheckpointId, epoch: Epoch
) -> Classified:
    """Sort all objects of a job's folder.

    ``keep``: checkpoints that are complete and retained, or a base. ``below``: numbers from here on may be in
    progress. ``epoch``: this process's. Nothing is to be deleted when ``newer`` is not empty.
    """
    sorted_into: dict[str, list[str]] = {"keep": [], "delete": [], "foreign": [], "newer": []}
    for name in names:
        sorted_into[_class_of(name, keep, below, epoch)].append(name)
    if sorted_into["newer"]:
        sorted_into["keep"] += sorted_into.pop("delete")
        sorted_into["delete"] = []
    return Classified(**{key: tuple(found) for key, found in sorted_into.items()})


def own_files(names: Iterable[str], checkpoint: CheckpointId, epoch: Epoch) -> tuple[str, ...]:
    """State objects that ``epoch`` wrote for ``checkpoint``; never ``_metadata``, whose writer the name does not tell."""
    found = []
    for name in names:
        split = paths.split_checkpoint(name)
        if split is not None and split[0] == checkpoint:
            state = paths.parse_state_name(split[1])
            if state is not None and state.epoch == epoch:
                found.append(name)
    return tuple(found)


def _class_of(name: str, keep: AbstractSet[CheckpointId], below: CheckpointId, epoch: Epoch) -> str:
    split = paths.split_checkpoint(name)
    if split is None:
        ours = name.startswith((paths.FENCE, paths.SHARED, paths.TASK_OWNED))
        return "keep" if ours else "foreign"
    checkpoint, rest = split
    state = paths.parse_state_name(rest)
    if state is None and rest != paths.METADATA:
        return "foreign"
    if state is not None and state.epoch > epoch:
        return "newer"
    return "keep" if checkpoint in keep or checkpoint >= below else "delete"
