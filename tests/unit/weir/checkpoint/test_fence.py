from __future__ import annotations

import pytest

from tests.support.checkpoints import JOB, ManualClock
from weir.checkpoint import paths
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import Cancelled, Checkpoint, Failed, RestorePoint, Start, Superseded
from weir.errors import Fenced, RestoreBlocked, SnapshotCorrupt, StorageDenied, StorageUnavailable
from weir.ids import CheckpointId, JobId
from weir.storage import MemoryStorage
from weir.storage.faults import Call, Fail, FaultInjector, LoseResponse, Operation, StaleList


def chk(number):
    return Checkpoint(
        point=RestorePoint(checkpoint_id=CheckpointId(number), path=f"chk-{number}", metadata_sha256="h"),
        has_commits=False,
    )


def no_base(view):
    return None


def last_checkpoint(view):
    points = [entry.record.point for entry in view.entries if isinstance(entry.record, Checkpoint)]
    return points[-1] if points else None


@pytest.fixture
def storage():
    return MemoryStorage()


@pytest.fixture
def fence_of(storage):
    return lambda writer, over=None: FenceLog(over or storage, writer, ManualClock())


def test_a_start_is_the_first_record_of_a_new_epoch(storage, fence_of):
    fence = fence_of("a")
    started = fence.start("run-1", no_base)
    assert (started.entry.seq, started.entry.epoch, started.view.tail) == (1, 1, 0)
    assert [info.name for info in storage.list()] == ["fence/000000000001"]
    assert (fence.epoch, fence.tail) == (1, 1)


def test_records_are_appended_right_behind_each_other(fence_of):
    fence = fence_of("a")
    fence.start("run-1", no_base)
    assert fence.append(chk(1), 1).seq == 2
    assert fence.append(chk(2), 2).seq == 3
    view = fence_of("reader").read()
    assert [type(entry.record) for entry in view.entries] == [Start, Checkpoint, Checkpoint]
    assert {entry.epoch for entry in view.entries} == {1}


def test_a_second_start_takes_the_next_epoch_and_its_base_from_the_tail(fence_of):
    first = fence_of("a")
    first.start("run-1", no_base)
    first.append(chk(4), 1)
    started = fence_of("b").start("run-2", last_checkpoint)
    assert (started.entry.seq, started.entry.epoch) == (3, 2)
    assert started.entry.record.base == chk(4).point


def test_a_process_that_was_overtaken_can_append_nothing_more(fence_of):
    old, new = fence_of("a"), fence_of("b")
    old.start("run-1", no_base)
    new.start("run-2", no_base)
    for _ in range(2):
        with pytest.raises(Fenced, match=r"record 2 belongs to epoch 2 \(Start by b\)"):
            old.append(chk(1), 1)
    assert new.append(chk(1), 2).seq == 3
    assert new.read().tail == 3


def test_the_owner_of_the_tail_can_be_asked_for_before_a_deletion(fence_of):
    old, new = fence_of("a"), fence_of("b")
    old.start("run-1", no_base)
    old.check_owned()
    new.start("run-2", no_base)
    with pytest.raises(Fenced):
        old.check_owned()
    new.check_owned()


def test_an_append_before_a_start_is_refused(fence_of):
    with pytest.raises(Fenced, match="has not started"):
        fence_of("a").append(chk(1), 0)


def test_an_append_at_a_wrong_tail_is_refused(fence_of):
    fence = fence_of("a")
    fence.start("run-1", no_base)
    with pytest.raises(Fenced, match="at fence record 1, not at 5"):
        fence.append(chk(1), 5)


def test_a_repeated_append_of_the_same_record_is_one_record(fence_of):
    fence = fence_of("a")
    fence.start("run-1", no_base)
    first = fence.append(chk(1), 1)
    assert fence.append(chk(1), 1) == first
    assert fence.read().tail == 2


def test_a_lost_response_of_an_append_is_an_own_success(storage, fence_of):
    faulty = FaultInjector(storage)
    fence = fence_of("a", faulty)
    fence.start("run-1", no_base)
    faulty.inject(Operation.CREATE, LoseResponse())
    assert fence.append(chk(1), 1).seq == 2
    assert fence.unresolved is None


def test_an_append_without_a_known_outcome_must_be_repeated_before_any_other(storage, fence_of):
    faulty = FaultInjector(storage)
    fence = fence_of("a", faulty)
    fence.start("run-1", no_base)
    faulty.inject(Operation.CREATE, LoseResponse())
    faulty.inject(Operation.READ, Fail())
    with pytest.raises(StorageUnavailable):
        fence.append(chk(1), 1)
    assert fence.unresolved == chk(1)
    with pytest.raises(StorageUnavailable, match="not known yet"):
        fence.append(Cancelled(), 1)
    assert fence.append(chk(1), 1).seq == 2
    assert fence.append(Cancelled(), 2).seq == 3


def test_a_record_that_is_denied_was_certainly_not_written(storage, fence_of):
    faulty = FaultInjector(storage)
    fence = fence_of("a", faulty)
    fence.start("run-1", no_base)
    faulty.inject(Operation.CREATE, Fail(StorageDenied("403")))
    with pytest.raises(StorageDenied):
        fence.append(chk(1), 1)
    assert fence.append(chk(2), 1).seq == 2


def test_a_lost_response_of_a_start_is_an_own_success(storage, fence_of):
    faulty = FaultInjector(storage)
    faulty.inject(Operation.CREATE, LoseResponse())
    assert fence_of("a", faulty).start("run-1", no_base).entry.seq == 1
    assert fence_of("reader").read().tail == 1


def test_a_start_may_be_repeated(storage, fence_of):
    faulty = FaultInjector(storage)
    fence = fence_of("a", faulty)
    faulty.inject(Operation.CREATE, LoseResponse())
    faulty.inject(Operation.READ, Fail(), skip=1)
    with pytest.raises(StorageUnavailable):
        fence.start("run-1", no_base)
    started = fence.start("run-1", no_base)
    assert (started.entry.seq, started.view.tail) == (1, 0)
    fence.append(chk(1), 1)
    assert fence.start("run-1", no_base) == started
    assert fence.read().tail == 2


def test_a_process_that_was_overtaken_in_its_start_does_not_take_the_job_back(storage, fence_of):
    faulty = FaultInjector(storage)
    fence = fence_of("a", faulty)
    faulty.inject(Operation.CREATE, LoseResponse())
    faulty.inject(Operation.READ, Fail(), skip=1)
    with pytest.raises(StorageUnavailable):
        fence.start("run-1", no_base)
    fence_of("b").start("run-2", no_base)
    with pytest.raises(Fenced, match="by b"):
        fence.start("run-1", no_base)


def test_a_start_that_loses_the_race_derives_its_base_anew(storage, fence_of):
    other = fence_of("b")
    other.start("run-1", no_base)
    faulty = FaultInjector(storage)
    faulty.inject(Operation.CREATE, Call(lambda: other.append(chk(9), 1)))
    started = fence_of("a", faulty).start("run-2", last_checkpoint)
    assert (started.entry.seq, started.view.tail) == (3, 2)
    assert started.entry.record.base == chk(9).point


def test_a_start_that_was_planned_for_another_tail_is_refused(fence_of):
    fence_of("a").start("run-1", no_base)
    with pytest.raises(Fenced, match=r"ends at record 1, the start was planned for 0; plan again"):
        fence_of("b").start("run-2", no_base, expected_tail=0)
    assert fence_of("b").start("run-2", no_base, expected_tail=1).entry.seq == 2


def test_a_base_that_cannot_be_derived_writes_nothing(fence_of):
    def blocked(view):
        raise RestoreBlocked("no")

    with pytest.raises(RestoreBlocked):
        fence_of("a").start("run-1", blocked)
    assert fence_of("a").read().tail == 0


def test_a_superseded_log_is_closed_for_ever(fence_of):
    other = JobId("ff" * 16)
    owner = fence_of("a")
    owner.start("run-1", no_base)
    owner.append(chk(1), 1)
    view = fence_of("resume").supersede(JOB)
    assert view.ended == Superseded(by=JOB)
    assert last_checkpoint(view) == chk(1).point
    assert fence_of("resume again").supersede(JOB).tail == 3
    with pytest.raises(Fenced):
        owner.append(chk(2), 2)
    with pytest.raises(Fenced, match=f"job {JOB} took over"):
        fence_of("b").start("run-2", no_base)
    with pytest.raises(Fenced, match="before job ff"):
        fence_of("c").supersede(other)


def test_a_log_that_was_never_started_needs_no_closing(storage, fence_of):
    assert fence_of("resume").supersede(JOB).tail == 0
    assert list(storage.list()) == []


def test_a_listing_is_only_a_hint(storage, fence_of):
    fence = fence_of("a")
    fence.start("run-1", no_base)
    for seq in range(1, 6):
        fence.append(chk(seq), seq)

    for hidden in ([], [6], [2, 5], [1, 2, 3, 4, 5, 6]):
        names = {paths.fence_record(seq) for seq in hidden}
        stale = FaultInjector(storage)
        stale.inject(Operation.LIST, StaleList(names.__contains__), times=None)
        assert fence_of("reader", stale).read().tail == 6


@pytest.mark.parametrize("lost", [1, 2])
def test_a_missing_record_is_named(storage, fence_of, lost):
    fence = fence_of("a")
    fence.start("run-1", no_base)
    fence.append(chk(1), 1)
    fence.append(chk(2), 2)
    storage.delete(paths.fence_record(lost))
    with pytest.raises(SnapshotCorrupt, match=rf"fence/00000000000{lost} is missing, though record 3 exists"):
        fence_of("b").read()


def test_a_damaged_record_is_named_and_nothing_is_started(storage, fence_of):
    fence_of("a").start("run-1", no_base)
    storage.write(paths.fence_record(1), b"{")
    with pytest.raises(SnapshotCorrupt, match="fence/000000000001 is damaged"):
        fence_of("b").start("run-2", no_base)
    assert [info.name for info in storage.list()] == ["fence/000000000001"]


def test_a_record_under_another_name_is_refused(storage, fence_of):
    fence_of("a").start("run-1", no_base)
    storage.write(paths.fence_record(2), storage.read(paths.fence_record(1)))
    with pytest.raises(SnapshotCorrupt, match="says that it is number 1"):
        fence_of("b").read()


def test_of_a_long_log_only_the_newest_records_are_read(storage, fence_of):
    fence = fence_of("a")
    fence.start("run-1", no_base)
    for seq in range(1, 100):
        fence.append(chk(seq), seq)
    faulty = FaultInjector(storage)
    view = fence_of("b", faulty).read(newest=5)
    assert [entry.seq for entry in view.entries] == [96, 97, 98, 99, 100]
    assert len([call for call in faulty.journal if call[0] is Operation.READ]) == 6
    started = fence_of("c").start("run-2", last_checkpoint)
    assert (started.entry.seq, started.entry.epoch) == (101, 2)


def test_a_terminal_record_does_not_forbid_a_later_start(fence_of):
    fence = fence_of("a")
    fence.start("run-1", no_base)
    fence.append(Failed(reason="x"), 1)
    assert fence_of("b").start("run-2", no_base).entry.epoch == 2
