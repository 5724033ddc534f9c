from __future__ import annotations

import pytest

from weir.checkpoint import retention
from weir.checkpoint.retention import JobEnd
from weir.ids import CheckpointId, Epoch


@pytest.mark.parametrize(
    ("completed", "retained", "dropped"),
    [([], 1, ()), ([5], 1, ()), ([4, 5], 1, (4,)), ([9, 3, 4, 5], 2, (9, 3)), ([1, 2], 5, ())],
)
def test_the_oldest_beyond_the_number_retained_are_dropped(completed, retained, dropped):
    assert retention.subsumed([CheckpointId(n) for n in completed], retained) == dropped


@pytest.mark.parametrize(
    ("end", "retain", "deletes"),
    [
        (JobEnd.CANCELLED, False, True),
        (JobEnd.CANCELLED, True, False),
        (JobEnd.FINISHED, False, True),
        (JobEnd.FINISHED, True, False),
        (JobEnd.FAILED, False, False),
        (JobEnd.FAILED, True, False),
        (JobEnd.STOPPED, False, False),
        (JobEnd.STOPPED, True, False),
    ],
)
def test_only_a_job_that_is_over_takes_its_checkpoints_with_it(end, retain, deletes):
    assert retention.deletes_checkpoints(end, retain_on_cancel=retain) is deletes


NAMES = [
    "fence/000000000001",
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
    assert found.foreign == ("chk-4/notes.txt", "elsewhere")
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
