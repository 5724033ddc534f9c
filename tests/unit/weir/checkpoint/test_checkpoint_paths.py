from __future__ import annotations

import pytest

from tests.support.checkpoints import JOB
from weir.checkpoint import paths
from weir.ids import AttemptId, CheckpointId, Epoch, OperatorId


def test_every_name_is_spelled_as_documented():
    n = CheckpointId(12)
    assert paths.fence_record(7) == "fence/000000000007"
    assert paths.checkpoint_folder(n) == "chk-12"
    assert paths.checkpoint_metadata(n) == "chk-12/_metadata"
    assert paths.savepoint_folder(JOB, n) == "savepoint-012345-12"
    assert paths.by_name("local", "flights", JOB) == f"by-name/local/flights/{JOB}"


def test_a_state_name_carries_epoch_attempt_operator_and_subtask():
    name = paths.state_name(Epoch(3), AttemptId(2), OperatorId("ab" * 16), 5, paths.StateKind.KEYED)
    assert name == "e3-a2-abababababababab-5-keyed"
    assert paths.parse_state_name(name) == (3, 2, "ab" * 8, 5, paths.StateKind.KEYED)


@pytest.mark.parametrize(
    "name", ["_metadata", "e3-a2-abababababababab-5", "e3-a2-xyz-5-keyed", "notes.txt", ""]
)
def test_other_names_are_not_taken_for_state(name):
    assert paths.parse_state_name(name) is None


@pytest.mark.parametrize(
    ("name", "seq"), [("fence/000000000007", 7), ("fence/7", None), ("fence/00000000000x", None)]
)
def test_a_fence_record_is_known_by_its_twelve_digits(name, seq):
    assert paths.fence_seq(name) == seq


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("chk-12/_metadata", (12, "_metadata")),
        ("chk-12/a/b", (12, "a/b")),
        ("chk-012/x", None),
        ("chk-x/y", None),
        ("chk-12", None),
        ("shared/x", None),
    ],
)
def test_an_object_belongs_to_a_checkpoint_by_its_folder(name, split):
    assert paths.split_checkpoint(name) == split
