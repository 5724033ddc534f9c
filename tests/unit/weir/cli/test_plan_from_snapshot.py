"""``weir plan --from``: per uid what a restore would do, and that it says no exactly when the JobManager does."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec import structs

from tests.support.graphs import graph, node
from tests.support.snapshots import job_folder, operator_id_of, savepoint_in, write_snapshot
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import paths, store
from weir.checkpoint.restorability import Fit
from weir.cli.restore_preview import PlanWithRestore, preview, preview_text
from weir.errors import SnapshotCorrupt, SnapshotError
from weir.graph.physical import PhysicalPlan
from weir.jobmanager.deployment.scheduler import check_restorable
from weir.jobmanager.planning import PlannedJob, planned
from weir.records import RowBatch
from weir.rpc.messages import JobSpec
from weir.state.snapshot import inline_handle
from weir.storage import MemoryStorage
from weir.taskmanager import in_flight
from weir.taskmanager.exchange.column_codec import ColumnDecoder
from weir.taskmanager.exchange.row_codec import RowDecoder
from weir.taskmanager.in_flight import ChannelName, EdgeName, Recording


@pytest.fixture
def root(request) -> MemoryStorage:
    storage = MemoryStorage.named(f"preview-{request.node.name}")
    storage._objects.clear()
    return storage


def job(*, count: str = "count", max_parallelism: int = 128, allowed: bool = False) -> PlannedJob:
    """Of the sample snapshot's operators it has all but the broadcast one, and a new one."""
    logical = graph(
        [
            node(1, "source", uid="rows", name="rows"),
            node(
                2,
                "keyed-process",
                uid=count,
                keyed=True,
                name="KeyedProcess",
                max_parallelism=max_parallelism,
            ),
            node(3, "map", uid="fresh", name="Map"),
            node(4, "sink", uid="out", name="FileSink"),
        ],
        (1, 2, "hash"),
        (2, 3),
        (3, 4),
    )
    spec = JobSpec(name="flights", entrypoint="m:f", parallelism=4, allow_non_restored_state=allowed)
    return planned(spec, logical)


def by_uid(found) -> dict[str | None, Fit]:
    return {uid.uid: uid.fit for uid in found.operators}


def test_each_uid_is_matched_new_or_orphaned(root):
    savepoint_in(root)
    found = preview(job(), root.uri)
    assert by_uid(found) == {
        "rows (enumerator)": Fit.MATCHED,
        "rows": Fit.MATCHED,
        "count": Fit.MATCHED,
        "fresh": Fit.NEW,
        "out": Fit.MATCHED,
        "rules": Fit.ORPHANED,
        None: Fit.GONE,
    }
    assert found.refused is not None
    assert "uid 'rules'" in found.refused


def test_the_picture_is_a_golden_file(golden):
    storage = MemoryStorage.named("golden-preview")
    storage._objects.clear()
    savepoint_in(storage)
    texts = [
        preview_text(preview(made, storage.uri))
        for made in (job(), job(allowed=True), job(count="renamed"), job(max_parallelism=64, allowed=True))
    ]
    golden("cli/plan-from.txt", "\n".join(texts))


def test_the_json_holds_to_the_published_schemas(golden):
    golden("cli/plan.schema.json", json.dumps(msgspec.json.schema(PhysicalPlan), indent=1) + "\n")
    golden("cli/plan-from.schema.json", json.dumps(msgspec.json.schema(PlanWithRestore), indent=1) + "\n")


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        (job(), True),
        (job(allowed=True), False),
        (job(count="renamed"), True),
        (job(count="renamed", allowed=True), False),
        (job(max_parallelism=64, allowed=True), True),
    ],
    ids=["orphan", "orphan allowed", "renamed", "renamed allowed", "max parallelism"],
)
def test_the_answer_is_the_jobmanagers(root, made, refused):
    savepoint_in(root)
    said = preview(made, root.uri).refused
    assert (said is not None) is refused
    snapshot = store.load(root.uri)
    if refused:
        with pytest.raises(SnapshotError) as raised:
            check_restorable(made, snapshot.metadata, snapshot.uri)
        assert str(raised.value) == said
    else:
        check_restorable(made, snapshot.metadata, snapshot.uri)


def test_both_max_parallelisms_are_told(root):
    savepoint_in(root)
    found = preview(job(max_parallelism=64, allowed=True), root.uri)
    assert by_uid(found)["count"] is Fit.CONFLICT
    assert found.refused is not None
    assert "max parallelism 128 for uid 'count', the job asks for 64" in found.refused


def test_state_that_may_be_dropped_is_named(root):
    savepoint_in(root)
    assert preview(job(allowed=True), root.uri).dropped == ("uid 'rules'",)


def test_a_damaged_file_is_a_refusal_before_anything_is_stopped(root):
    savepoint_in(root)
    name = next(info.name for info in root.list() if info.name.endswith("keyed"))
    data = root.read(name)
    root.write(name, bytes([data[0] ^ 1]) + data[1:])
    found = preview(job(allowed=True), root.uri)
    assert found.refused is not None
    assert name in found.refused
    assert [str(fault.problem) for fault in found.faults] == ["checksum"]


def test_a_retained_checkpoint_is_as_good_as_a_savepoint(root):
    folder, _ = job_folder(root)
    assert preview(job(allowed=True), f"{folder.uri}/chk-1/_metadata").refused is None


def test_no_snapshot_is_an_error_that_names_the_path(root):
    with pytest.raises(SnapshotCorrupt, match=f"{root.uri}/_metadata is missing"):
        preview(job(), root.uri)


def with_rows_from(root: MemoryStorage, source: str) -> None:
    """A checkpoint in which rows are on their way from ``source`` to ``count``."""
    made = write_snapshot(root, 3, savepoint=True)
    channel = Recording(
        ChannelName(EdgeName(operator_id_of(source), None, 0, 0), 0, 2), RowDecoder(), ColumnDecoder()
    )
    channel.add(0, RowBatch([("a", 1)], None, ["a"]), 1)
    data = in_flight.encode(2, 128, [channel])
    assert data is not None
    counted = operator_id_of("count")
    operators = tuple(
        structs.replace(
            operator,
            subtasks=(
                structs.replace(operator.subtasks[0], in_flight=inline_handle(data)),
                *operator.subtasks[1:],
            ),
        )
        if operator.operator_id == counted
        else operator
        for operator in made.operators
    )
    made = structs.replace(made, format_version=2, operators=operators)
    root.create_if_absent(paths.METADATA, metadata_format.encode(made))


@pytest.mark.parametrize(("source", "refused"), [("rows", False), ("rules", True)])
def test_rows_on_their_way_along_an_edge_that_is_gone_are_a_refusal_before_anything_is_stopped(
    root, source, refused
):
    with_rows_from(root, source)
    found = preview(job(allowed=True), root.uri).refused
    assert (found is not None) is refused
    if found is not None:
        assert (
            f"rows on their way from operator {operator_id_of(source)} to input 0 of 'KeyedProcess'" in found
        )
        assert "take a savepoint, which holds no rows on their way" in found
