from __future__ import annotations

import json

import msgspec
import pytest

from tests.support.checkpoints import COUNT_OPERATOR, metadata
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint.metadata import OperatorState, SnapshotKind
from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.state.snapshot import OperatorSubtaskState, StateHandle, inline_handle, object_handle

WHERE = "s3://bucket/job/chk-1/_metadata"


def operator(*subtasks, **fields):
    values = {"parallelism": 2, "max_parallelism": 128, **fields}
    return OperatorState(operator_id=COUNT_OPERATOR, uid="count", name="count", subtasks=subtasks, **values)


def subtask(index=0, **fields):
    return OperatorSubtaskState(subtask=index, **fields)


FULL = metadata(
    7,
    kind=SnapshotKind.SAVEPOINT,
    has_commits=True,
    operators=(
        operator(
            subtask(
                0,
                keyed=object_handle("chk-7/e1-a1-bbbbbbbbbbbbbbbb-0-keyed", b"k" * 100_000),
                key_groups=(0, 63),
                operator=inline_handle(b"\x00\xff"),
                split_only=False,
                has_commits=True,
                watermark=-5,
            ),
            subtask(1, finished=True),
        ),
    ),
)


def test_metadata_survives_its_own_format():
    data = metadata_format.encode(FULL)
    assert metadata_format.decode(data, WHERE) == FULL
    assert metadata_format.encode(metadata_format.decode(data, WHERE)) == data
    assert FULL.size == 100_002


def test_metadata_is_json_that_people_can_read():
    document = json.loads(metadata_format.encode(FULL))
    assert (document["format_version"], document["checkpoint_id"], document["kind"]) == (1, 7, "savepoint")
    state = document["operators"][0]["subtasks"][0]
    assert state["keyed"]["path"] == "chk-7/e1-a1-bbbbbbbbbbbbbbbb-0-keyed"
    assert state["operator"]["data"] == "AP8="


def test_a_field_that_a_later_version_adds_is_passed_over():
    document = json.loads(metadata_format.encode(FULL))
    document["comment"] = "new"
    assert metadata_format.decode(json.dumps(document).encode(), WHERE) == FULL


def test_a_newer_format_is_named_with_both_versions():
    document = {**json.loads(metadata_format.encode(FULL)), "format_version": 3, "operators": "another shape"}
    with pytest.raises(SnapshotMismatch, match=r"chk-1/_metadata has format version 3, .* up to 2"):
        metadata_format.decode(json.dumps(document).encode(), WHERE)


GOOD = metadata_format.encode(FULL)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"not json",
        GOOD[: len(GOOD) // 2],
        GOOD.replace(b'"count"', b'"\xff"'),
        GOOD.replace(b'"parallelism": 2', b'"parallelism": "2"'),
        GOOD.replace(b'"kind": "savepoint"', b'"kind": "other"'),
    ],
)
def test_damaged_metadata_is_named(data):
    assert data != GOOD
    with pytest.raises(SnapshotCorrupt, match="chk-1/_metadata"):
        metadata_format.decode(data, WHERE)


@pytest.mark.parametrize("at", range(0, len(GOOD), 7))
def test_a_flipped_byte_is_found_or_changes_nothing(at):
    flipped = GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]
    try:
        found = metadata_format.decode(flipped, WHERE)
    except (SnapshotCorrupt, SnapshotMismatch):
        return  # found; other tests look at the words
    assert found == FULL


def test_a_flipped_byte_that_leaves_good_json_is_told_with_both_checksums():
    with pytest.raises(
        SnapshotCorrupt, match=r"chk-1/_metadata has checksum [0-9a-f]{64}, its last line says [0-9a-f]{64}"
    ):
        metadata_format.decode(GOOD.replace(b'"parallelism": 2', b'"parallelism": 3'), WHERE)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (operator(parallelism=0), "parallelism 0"),
        (operator(parallelism=200), "max parallelism 128"),
        (operator(subtask(0), subtask(0)), "subtasks"),
        (operator(subtask(2)), "subtasks"),
        (operator(subtask(keyed=inline_handle(b"x"))), "without key groups"),
        (operator(subtask(keyed=inline_handle(b"x"), key_groups=(5, 4))), "key groups 5 to 4"),
        (operator(subtask(keyed=inline_handle(b"x"), key_groups=(0, 128))), "key groups 0 to 128"),
        (operator(subtask(operator=object_handle("../other-job/x", b"x"))), "refused"),
        (operator(subtask(operator=object_handle("/etc/passwd", b"x"))), "refused"),
    ],
)
def test_metadata_that_contradicts_itself_is_refused(bad, said):
    data = metadata_format.encode(metadata(operators=(bad,)))
    with pytest.raises(SnapshotCorrupt, match=said):
        metadata_format.decode(data, WHERE)


def test_an_operator_that_is_named_twice_is_refused():
    with pytest.raises(SnapshotCorrupt, match="twice"):
        metadata_format.decode(metadata_format.encode(metadata(operators=(operator(), operator()))), WHERE)


def test_a_handle_has_either_data_or_a_path():
    for fields in ({}, {"data": b"x", "path": "a"}):
        with pytest.raises(ValueError, match="either"):
            StateHandle(size=1, sha256="00", **fields)
    with pytest.raises(msgspec.ValidationError, match="either"):
        msgspec.json.decode(b'{"size": 1, "sha256": "00"}', type=StateHandle)


def test_bytes_that_are_cut_or_changed_are_refused_by_their_handle():
    handle = object_handle("chk-1/x", b"hello")
    assert handle.checked(b"hello", "f") == b"hello"
    with pytest.raises(SnapshotCorrupt, match="f has 4 bytes, its snapshot recorded 5"):
        handle.checked(b"hell", "f")
    with pytest.raises(SnapshotCorrupt, match="damaged"):
        handle.checked(b"jello", "f")
