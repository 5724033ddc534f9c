from __future__ import annotations

import pytest

from tests.support.checkpoints import (
    COUNT,
    COUNT_OPERATOR,
    FACTS,
    SOURCE,
    SOURCE_OPERATOR,
    SOURCES,
    SUBTASKS,
    ack,
)
from weir.checkpoint import events
from weir.checkpoint.coordinator import PUBLISH_RETRY_S, CheckpointCoordinator
from weir.checkpoint.events import AckResult, PublishFault
from weir.checkpoint.history import Status
from weir.checkpoint.metadata import Owner, SnapshotKind
from weir.config import CheckpointOptions
from weir.errors import CheckpointFailureReason as Reason
from weir.ids import AttemptId, CheckpointId, Epoch, OperatorId, SubtaskId
from weir.state.snapshot import OperatorSubtaskState

RUNNING = events.TasksRunning(AttemptId(1), SUBTASKS, SOURCES)
EVERY_SECOND = CheckpointOptions(interval=1.0)


class Machine:
    """A coordinator and what it said, in few words."""

    def __init__(self, options=EVERY_SECOND, **more):
        self.coordinator = CheckpointCoordinator(FACTS, options, **more)
        self.said = []

    def __call__(self, now, event=None, wall_ms=0):
        self.said = self.coordinator.handle(event or events.Tick(), now, wall_ms)
        return self.said

    def of(self, kind):
        return [instruction for instruction in self.said if isinstance(instruction, kind)]

    def numbers(self, kind):
        return [instruction.checkpoint_id for instruction in self.of(kind)]

    def acks(self, now, checkpoint, subtasks=SUBTASKS, **more):
        said = []
        for subtask in sorted(subtasks):
            said += self(now, ack(checkpoint, subtask, **more))
        self.said = said
        return said

    def complete(self, now, checkpoint, **more):
        self.acks(now, checkpoint, **more)
        return self(now, events.Published(CheckpointId(checkpoint), f"chk-{checkpoint}"))


@pytest.fixture
def machine():
    machine = Machine()
    machine(0.0, RUNNING)
    return machine


def test_a_checkpoint_goes_from_its_trigger_over_every_ack_to_its_completion(machine):
    assert machine(0.5) == []
    assert machine(1.0, wall_ms=77) == [
        events.Trigger(
            CheckpointId(1), Epoch(3), AttemptId(1), SOURCES, 77, savepoint=False, final=False, target=None
        )
    ]
    first, second, third = sorted(SUBTASKS)
    for subtask in (first, second):
        assert machine(1.1, ack(1, subtask)) == [
            events.AckAnswered(CheckpointId(1), subtask, AckResult.SUCCESS)
        ]
    machine(1.2, ack(1, third))
    (publish,) = machine.of(events.Publish)
    assert publish.checkpoint_id == 1
    assert machine(1.3, events.Published(CheckpointId(1), "chk-1")) == [
        events.NotifyComplete(CheckpointId(1))
    ]
    assert machine.coordinator.completed == (1,)


def test_without_the_ack_of_one_subtask_nothing_is_published(machine):
    machine(1.0)
    machine.acks(1.1, 1, SUBTASKS - {SubtaskId(COUNT, 1)})
    assert machine.of(events.Publish) == []
    assert machine.coordinator.missing(CheckpointId(1)) == {SubtaskId(COUNT, 1)}


def test_the_metadata_has_every_operator_and_subtask(machine):
    machine(1.0, wall_ms=42)
    machine(1.1, ack(1, SubtaskId(COUNT, 1), watermark=50))
    machine(1.1, ack(1, SubtaskId(SOURCE, 0), watermark=70, has_commits=True))
    machine(1.1, ack(1, SubtaskId(COUNT, 0), watermark=60))
    (publish,) = machine.of(events.Publish)
    found = publish.metadata
    assert (found.checkpoint_id, found.epoch, found.attempt, found.triggered_ms) == (1, 3, 1, 42)
    assert (found.kind, found.has_commits, found.max_watermark) == (SnapshotKind.CHECKPOINT, True, 70)
    assert [(op.operator_id, op.uid, [s.subtask for s in op.subtasks]) for op in found.operators] == [
        (SOURCE_OPERATOR, "flights", [0]),
        (COUNT_OPERATOR, "count", [0, 1]),
    ]


def test_acks_are_answered_by_what_became_of_them(machine):
    machine(1.0)
    subtask = SubtaskId(COUNT, 0)
    answers = []
    for event in (
        ack(1, subtask),
        ack(1, subtask),
        ack(2, subtask),
        ack(1, SubtaskId(COUNT, 7)),
        ack(1, SubtaskId(COUNT, 1), attempt=2),
        ack(1, SubtaskId(COUNT, 1), epoch=Epoch(2)),
    ):
        machine(1.1, event)
        answers += [answer.result for answer in machine.of(events.AckAnswered)]
    assert answers == [
        AckResult.SUCCESS,
        AckResult.DUPLICATE,
        AckResult.UNKNOWN,
        AckResult.UNKNOWN,
        AckResult.UNKNOWN,
        AckResult.UNKNOWN,
    ]


def test_a_checkpoint_expires_at_its_timeout_and_the_next_can_start():
    machine = Machine(CheckpointOptions(interval=1.0, timeout=2.0, tolerable_failures=1))
    machine(0.0, RUNNING)
    machine(1.0)
    machine.acks(1.5, 1, SUBTASKS - {SubtaskId(COUNT, 1)})
    assert machine(2.9) == []
    assert machine.coordinator.next_deadline() == 3.0
    machine(3.0)
    assert machine.said[:2] == [
        events.NotifyAborted(CheckpointId(1), Reason.EXPIRED),
        events.DiscardFiles(CheckpointId(1), None),
    ]
    assert machine.numbers(events.Trigger) == [2]
    failed = machine.coordinator.history.latest_failed
    assert (failed.status, failed.failure, failed.acknowledged) == (Status.FAILED, Reason.EXPIRED, 2)
    assert "bbbbbbbb/1" in failed.message


def test_a_late_ack_of_an_expired_checkpoint_is_discarded_with_its_files():
    machine = Machine(CheckpointOptions(interval=1.0, timeout=2.0, tolerable_failures=1))
    machine(0.0, RUNNING)
    machine(1.0)
    machine(3.0)
    late = SubtaskId(COUNT, 1)
    assert machine(3.5, ack(1, late)) == [
        events.AckAnswered(CheckpointId(1), late, AckResult.DISCARDED),
        events.DiscardFiles(CheckpointId(1), None),
    ]
    machine.complete(3.6, 2)
    assert machine.coordinator.completed == (2,)


def test_a_ready_checkpoint_does_not_expire_while_it_is_published():
    machine = Machine(CheckpointOptions(interval=1.0, timeout=2.0))
    machine(0.0, RUNNING)
    machine(1.0)
    machine.acks(2.9, 1)
    machine(100.0)
    assert machine.of(events.NotifyAborted) == []
    machine(100.1, events.Published(CheckpointId(1), "chk-1"))
    assert machine.numbers(events.NotifyComplete) == [1]


def test_checkpoints_never_exceed_the_number_that_may_run_at_once():
    machine = Machine(CheckpointOptions(interval=0.2, max_concurrent=3))
    machine(0.0, RUNNING)
    triggered = []
    for step in range(1, 20):
        machine(step * 0.2)
        triggered += machine.numbers(events.Trigger)
    assert triggered == [1, 2, 3]
    machine.complete(5.0, 2)
    assert machine.numbers(events.Trigger) == [4]  # 1 was overtaken by 2
    machine(5.3)
    assert machine.numbers(events.Trigger) == [5]
    machine(5.6)
    assert machine.numbers(events.Trigger) == []


def test_a_checkpoint_that_a_newer_one_overtakes_is_dropped_without_counting():
    machine = Machine(CheckpointOptions(interval=1.0, max_concurrent=2))
    machine(0.0, RUNNING)
    machine(1.0)
    machine(2.0)
    machine.complete(2.1, 2)
    assert events.NotifyAborted(CheckpointId(1), Reason.SUBSUMED) in machine.said
    assert machine.of(events.FailJob) == []


def test_of_two_ready_checkpoints_the_older_is_published_first():
    machine = Machine(CheckpointOptions(interval=1.0, max_concurrent=2, num_retained=2))
    machine(0.0, RUNNING)
    machine(1.0)
    machine(2.0)
    machine.acks(2.1, 1)
    assert machine.numbers(events.Publish) == [1]
    machine.acks(2.2, 2)
    assert machine.numbers(events.Publish) == []
    machine(2.3, events.Published(CheckpointId(1), "chk-1"))
    assert machine.numbers(events.Publish) == [2]
    machine(2.4, events.Published(CheckpointId(2), "chk-2"))
    assert machine.coordinator.completed == (1, 2)


def test_a_savepoint_is_not_overtaken_by_a_checkpoint():
    machine = Machine(CheckpointOptions(interval=1.0, max_concurrent=2))
    machine(0.0, RUNNING)
    machine(0.5, events.TriggerRequested("s", SnapshotKind.SAVEPOINT, "s3://b/savepoints"))
    machine(1.0)
    machine.acks(1.1, 2)
    assert machine.of(events.Publish) == []
    machine.acks(1.2, 1)
    assert machine.numbers(events.Publish) == [1]
    machine(1.3, events.Published(CheckpointId(1), "s3://b/savepoints/savepoint-1"))
    assert machine.numbers(events.Publish) == [2]


def test_a_pause_is_held_after_completed_and_after_failed_checkpoints():
    machine = Machine(CheckpointOptions(interval=0.2, min_pause=0.5, max_concurrent=5, tolerable_failures=5))
    machine(0.0, RUNNING)
    machine(0.2)
    machine(0.9)
    assert machine.of(events.Trigger) == []  # a pause implies one at a time
    machine.complete(1.0, 1)
    assert machine.coordinator.next_deadline() == 1.5
    assert machine(1.49) == []
    machine(1.5)
    assert machine.numbers(events.Trigger) == [2]
    machine(
        1.6,
        events.Decline(CheckpointId(2), Epoch(3), AttemptId(1), SubtaskId(COUNT, 0), Reason.ASYNC_FAILURE),
    )
    assert machine(2.0) == []
    machine(2.1)
    assert machine.numbers(events.Trigger) == [3]


def test_checkpoints_keep_their_pace_when_a_tick_is_late(machine):
    machine(1.3)
    machine.complete(1.4, 1)
    assert machine.coordinator.next_deadline() == 2.0
    machine(2.0)
    assert machine.numbers(events.Trigger) == [2]


def test_no_interval_means_no_checkpoint_unless_asked_for():
    machine = Machine(CheckpointOptions())
    assert machine(0.0, RUNNING) == []
    assert machine.coordinator.next_deadline() is None
    machine(1e6)
    assert machine.said == []
    machine(1e6, events.TriggerRequested("now"))
    assert machine.numbers(events.Trigger) == [1]
    machine.complete(1e6 + 1, 1)
    assert machine.of(events.RequestAnswered) == [events.RequestAnswered("now", CheckpointId(1), "chk-1")]


def failed(machine, now, number, reason):
    machine(
        now, events.Decline(CheckpointId(number), Epoch(3), AttemptId(1), SubtaskId(COUNT, 0), reason, "why")
    )


@pytest.mark.parametrize("reason", [Reason.ASYNC_FAILURE, Reason.STORAGE, Reason.EXPIRED])
def test_without_tolerance_the_first_failure_fails_the_job(machine, reason):
    machine(1.0)
    failed(machine, 1.1, 1, reason)
    (order,) = machine.of(events.FailJob)
    assert "tolerableFailures is 0" in order.message
    assert "why" in order.message
    assert machine(50.0) == []  # nothing more until the tasks run again


@pytest.mark.parametrize("reason", [Reason.DECLINED, Reason.JOB_FAILURE, Reason.SUBSUMED])
def test_a_failure_that_is_not_of_the_asynchronous_part_does_not_count(machine, reason):
    machine(1.0)
    failed(machine, 1.1, 1, reason)
    assert machine.of(events.FailJob) == []
    machine(2.0)
    assert machine.numbers(events.Trigger) == [2]


def test_a_checkpoint_that_lacks_rows_is_rejected_and_what_followed_is_thrown_away():
    machine = Machine(CheckpointOptions(interval=1.0, tolerable_failures=5))
    machine(0.0, RUNNING)
    machine(1.0)
    (sender, receiver, *others) = sorted(RUNNING.subtasks)
    counted = {sender: {"sent": {7: 100}}, receiver: {"received": {7: 90}}}
    for subtask in (sender, receiver, *others):
        ack = events.Ack(CheckpointId(1), Epoch(3), AttemptId(1), subtask, **counted.get(subtask, {}))
        machine(1.1, ack)
    assert machine.of(events.Publish) == []
    assert machine.coordinator.history.latest_failed.failure is Reason.ROWS_LOST
    (failed_job,) = machine.of(events.FailJob)
    assert failed_job.message == (
        f"checkpoint 1 lacks rows: {sender} sent 100 bytes of rows to {receiver}, which received 90"
    )


def test_channels_are_compared_where_both_ends_counted(machine):
    (sender, receiver, *others) = sorted(RUNNING.subtasks)
    machine(1.0)
    counted = {sender: {"sent": {7: 100, 8: 5}}, receiver: {"received": {7: 100, 9: 1}}}
    for subtask in (sender, receiver, *others):
        ack = events.Ack(CheckpointId(1), Epoch(3), AttemptId(1), subtask, **counted.get(subtask, {}))
        machine(1.1, ack)
    assert machine.numbers(events.Publish) == [1]


def test_only_failures_in_a_row_count():
    machine = Machine(CheckpointOptions(interval=1.0, tolerable_failures=1))
    machine(0.0, RUNNING)
    for number in (1, 3, 5):
        machine(float(number))
        failed(machine, number + 0.1, number, Reason.ASYNC_FAILURE)
        assert machine.of(events.FailJob) == []
        machine(float(number + 1))
        machine.complete(number + 1.1, number + 1)
    machine(7.0)
    failed(machine, 7.1, 7, Reason.ASYNC_FAILURE)
    machine(8.0)
    failed(machine, 8.1, 8, Reason.ASYNC_FAILURE)
    assert len(machine.of(events.FailJob)) == 1


def test_a_failed_savepoint_does_not_count(machine):
    machine(0.1, events.TriggerRequested("s", SnapshotKind.SAVEPOINT, "out"))
    failed(machine, 0.2, 1, Reason.ASYNC_FAILURE)
    assert machine.of(events.FailJob) == []
    (answer,) = machine.of(events.RequestAnswered)
    assert (answer.request, answer.path, answer.failure) == ("s", None, Reason.ASYNC_FAILURE)


def test_a_savepoint_goes_to_its_target_and_is_never_dropped_by_retention(machine):
    machine(0.1, events.TriggerRequested("s", SnapshotKind.SAVEPOINT, "s3://b/sp", Owner.OPERATOR))
    (trigger,) = machine.of(events.Trigger)
    assert (trigger.savepoint, trigger.target) == (True, "s3://b/sp")
    machine.acks(0.2, 1)
    (publish,) = machine.of(events.Publish)
    assert (publish.target, publish.metadata.kind) == ("s3://b/sp", SnapshotKind.SAVEPOINT)
    assert publish.metadata.owner is Owner.OPERATOR
    machine(0.3, events.Published(CheckpointId(1), "s3://b/sp/savepoint-012345-1"))
    assert machine.numbers(events.NotifyComplete) == [1]
    machine(1.0)
    machine.complete(1.1, 2)
    assert machine.of(events.DeleteCheckpoints) == []
    assert machine.coordinator.completed == (2,)


def test_a_savepoint_without_a_folder_is_refused_with_what_to_set(machine):
    machine(0.1, events.TriggerRequested("s", SnapshotKind.SAVEPOINT))
    (answer,) = machine.said
    assert answer.failure is Reason.DECLINED
    assert "storage.savepoints" in answer.message


def test_a_request_waits_for_a_free_place_but_not_for_the_pause():
    machine = Machine(CheckpointOptions(interval=10.0, min_pause=5.0))
    machine(0.0, RUNNING)
    machine(10.0)
    machine(10.1, events.TriggerRequested("a"))
    machine(10.1, events.TriggerRequested("a"))  # asked again: one request
    assert machine.said == []
    machine.complete(10.2, 1)
    assert machine.numbers(events.Trigger) == [2]
    machine.complete(10.3, 2)
    assert machine.of(events.Trigger) == []


def test_a_request_while_no_tasks_run_is_answered_at_once():
    machine = Machine()
    machine(0.0, events.TriggerRequested("early"))
    (answer,) = machine.said
    assert (answer.request, answer.failure) == ("early", Reason.JOB_FAILURE)


def test_a_final_checkpoint_is_triggered_at_once_and_is_the_last(machine):
    machine(0.3, events.TriggerRequested("end", final=True))
    (trigger,) = machine.of(events.Trigger)
    assert trigger.final
    assert machine(1.5) == []
    machine.complete(1.6, 1)
    assert machine.of(events.RequestAnswered)[0].path == "chk-1"
    assert machine(100.0) == []
    assert machine.coordinator.next_deadline() is None


def test_after_a_failed_final_checkpoint_the_periodic_ones_go_on(machine):
    machine(0.3, events.TriggerRequested("end", final=True))
    failed(machine, 0.4, 1, Reason.DECLINED)
    assert machine.of(events.RequestAnswered)[0].failure is Reason.DECLINED
    machine(1.0)
    assert machine.numbers(events.Trigger) == [2]


def test_stopped_tasks_end_everything_that_is_open(machine):
    machine(0.5, events.TriggerRequested("a"))
    machine(0.5, events.TriggerRequested("b"))
    machine(0.6, events.TasksStopped())
    assert machine.of(events.NotifyAborted) == []  # nobody is there to be told
    assert machine.numbers(events.DiscardFiles) == [1]
    assert {answer.request for answer in machine.of(events.RequestAnswered)} == {"a", "b"}
    assert machine.of(events.FailJob) == []
    assert machine(10.0) == []


def test_a_checkpoint_that_is_being_published_outlives_its_tasks(machine):
    machine(1.0)
    machine.acks(1.1, 1)
    machine(1.2, events.TasksStopped())
    assert machine.said == []
    assert machine.coordinator.publishing == 1
    with pytest.raises(ValueError, match="whether 1 is complete"):
        machine(1.3, events.TasksRunning(AttemptId(2), SUBTASKS, SOURCES))
    machine(1.4, events.Published(CheckpointId(1), "chk-1"))
    assert machine.said == []
    assert machine.coordinator.completed == (1,)
    machine(1.5, events.TasksRunning(AttemptId(2), SUBTASKS, SOURCES))
    machine(2.5)
    assert machine.numbers(events.Trigger) == [2]


def test_numbers_grow_over_attempts_and_start_where_they_are_told():
    machine = Machine(next_id=CheckpointId(7))
    machine(0.0, RUNNING)
    machine(1.0)
    assert machine.numbers(events.Trigger) == [7]
    machine(1.1, events.TasksStopped())
    machine(2.0, events.TasksRunning(AttemptId(2), SUBTASKS, SOURCES))
    machine(3.0)
    (trigger,) = machine.of(events.Trigger)
    assert (trigger.checkpoint_id, trigger.attempt) == (8, 2)


def test_only_the_newest_are_retained_those_of_earlier_epochs_included():
    machine = Machine(
        CheckpointOptions(interval=1.0, num_retained=2),
        next_id=CheckpointId(6),
        completed=[CheckpointId(4), CheckpointId(5)],
    )
    machine(0.0, RUNNING)
    machine(1.0)
    machine.complete(1.1, 6)
    assert machine.of(events.DeleteCheckpoints) == [events.DeleteCheckpoints((CheckpointId(4),))]
    assert machine.coordinator.completed == (5, 6)


def test_a_publishing_that_certainly_failed_fails_the_checkpoint(machine):
    machine(1.0)
    machine.acks(1.1, 1)
    machine(1.2, events.PublishFailed(CheckpointId(1), PublishFault.FAILED, "S3 is down"))
    assert machine.numbers(events.DiscardFiles) == [1]
    assert len(machine.of(events.FailJob)) == 1
    assert machine.coordinator.history.latest_failed.failure is Reason.STORAGE


def test_a_publishing_of_unknown_outcome_is_repeated_and_discards_nothing(machine):
    machine(1.0)
    machine.acks(1.1, 1)
    (first,) = machine.of(events.Publish)
    for attempt in range(3):
        now = 10.0 + attempt * PUBLISH_RETRY_S
        machine(now, events.PublishFailed(CheckpointId(1), PublishFault.UNKNOWN, "no answer"))
        assert machine.said == []
        assert machine.coordinator.next_deadline() == now + PUBLISH_RETRY_S
        machine(now + PUBLISH_RETRY_S)
        assert machine.of(events.Publish) == [first]
    machine(20.0, events.Published(CheckpointId(1), "chk-1"))
    assert machine.numbers(events.NotifyComplete) == [1]


def test_a_number_that_a_dead_process_took_is_skipped_at_once_and_without_counting(machine):
    machine(1.0)
    machine.acks(1.1, 1)
    machine(1.2, events.PublishFailed(CheckpointId(1), PublishFault.NUMBER_TAKEN, "taken"))
    assert machine.of(events.FailJob) == []
    assert machine.numbers(events.Trigger) == [2]


def test_a_request_survives_a_number_that_was_taken(machine):
    machine(0.1, events.TriggerRequested("s", SnapshotKind.SAVEPOINT, "out"))
    machine.acks(0.2, 1)
    machine(0.3, events.PublishFailed(CheckpointId(1), PublishFault.NUMBER_TAKEN, "taken"))
    assert machine.of(events.RequestAnswered) == []
    (trigger,) = machine.of(events.Trigger)
    assert (trigger.checkpoint_id, trigger.target) == (2, "out")


def test_a_fenced_process_stops_and_touches_nothing_more(machine):
    machine(0.9, events.TriggerRequested("s", SnapshotKind.SAVEPOINT, "out"))
    machine.acks(1.1, 1)
    machine(1.2, events.PublishFailed(CheckpointId(1), PublishFault.FENCED, "epoch 4 exists"))
    assert machine.of(events.StopProcess) == [events.StopProcess("epoch 4 exists")]
    assert machine.of(events.RequestAnswered)[0].failure is Reason.FENCED
    assert machine.of(events.DiscardFiles) == []
    assert machine(100.0) == []
    assert machine(100.0, events.TasksStopped()) == []


def test_subtasks_that_are_gone_count_as_finished_in_later_snapshots(machine):
    machine(1.0)
    machine(1.1, events.SubtaskFinished(SubtaskId(COUNT, 1)))
    assert events.NotifyAborted(CheckpointId(1), Reason.DECLINED) in machine.said
    machine(2.0)
    machine.acks(2.1, 2, SUBTASKS - {SubtaskId(COUNT, 1)})
    (publish,) = machine.of(events.Publish)
    (count,) = [op for op in publish.metadata.operators if op.operator_id == COUNT_OPERATOR]
    assert [(state.subtask, state.finished) for state in count.subtasks] == [(0, False), (1, True)]


def test_a_subtask_without_state_is_remembered_as_finished(machine):
    machine(1.0)
    machine.acks(1.1, 1, SUBTASKS - {SubtaskId(SOURCE, 0)})
    machine(1.1, events.Ack(CheckpointId(1), Epoch(3), AttemptId(1), SubtaskId(SOURCE, 0), finished=True))
    (publish,) = machine.of(events.Publish)
    (source,) = [op for op in publish.metadata.operators if op.operator_id == SOURCE_OPERATOR]
    assert source.subtasks == (OperatorSubtaskState(subtask=0, finished=True),)


def test_state_of_an_operator_that_the_plan_does_not_have_fails_the_checkpoint(machine):
    machine(1.0)
    odd = {OperatorId("cc" * 16): OperatorSubtaskState(subtask=0)}
    machine(1.1, events.Ack(CheckpointId(1), Epoch(3), AttemptId(1), SubtaskId(SOURCE, 0), odd))
    assert len(machine.of(events.FailJob)) == 1
    assert "cc" * 16 in machine.coordinator.history.latest_failed.message


@pytest.mark.parametrize(
    "event",
    [
        events.TasksRunning(AttemptId(2), SUBTASKS, SOURCES),
        events.Published(CheckpointId(1), "chk-1"),
        events.PublishFailed(CheckpointId(9), PublishFault.FAILED, ""),
    ],
)
def test_an_impossible_event_is_refused_and_changes_nothing(machine, event):
    machine(1.0)
    before = machine.coordinator.in_progress(1.0)
    with pytest.raises(ValueError, match=r"."):
        machine(1.1, event)
    assert machine.coordinator.in_progress(1.0) == before
    machine.complete(1.2, 1)
    assert machine.coordinator.completed == (1,)


def test_the_history_is_bounded_and_counts_all():
    machine = Machine()
    machine(0.0, RUNNING)
    for number in range(1, 51):
        machine(float(number), wall_ms=number)
        machine.complete(number + 0.25, number)
    history = machine.coordinator.history
    assert (history.counts.triggered, history.counts.completed, history.counts.failed) == (50, 50, 0)
    assert len(history.recent) == 20
    latest = history.latest_completed
    assert (latest.checkpoint_id, latest.duration_s, latest.size, latest.path) == (50, 0.25, 15, "chk-50")
