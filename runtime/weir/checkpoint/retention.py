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
from weir.config import ExternalizedCheckpointRetention
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


def deletes_checkpoints(end: JobEnd, retention: ExternalizedCheckpointRetention, *, ran: bool = True) -> bool:
    """Whether a job that ends so takes its checkpoints with it; to be done after its terminal record says so.

    As in Flink, with two differences. A finished job keeps them where a cancelled one would, so that an upgrade may
    still go on from its end. And one that failed before it ``ran`` keeps what it was to start from: code that does not
    fit the state, or too few slots, must not cost the state.
    """
    if end is JobEnd.FAILED:
        return ran and retention is ExternalizedCheckpointRetention.NO_EXTERNALIZED_CHECKPOINTS
    kept = retention is ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION
    return end in {JobEnd.CANCELLED, JobEnd.FINISHED} and not kept


@dataclass(frozen=True)
class Shared:
    """What is known of shared files.

    A table of a running task that was stored for checkpoint k, and that may still be part of a later one, is part of every
    completed one from k on. So whatever the ``newest`` of them is not made of, of k up to its number, no later one will be.
    """

    #: Those that a completed checkpoint is made of.
    referenced: frozenset[str]
    #: The newest completed checkpoint.
    newest: CheckpointId


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
    names: Sequence[str],
    keep: AbstractSet[CheckpointId],
    below: CheckpointId,
    epoch: Epoch,
    shared: Shared | None = None,
) -> Classified:
    """Sort all objects of a job's folder.

    ``keep``: checkpoints that are complete and retained, or a base. ``below``: numbers from here on may be in
    progress. ``epoch``: this process's. ``shared``: without it all shared files are kept. Nothing is to be deleted when
    ``newer`` is not empty.
    """
    sorted_into: dict[str, list[str]] = {"keep": [], "delete": [], "foreign": [], "newer": []}
    for name in names:
        sorted_into[_class_of(name, keep, below, epoch, shared)].append(name)
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


def _class_of(
    name: str,
    keep: AbstractSet[CheckpointId],
    below: CheckpointId,
    epoch: Epoch,
    shared: Shared | None,
) -> str:
    if name.startswith(paths.SHARED):
        return _class_of_shared(name, epoch, shared)
    split = paths.split_checkpoint(name)
    if split is None:
        ours = name.startswith((paths.FENCE, paths.TASK_OWNED))
        return "keep" if ours else "foreign"
    checkpoint, rest = split
    state = paths.parse_state_name(rest)
    if state is None and rest != paths.METADATA:
        return "foreign"
    if state is not None and state.epoch > epoch:
        return "newer"
    return "keep" if checkpoint in keep or checkpoint >= below else "delete"


def _class_of_shared(name: str, epoch: Epoch, shared: Shared | None) -> str:
    found = paths.parse_shared(name)
    if found is None:
        return "foreign"
    if found.epoch > epoch:
        return "newer"
    if shared is None or name in shared.referenced or found.checkpoint > shared.newest:
        return "keep"
    return "delete"
