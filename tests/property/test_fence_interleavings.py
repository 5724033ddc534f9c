"""Several JobManagers of one job, interleaved call by call with lost answers and freezes, leave one linear log."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.checkpoints import ManualClock, metadata
from tests.support.interleaving import Actor
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import publishing, recovery
from weir.checkpoint.events import Publish, Published, PublishFault
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import Checkpoint, LogView, Start
from weir.checkpoint.recovery import Restore
from weir.errors import Fenced, StorageUnavailable
from weir.ids import CheckpointId
from weir.storage import MemoryStorage

CHECKPOINTS_EACH = 3


class JobManager:
    """Takes the job over, publishes some checkpoints, and notes what it believes."""

    def __init__(self, writer):
        self.writer = writer
        self.published = []
        self.fenced = False

    def run(self, storage):
        fence = FenceLog(storage, self.writer, ManualClock())
        try:
            started = self._until_answered(lambda: fence.start("run", base_of))
        except Fenced:
            self.fenced = True
            return
        base = started.entry.record.base
        number = 1 + max(started.view.highest_checkpoint, base.checkpoint_id if base else 0)
        while len(self.published) < CHECKPOINTS_EACH and not self.fenced:
            self._publish(fence, storage, CheckpointId(number))
            number += 1

    def _publish(self, fence, storage, number):
        order = Publish(number, metadata(number, epoch=fence.epoch, has_commits=True), None)
        answer = publishing.answer(fence, storage, order, None)
        while not isinstance(answer, Published) and answer.fault is PublishFault.UNKNOWN:
            answer = publishing.answer(fence, storage, order, None)
        if isinstance(answer, Published):
            self.published.append(number)
        elif answer.fault is PublishFault.FENCED:
            self.fenced = True

    @staticmethod
    def _until_answered(call):
        while True:
            try:
                return call()
            except StorageUnavailable:
                continue


def base_of(view):
    decision = recovery.decide(view)
    return decision.point if isinstance(decision, Restore) else None


def check_log(storage, managers):
    view = FenceLog(storage, "checker", ManualClock()).read(newest=10_000)  # contiguous, epochs in order
    owner = None
    for at, entry in enumerate(view.entries):
        before = LogView(view.entries[:at])
        if isinstance(entry.record, Start):
            owner = entry.writer
            assert entry.record.base == base_of(before)
        else:
            assert entry.writer == owner, "a process that was overtaken published"
            assert entry.record.point.checkpoint_id > before.highest_checkpoint
            data = storage.read(f"{entry.record.point.path}/_metadata")
            assert metadata_format.digest(data) == entry.record.point.metadata_sha256, "metadata was replaced"
    for manager in managers:
        recorded = [
            entry.record.point.checkpoint_id
            for entry in view.entries
            if entry.writer == manager.writer and isinstance(entry.record, Checkpoint)
        ]
        # One that was killed between its record and the answer does not know of its last success.
        assert manager.published in (recorded, recorded[:-1])
    starts = [entry.writer for entry in view.entries if isinstance(entry.record, Start)]
    assert len(set(starts)) == len(starts)
    return view


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_interleaved_job_managers_leave_one_linear_log(data):
    storage = MemoryStorage()
    managers = [JobManager(f"jm-{index}") for index in range(data.draw(st.integers(1, 3), "job managers"))]
    actors = [Actor(manager.run, storage) for manager in managers]
    faults = data.draw(st.integers(0, 4), "faults")
    try:
        for _ in range(400):
            waiting = [actor for actor in actors if not actor.done]
            if not waiting:
                break
            chosen = waiting[data.draw(st.integers(0, len(waiting) - 1), "next")]
            fault = (
                data.draw(st.sampled_from([None, None, None, "before", "after"]), "fault") if faults else None
            )
            faults -= fault is not None
            # Some run for a while without being disturbed, so that schedules reach the end.
            for _ in range(data.draw(st.integers(1, 12), "calls")):
                if chosen.done:
                    break
                chosen.step(fault)
                fault = None
    finally:
        for actor in actors:
            actor.kill()
    assert [actor.error for actor in actors if actor.error] == []
    check_log(storage, managers)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60))
def test_a_job_manager_that_is_frozen_before_any_call_publishes_nothing_after_its_successor_started(calls):
    storage = MemoryStorage()
    old, new = JobManager("old"), JobManager("new")
    first = Actor(old.run, storage)
    second = None
    try:
        for _ in range(calls):
            if first.done:
                break
            first.step()
        second = Actor(new.run, storage)
        while not second.done:
            second.step()
        published = list(old.published)
        finished = first.done
        tail = check_log(storage, [old, new]).tail
        while not first.done:
            first.step()
    finally:
        for actor in (first, second):
            if actor is not None:
                actor.kill()
    assert (first.error, second.error) == (None, None)
    assert len(new.published) == CHECKPOINTS_EACH
    view = check_log(storage, [old, new])
    if not finished and not any(entry.writer == "old" for entry in view.entries[:tail]):
        return  # it was frozen before it had taken over anything, and is then a rightful successor itself
    # At most it learns that what it had recorded before the freeze is there.
    assert view.tail == tail
    assert len(old.published) - len(published) <= 1
