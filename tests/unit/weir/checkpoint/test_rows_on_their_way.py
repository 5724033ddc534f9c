"""Checkpoints that hold rows on their way: how they are numbered, inspected, and refused where rows would be lost."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.support.checkpoints import FACTS, SUBTASKS, ack
from tests.support.snapshots import operator_id_of, write_snapshot
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import paths, store
from weir.checkpoint.inspection import Problem, inspect_snapshot
from weir.checkpoint.pending import PendingCheckpoint
from weir.cli.inspect_text import snapshot_text
from weir.errors import SnapshotError
from weir.ids import AttemptId, CheckpointId, Epoch
from weir.state.snapshot import StateHandle, inline_handle
from weir.state_reader import Savepoint
from weir.storage import MemoryStorage

ROWS = b"rows" * 500


@pytest.mark.parametrize(("in_flight", "version"), [(None, 1), (inline_handle(ROWS), 2)])
def test_only_a_checkpoint_with_such_rows_has_the_version_that_an_older_weir_refuses(
    in_flight: StateHandle | None, version: int
) -> None:
    pending = PendingCheckpoint(
        CheckpointId(1), AttemptId(1), SUBTASKS, frozenset(), triggered_at=0.0, triggered_ms=0, request=None
    )
    for subtask in SUBTASKS:
        pending.acknowledge(ack(1, subtask, in_flight=in_flight))
    made = pending.metadata(FACTS)
    assert made.format_version == version
    assert metadata_format.decode(metadata_format.encode(made), "chk-1/_metadata") == made


def with_rows(name: str) -> MemoryStorage:
    """A snapshot whose operator ``count`` has rows on their way to its first subtask."""
    folder = MemoryStorage.named(name)
    made = write_snapshot(folder, 1, savepoint=True)
    counted = operator_id_of("count")
    object_name = paths.state_name(Epoch(1), AttemptId(1), counted, 0, paths.StateKind.IN_FLIGHT)
    handle = store.write_state(folder, object_name, ROWS, inline_bytes=600)
    operators = tuple(
        structs.replace(
            operator,
            subtasks=(structs.replace(operator.subtasks[0], in_flight=handle), *operator.subtasks[1:]),
        )
        if operator.operator_id == counted
        else operator
        for operator in made.operators
    )
    made = structs.replace(made, format_version=2, operators=operators)
    folder.create_if_absent(paths.METADATA, metadata_format.encode(made))
    return folder


def test_inspect_says_how_much_was_on_its_way_and_finds_its_file_damaged() -> None:
    folder = with_rows("rows-inspected")
    facts = inspect_snapshot(store.load(folder.uri))
    (count,) = (operator for operator in facts.operators if operator.uid == "count")
    assert (facts.faults, facts.unreferenced, count.in_flight) == ((), (), len(ROWS))
    assert "in flight: " in snapshot_text(facts)
    (name,) = (info.name for info in folder.list() if info.name.endswith("in-flight"))
    assert paths.parse_state_name(name) is not None
    folder.delete(name)
    (fault,) = inspect_snapshot(store.load(folder.uri)).faults
    assert fault.problem is Problem.MISSING


def test_a_program_reads_such_a_snapshot_but_writes_no_savepoint_without_the_rows() -> None:
    savepoint = Savepoint.load(with_rows("rows-read").uri)
    with pytest.raises(SnapshotError, match=r"uid 'count' has 2000 bytes of rows on their way to it"):
        savepoint.write("memory://rows-written")
