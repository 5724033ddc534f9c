"""Which subtasks an edge connects."""

from __future__ import annotations

import pytest

from weir.graph.logical import Partitioning
from weir.graph.partitioning import channels_of, effective_partitioning, sources_of


@pytest.mark.parametrize(
    "partitioning",
    [each for each in Partitioning if each not in {Partitioning.FORWARD, Partitioning.RESCALE}],
)
def test_most_partitionings_connect_everything(partitioning):
    assert channels_of(partitioning, 2, 3, 1) == [0, 1, 2]
    assert sources_of(partitioning, 2, 3, 0) == [0, 1]


def test_forward_connects_one_to_one():
    assert channels_of(Partitioning.FORWARD, 3, 3, 2) == [2]
    assert sources_of(Partitioning.FORWARD, 3, 3, 2) == [2]
    with pytest.raises(ValueError, match="parallelism 2 to 3"):
        channels_of(Partitioning.FORWARD, 2, 3, 0)


@pytest.mark.parametrize(
    ("sources", "targets", "channels"),
    [
        (2, 4, [[0, 1], [2, 3]]),
        (4, 2, [[0], [0], [1], [1]]),
        (2, 3, [[0, 1], [2]]),
        (3, 2, [[0], [1], [1]]),
        (1, 3, [[0, 1, 2]]),
        (3, 3, [[0], [1], [2]]),
    ],
)
def test_rescale_connects_ranges_as_flink_does(sources, targets, channels):
    assert [channels_of(Partitioning.RESCALE, sources, targets, i) for i in range(sources)] == channels


def test_a_subtask_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="subtask 2 of 2"):
        channels_of(Partitioning.HASH, 2, 2, 2)


def test_a_wish_is_kept_and_none_becomes_what_fits():
    assert effective_partitioning(Partitioning.SHUFFLE, 2, 2) is Partitioning.SHUFFLE
    assert effective_partitioning(None, 2, 2) is Partitioning.FORWARD
    assert effective_partitioning(None, 2, 3) is Partitioning.REBALANCE
