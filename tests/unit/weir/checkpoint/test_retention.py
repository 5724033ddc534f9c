from __future__ import annotations

import pytest

from weir.checkpoint import retention
from weir.checkpoint.retention import JobEnd
from weir.config import ExternalizedCheckpointRetention
from weir.ids import CheckpointId, Epoch

NEVER = ExternalizedCheckpointRetention.NO_EXTERNALIZED_CHECKPOINTS
ON_FAILURE = ExternalizedCheckpointRetention.DELETE_ON_CANCELLATION
ALWAYS = ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION


@pytest.mark.parametrize(
    ("completed", "retained", "dropped"),
    [([], 1, ()), ([5], 1, ()), ([4, 5], 1, (4,)), ([9, 3, 4, 5], 2, (9, 3)), ([1, 2], 5, ())],
)
def test_the_oldest_beyond_the_number_retained_are_dropped(completed, retained, dropped):
    assert retention.subsumed([CheckpointId(n) for n in completed], retained) == dropped


@pytest.mark.parametrize(
    ("end", "kept", "deletes"),
    [
        (JobEnd.CANCELLED, NEVER, True),
        (JobEnd.CANCELLED, ON_FAILURE, True),
        (JobEnd.CANCELLED, ALWAYS, False),
        (JobEnd.FINISHED, NEVER, True),
        (JobEnd.FINISHED, ON_FAILURE, True),
        (JobEnd.FINISHED, ALWAYS, False),
        (JobEnd.FAILED, NEVER, True),
        (JobEnd.FAILED, ON_FAILURE, False),
        (JobEnd.FAILED, ALWAYS, False),
        (JobEnd.STOPPED, NEVER, False),
        (JobEnd.STOPPED, ON_FAILURE, False),
        (JobEnd.STOPPED, ALWAYS, False),
    ],
)
def test_only_a_job_that_is_over_takes_its_checkpoints_with_it(end, kept, deletes):
    assert retention.deletes_checkpoints(end, kept) is deletes


def test_a_job_that_failed_before_it_ran_keeps_what_it_was_to_start_from():
    assert not retention.deletes_checkpoints(JobEnd.FAILED, NEVER, ran=False)


NAMES = [
    "fence/000000000001",
    "shared/3/e1-a1-aaaaaaaaaaaaaaaa-0-keyed-000009",
    "shared/x",
    "taskowned/y",
    "chk-3/_metadata",
    "chk-3/e1-a1-aaaaaaaaaaaaaaaa-0-keyed",
    "chk-4/_metadata",
    "chk-4/e1-a2-aaaaaaaaaaaaaaaa-0-keyed",
    "chk-4/notes.txt",
    "chk-9/e2-a1-aaaaaaaaaaaaaaaa-0-keyed",
    "elsewhere",
]


def classify(names, keep=(4,), below=9, epoch=2):
    return retention.classify(names, {CheckpointId(n) for n in keep}, CheckpointId(below), Epoch(epoch))


def test_every_object_is_classified_and_only_left_overs_of_ours_may_go():
    found = classify(NAMES)
    assert found.delete == ("chk-3/_metadata", "chk-3/e1-a1-aaaaaaaaaaaaaaaa-0-keyed")
    assert found.foreign == ("shared/x", "chk-4/notes.txt", "elsewhere")
    assert found.newer == ()
    assert sorted(found.keep + found.delete + found.foreign) == sorted(NAMES)


def test_a_zombie_deletes_nothing():
    found = classify(NAMES, epoch=1)
    assert found.newer == ("chk-9/e2-a1-aaaaaaaaaaaaaaaa-0-keyed",)
    assert found.delete == ()


def test_a_discarded_snapshot_loses_only_the_state_of_its_own_epoch():
    names = [
        "chk-3/_metadata",
        "chk-3/e1-a1-aaaaaaaaaaaaaaaa-0-keyed",
        "chk-3/e2-a1-aaaaaaaaaaaaaaaa-0-keyed",
    ]
    assert retention.own_files(names, CheckpointId(3), Epoch(2)) == (names[2],)


def shared_name(checkpoint, epoch=1, file="000009"):
    return f"shared/{checkpoint}/e{epoch}-a1-aaaaaaaaaaaaaaaa-0-keyed-{file}"


def test_a_shared_file_goes_when_the_newest_checkpoint_and_all_that_are_kept_are_made_without_it():
    names = [shared_name(3), shared_name(4), shared_name(5), shared_name(6)]
    shared = retention.Shared(frozenset({shared_name(4)}), CheckpointId(5))
    found = retention.classify(names, set(), CheckpointId(9), Epoch(1), shared)
    assert found.delete == (shared_name(3), shared_name(5))
    assert found.keep == (shared_name(4), shared_name(6)), "a checkpoint that is on its way may be made of 6"


def test_a_zombie_deletes_no_shared_file():
    shared = retention.Shared(frozenset(), CheckpointId(5))
    found = retention.classify(
        [shared_name(3), shared_name(4, epoch=2)], set(), CheckpointId(9), Epoch(1), shared
    )
    assert (found.delete, found.newer) == ((), (shared_name(4, epoch=2),))
