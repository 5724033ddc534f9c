from __future__ import annotations

import pytest

from tests.support.checkpoints import COUNT_OPERATOR, JOB, ManualClock, metadata
from weir.checkpoint import events, paths, publishing, store
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint.events import PublishFault
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.metadata import OperatorState, SnapshotKind
from weir.errors import Fenced, SnapshotCorrupt, StorageUnavailable
from weir.ids import AttemptId, CheckpointId, Epoch
from weir.state.snapshot import OperatorSubtaskState
from weir.storage import MemoryStorage, PrefixedStorage
from weir.storage.faults import Fail, FaultInjector, FlipByte, LoseResponse, Operation, ShortRead


@pytest.fixture
def job():
    return MemoryStorage()


def started(storage, writer="a"):
    fence = FenceLog(storage, writer, ManualClock())
    fence.start(writer, lambda view: None)
    return fence


def order(number=1, epoch=1, target=None, **fields):
    return events.Publish(CheckpointId(number), metadata(number, epoch=epoch, **fields), target)


def names(storage):
    return [info.name for info in storage.list() if not info.name.startswith("fence/")]


def state_path(checkpoint, epoch=1, subtask=0, folder=True):
    name = paths.state_name(Epoch(epoch), AttemptId(1), COUNT_OPERATOR, subtask, paths.StateKind.KEYED)
    return f"chk-{checkpoint}/{name}" if folder else name


def with_state(number, handle):
    subtask = OperatorSubtaskState(subtask=0, operator=handle)
    operator = OperatorState(
        operator_id=COUNT_OPERATOR, name="count", parallelism=1, max_parallelism=128, subtasks=(subtask,)
    )
    return metadata(number, operators=(operator,))


def test_publishing_writes_the_metadata_and_then_the_record(job):
    recorded = FaultInjector(job)
    fence = started(recorded)
    del recorded.journal[:]
    found = publishing.answer(fence, recorded, order(5, has_commits=True), None)
    assert found == events.Published(CheckpointId(5), "chk-5", 0)
    created = [name for operation, name in recorded.journal if operation is Operation.CREATE]
    assert created == ["chk-5/_metadata", "fence/000000000002"]
    record = fence.read().last.record
    assert record.has_commits
    assert record.point.metadata_sha256 == metadata_format.digest(job.read("chk-5/_metadata"))


def test_a_savepoint_is_published_in_its_own_folder_and_recorded_by_its_uri(job):
    fence = started(job)
    folder = store.savepoint_folder("memory://savepoints/flights", JOB, CheckpointId(2))
    found = publishing.answer(fence, job, order(2, target="x", kind=SnapshotKind.SAVEPOINT), folder)
    assert found.path == "memory://savepoints/flights/savepoint-012345-2"
    assert names(job) == []
    assert fence.read().last.record.point.path == found.path
    loaded = store.load(found.path)
    assert loaded.metadata.kind is SnapshotKind.SAVEPOINT
    assert store.load_point(job, fence.read().last.record.point).metadata == loaded.metadata


@pytest.mark.parametrize("name", ["_metadata", "fence/"])
def test_a_lost_response_does_not_stop_a_publishing(job, name):
    faulty = FaultInjector(job)
    fence = started(faulty)
    faulty.inject(Operation.CREATE, LoseResponse(), name)
    found = publishing.answer(fence, faulty, order(), None)
    if name == "fence/":
        assert isinstance(found, events.Published)
    else:
        assert found.fault is PublishFault.FAILED  # certainly no record; a retry is a new checkpoint
        assert fence.read().tail == 1


def test_metadata_that_cannot_be_written_certainly_fails_the_checkpoint(job):
    faulty = FaultInjector(job)
    fence = started(faulty)
    faulty.inject(Operation.CREATE, Fail(), "_metadata")
    found = publishing.answer(fence, faulty, order(), None)
    assert (found.fault, found.message) == (PublishFault.FAILED, "injected fault")
    assert fence.unresolved is None


@pytest.mark.parametrize("effect", [Fail(), LoseResponse()])
def test_a_record_without_an_answer_is_unknown_until_it_is_published_again(job, effect):
    faulty = FaultInjector(job)
    fence = started(faulty)
    faulty.inject(Operation.CREATE, effect, "fence/")
    faulty.inject(Operation.READ, Fail(), "fence/")
    assert publishing.answer(fence, faulty, order(), None).fault is PublishFault.UNKNOWN
    assert isinstance(publishing.answer(fence, faulty, order(), None), events.Published)
    assert fence.read().tail == 2


def test_an_overtaken_process_publishes_nothing_and_replaces_nothing(job):
    old = started(job, "old")
    new = started(job, "new")
    publishing.publish(new, job, metadata(1, epoch=2))
    kept = job.read("chk-1/_metadata")
    assert publishing.answer(old, job, order(1, epoch=1), None).fault is PublishFault.FENCED
    assert publishing.answer(old, job, order(2, epoch=1), None).fault is PublishFault.FENCED
    assert job.read("chk-1/_metadata") == kept
    assert new.read().tail == 3


def test_a_number_that_a_dead_process_used_is_reported_and_left_alone(job):
    publishing_of_dead = metadata_format.encode(metadata(1, epoch=1))
    started(job, "dead")
    job.create_if_absent("chk-1/_metadata", publishing_of_dead)
    fence = started(job, "alive")
    assert publishing.answer(fence, job, order(1, epoch=2), None).fault is PublishFault.NUMBER_TAKEN
    assert job.read("chk-1/_metadata") == publishing_of_dead
    assert isinstance(publishing.answer(fence, job, order(2, epoch=2), None), events.Published)


def test_small_state_is_inline_and_large_state_is_an_object(job):
    small = store.write_state(job, state_path(1), b"x" * store.INLINE_BYTES)
    large = store.write_state(job, state_path(1), b"x" * (store.INLINE_BYTES + 1))
    assert small.inline
    assert not large.inline
    assert names(job) == [state_path(1)]
    assert store.read_state(job, small) == b"x" * store.INLINE_BYTES
    assert store.read_state(job, large) == b"x" * (store.INLINE_BYTES + 1)


@pytest.mark.parametrize(("effect", "said"), [(ShortRead(3), "has 3 bytes"), (FlipByte(7), "damaged")])
def test_state_that_is_read_otherwise_than_written_is_named(job, effect, said):
    faulty = FaultInjector(job)
    handle = store.write_state(faulty, state_path(1), b"0123456789", inline_bytes=0)
    faulty.inject(Operation.READ, effect, times=store.READS)
    with pytest.raises(SnapshotCorrupt, match=said) as raised:
        store.read_state(faulty, handle)
    assert f"{job.uri}/{state_path(1)}" in str(raised.value)


def test_state_that_is_missing_is_named(job):
    handle = store.write_state(job, state_path(1), b"0123456789", inline_bytes=0)
    job.delete(state_path(1))
    with pytest.raises(SnapshotCorrupt, match=f"{state_path(1)} is missing"):
        store.read_state(job, handle)


def test_storage_that_does_not_answer_is_not_taken_for_damage(job):
    faulty = FaultInjector(job)
    handle = store.write_state(faulty, state_path(1), b"0123456789", inline_bytes=0)
    faulty.inject(Operation.READ, Fail())
    with pytest.raises(StorageUnavailable):
        store.read_state(faulty, handle)


def test_a_checkpoint_is_loaded_by_its_folder_or_its_metadata_and_also_from_a_copy():
    root = MemoryStorage.named("loaded-by-folder")
    job = PrefixedStorage(root, JOB)
    handle = store.write_state(job, state_path(4), b"state", inline_bytes=0)
    publishing.publish(started(job), job, with_state(4, handle))
    for info in list(job.list("chk-4/")):
        root.write("copied/" + info.name.removeprefix("chk-4/"), job.read(info.name))
    for uri in (f"{job.uri}/chk-4", f"{job.uri}/chk-4/", f"{job.uri}/chk-4/_metadata", f"{root.uri}/copied"):
        loaded = store.load(uri)
        assert loaded.metadata.checkpoint_id == 4
        assert loaded.read_state(loaded.metadata.operators[0].subtasks[0].operator) == b"state"
        store.check_files(loaded)


def test_files_can_be_checked_without_reading_them(job):
    handle = store.write_state(job, state_path(4), b"state", inline_bytes=0)
    publishing.publish(started(job), job, with_state(4, handle))
    loaded = store.load_folder(PrefixedStorage(job, "chk-4"))
    job.write(state_path(4), b"stat")
    with pytest.raises(SnapshotCorrupt, match="has 4 bytes, its snapshot recorded 5"):
        store.check_files(loaded)
    job.delete(state_path(4))
    with pytest.raises(SnapshotCorrupt, match="is missing"):
        store.check_files(loaded)


def test_missing_metadata_is_named():
    with pytest.raises(SnapshotCorrupt, match=r"memory://nothing-here/chk-1/_metadata is missing"):
        store.load("memory://nothing-here/chk-1")


def test_metadata_that_is_not_what_the_fence_recorded_is_refused(job):
    fence = started(job)
    point = publishing.publish(fence, job, metadata(1))
    assert store.load_point(job, point).metadata == metadata(1)
    job.write("chk-1/_metadata", metadata_format.encode(metadata(1, has_commits=True)))
    with pytest.raises(SnapshotCorrupt, match="the fence log recorded"):
        store.load_point(job, point)


def test_a_discarded_checkpoint_loses_what_this_epoch_wrote_and_nothing_else(job):
    for epoch in (1, 2):
        job.write(state_path(3, epoch), b"x")
    job.write("chk-3/_metadata", metadata_format.encode(metadata(3, epoch=1)))
    job.write("chk-3/notes.txt", b"x")
    job.write(state_path(30, 2), b"x")
    assert store.discard(job, "chk-3", Epoch(2)) == 1
    assert names(job) == ["chk-3/_metadata", state_path(3, 1), "chk-3/notes.txt", state_path(30, 2)]
    assert store.discard(job, "chk-3", Epoch(1)) == 2
    assert names(job) == ["chk-3/notes.txt", state_path(30, 2)]


def test_a_discarded_savepoint_loses_what_this_epoch_wrote(job):
    job.write(state_path(3, 2, folder=False), b"x")
    job.write("_metadata", metadata_format.encode(metadata(3, epoch=2)))
    assert store.discard(job, "", Epoch(2)) == 2
    assert names(job) == []


def test_dropped_checkpoints_go_with_their_metadata_first(job):
    recorded = FaultInjector(job)
    fence = started(recorded)
    for number in (1, 11):
        store.write_state(recorded, state_path(number), b"x", inline_bytes=0)
        publishing.publish(fence, recorded, metadata(number))
    del recorded.journal[:]
    store.delete_checkpoints(fence, recorded, [CheckpointId(1)])
    deleted = [name for operation, name in recorded.journal if operation is Operation.DELETE]
    assert deleted == ["chk-1/_metadata", state_path(1)]
    assert names(job) == ["chk-11/_metadata", state_path(11)]


def test_an_overtaken_process_deletes_nothing(job):
    old = started(job, "old")
    publishing.publish(old, job, metadata(1))
    started(job, "new")
    with pytest.raises(Fenced):
        store.delete_checkpoints(old, job, [CheckpointId(1)])
    with pytest.raises(Fenced):
        store.sweep(old, job, keep=[], below=CheckpointId(2))
    assert names(job) == ["chk-1/_metadata"]


def test_a_sweep_removes_what_never_completed(job):
    started(job, "dead")
    fence = started(job, "alive")
    for number, epoch in ((1, 1), (2, 1), (3, 2)):
        job.write(state_path(number, epoch), b"x")
    job.write("chk-2/_metadata", b"x")
    found = store.sweep(fence, job, keep=[CheckpointId(1)], below=CheckpointId(3))
    assert sorted(found.delete) == ["chk-2/_metadata", state_path(2)]
    assert names(job) == [state_path(1), state_path(3, 2)]
    assert store.existing_checkpoints(job) == [1, 3]


def test_a_job_is_found_by_its_name():
    root = MemoryStorage()
    other = JOB[::-1]
    for job in (JOB, other, JOB):
        store.mark_name(root, "local", "flights", job)
    store.mark_name(root, "local", "flights-2", JOB)
    assert sorted(store.jobs_of_name(root, "local", "flights")) == sorted([JOB, other])
    assert store.jobs_of_name(root, "prod", "flights") == []


@pytest.mark.parametrize("bad", [ShortRead(7), FlipByte(3)], ids=["short", "wrong"])
def test_bytes_that_come_short_or_wrong_are_read_again(job, bad):
    recorded = FaultInjector(job)
    fence = started(recorded)
    handle = store.write_state(recorded, state_path(1), b"s" * 30_000)
    publishing.answer(fence, recorded, events.Publish(CheckpointId(1), with_state(1, handle), None), None)
    point = fence.read().last.record.point
    recorded.inject(Operation.READ, bad, "_metadata", times=2)
    recorded.inject(Operation.READ, bad, "-operator", times=2)
    recorded.inject(Operation.READ, bad, "-keyed", times=2)
    loaded = store.load_point(recorded, point)
    assert store.read_state(recorded, handle) == b"s" * 30_000
    assert loaded.metadata_sha256 == point.metadata_sha256
    reads = [name for operation, name in recorded.journal if operation is Operation.READ]
    assert reads.count("chk-1/_metadata") == 3
    assert reads.count(handle.path) == 3
