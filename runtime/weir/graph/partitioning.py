"""Which channels an edge has: the pure routing rules of each partitioning.

``plan`` validates with them, the scheduler and the workers open channels by them. What a row's channel is (key
group, round robin, the user's partitioner) is decided by the sender, among the channels given here.
"""

from __future__ import annotations

from weir.graph.logical import Partitioning

#: These connect each sending subtask to every receiving one.
_ALL_TO_ALL = frozenset(
    {
        Partitioning.HASH,
        Partitioning.REBALANCE,
        Partitioning.SHUFFLE,
        Partitioning.BROADCAST,
        Partitioning.CUSTOM,
        Partitioning.GLOBAL,
    }
)


def is_all_to_all(partitioning: Partitioning) -> bool:
    """Whether each sender is connected to every receiver; else only to some neighbours."""
    return partitioning in _ALL_TO_ALL


def is_overtaken(partitioning: Partitioning) -> bool:
    """Whether barriers of unaligned checkpoints overtake on such edges, as in Flink.

    Not where each sender has its own receivers, nor where all receivers get the same: at another parallelism it
    could not be said whose the overtaken rows are.
    """
    return is_all_to_all(partitioning) and partitioning is not Partitioning.BROADCAST


def channels_of(
    partitioning: Partitioning, source_parallelism: int, target_parallelism: int, source_index: int
) -> list[int]:
    """Indexes of the receiving subtasks that sender ``source_index`` connects to, ascending, as in Flink.

    ``GLOBAL`` connects to all although rows go to subtask 0 only: every receiver needs barriers and the end
    of input. Raises ``ValueError`` for an index outside the parallelism, or a forward edge between different ones.
    """
    if not 0 <= source_index < source_parallelism:
        raise ValueError(f"subtask {source_index} of {source_parallelism} does not exist")
    if is_all_to_all(partitioning):
        return list(range(target_parallelism))
    if partitioning is Partitioning.FORWARD:
        if source_parallelism != target_parallelism:
            raise ValueError(f"a forward edge joins parallelism {source_parallelism} to {target_parallelism}")
        return [source_index]
    return _rescale(source_parallelism, target_parallelism, source_index)


def _rescale(sources: int, targets: int, source_index: int) -> list[int]:
    """Contiguous neighbours: each receiver gets a range of senders, or each sender a range of receivers."""
    if sources >= targets:
        return [
            target
            for target in range(targets)
            if target * sources // targets <= source_index < (target + 1) * sources // targets
        ]
    first = (source_index * targets + sources - 1) // sources
    end = ((source_index + 1) * targets + sources - 1) // sources
    return list(range(first, end))


def sources_of(
    partitioning: Partitioning, source_parallelism: int, target_parallelism: int, target_index: int
) -> list[int]:
    """Indexes of the sending subtasks that connect to receiver ``target_index``, ascending."""
    if is_all_to_all(partitioning):
        return list(range(source_parallelism))
    return [
        source
        for source in range(source_parallelism)
        if target_index in channels_of(partitioning, source_parallelism, target_parallelism, source)
    ]


def effective_partitioning(
    asked: Partitioning | None, source_parallelism: int, target_parallelism: int
) -> Partitioning:
    """What an edge does: what was asked for, else forward if it can be, else rebalance."""
    if asked is not None:
        return asked
    return Partitioning.FORWARD if source_parallelism == target_parallelism else Partitioning.REBALANCE
