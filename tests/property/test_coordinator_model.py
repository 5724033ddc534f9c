"""The checkpoint coordinator under arbitrary events: what must hold at every moment, whatever happens."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.checkpoints import EPOCH, FACTS, SOURCES, SUBTASKS, ack
from weir.checkpoint import events
from weir.checkpoint.coordinator import CheckpointCoordinator
from weir.checkpoint.events import AckResult, PublishFault
from weir.checkpoint.metadata import SnapshotKind
from weir.config import CheckpointOptions
from weir.errors import CheckpointFailureReason as Reason
from weir.ids import AttemptId, CheckpointId

COUNTED = {Reason.EXPIRED, Reason.ASYNC_FAILURE, Reason.STORAGE}


class CoordinatorModel(RuleBasedStateMachine):
    @initialize(
        interval=st.sampled_from([None, 0.25, 1.0]),
        timeout=st.sampled_from([0.5, 2.0, 10.0]),
        pause=st.sampled_from([0.0, 0.0, 0.5]),
        concurrent=st.integers(1, 3),
        tolerable=st.integers(0, 2),
        retained=st.integers(1, 3),
        earlier=st.integers(0, 3),
    )
    def begin(self, interval, timeout, pause, concurrent, tolerable, retained, earlier):
        self.options = CheckpointOptions(
            interval=interval,
            timeout=timeout,
            min_pause=pause,
            max_concurrent=concurrent,
            tolerable_failures=tolerable,
            num_retained=retained,
        )
        self.completed = list(range(1, earlier + 1))
        self.machine = CheckpointCoordinator(FACTS, self.options, CheckpointId(earlier + 1), self.completed)
        self.now = 0.0
        self.attempt = 0
        self.running = False
        self.ending = False
        self.fenced = False
        self.last_id = earlier
        self.last_end = None
        self.failures_in_a_row = 0
        self.awaited = {}  # open snapshot -> subtasks whose ack is missing
        self.requests = {}  # open snapshot -> request
        self.publishing = None
        self.published = []
        self.asked = set()
        self.answered = []
        self.ever_failed = set()
        self.subtasks = SUBTASKS
        self.say(events.TasksRunning(AttemptId(1), SUBTASKS, SOURCES))

    def say(self, event):
        if isinstance(event, events.TasksRunning):
            self.attempt, self.running, self.subtasks = event.attempt, True, event.subtasks
            self.failures_in_a_row = 0
            self.ending = False
        if isinstance(event, events.TasksStopped):
            self.running = False
        for instruction in self.machine.handle(event, self.now, wall_ms=int(self.now * 1000)):
            self.check(instruction)

    def check(self, said):
        assert not self.fenced or isinstance(said, events.StopProcess | events.RequestAnswered)
        match said:
            case events.Trigger():
                self.check_trigger(said)
            case events.Publish():
                self.check_publish(said)
            case events.NotifyComplete():
                assert said.checkpoint_id == self.published[-1]
                assert self.running
            case events.NotifyAborted():
                self.check_failed(said.checkpoint_id, said.reason)
            case events.DiscardFiles():
                if said.checkpoint_id in self.awaited:
                    self.check_failed(said.checkpoint_id, Reason.JOB_FAILURE)
                assert said.checkpoint_id in self.ever_failed
                assert said.checkpoint_id not in self.published
            case events.DeleteCheckpoints():
                kept = [number for number in self.completed if number not in said.checkpoint_ids]
                assert kept == self.completed[-self.options.num_retained :]
                self.completed = kept
            case events.FailJob():
                assert self.failures_in_a_row == self.options.tolerable_failures + 1
                assert not self.ending
                self.running = False
            case events.RequestAnswered():
                self.answered.append(said.request)

    def check_trigger(self, said):
        assert self.running and not self.ending
        assert said.checkpoint_id > self.last_id
        assert said.attempt == self.attempt
        limit = 1 if self.options.min_pause else self.options.max_concurrent
        assert len(self.awaited) < limit
        self.last_id = said.checkpoint_id
        self.awaited[said.checkpoint_id] = set(self.subtasks)
        if self.periodic(said) and self.last_end is not None:
            assert self.now >= self.last_end + self.options.min_pause

    def periodic(self, said):
        return not said.savepoint and not said.final and self.options.interval is not None and not self.asked

    def check_publish(self, said):
        assert self.awaited[said.checkpoint_id] == set()
        assert self.publishing in (None, said.checkpoint_id)
        assert said.metadata.checkpoint_id == said.checkpoint_id
        for operator in said.metadata.operators:
            assert [state.subtask for state in operator.subtasks] == list(range(operator.parallelism))
        assert all(number < said.checkpoint_id for number in self.published)
        self.publishing = said.checkpoint_id
        self.publish_kind = said.metadata.kind

    def check_failed(self, number, reason):
        assert number not in self.published
        assert number in self.awaited
        assert self.publishing != number
        del self.awaited[number]
        self.ever_failed.add(number)
        self.last_end = self.now
        if reason in COUNTED and number not in self.savepoints():
            self.failures_in_a_row += 1

    def savepoints(self):
        return {s.checkpoint_id for s in self.machine.history.recent if s.kind is SnapshotKind.SAVEPOINT}

    @rule(seconds=st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 3.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.say(events.Tick())

    @rule()
    def the_deadline_comes(self):
        deadline = self.machine.next_deadline()
        if deadline is None or self.fenced:
            return
        if deadline > self.now:
            before = (self.now + deadline) / 2
            assert self.machine.handle(events.Tick(), before) == []
            self.now = deadline
        said = self.machine.handle(events.Tick(), self.now)
        assert said, "a deadline was named at which nothing is due"
        for instruction in said:
            self.check(instruction)

    @rule(back=st.integers(0, 3), index=st.integers(0, 2), attempt=st.sampled_from([0, 0, 0, 1]))
    def a_subtask_acknowledges(self, back, index, attempt):
        number = max(1, self.last_id - back)
        subtask = sorted(SUBTASKS)[index]
        event = ack(number, subtask, attempt=self.attempt + attempt)
        fresh = (
            attempt == 0
            and not self.fenced
            and subtask in self.awaited.get(number, ())
            and number in self.attempt_of_open()
        )
        if fresh:
            self.awaited[number].discard(subtask)
        for instruction in self.machine.handle(event, self.now):
            if isinstance(instruction, events.AckAnswered):
                assert (instruction.result is AckResult.SUCCESS) == fresh
            self.check(instruction)

    def attempt_of_open(self):
        return (
            {stats.checkpoint_id for stats in self.machine.in_progress(self.now)} if self.running else set()
        )

    @rule(index=st.integers(0, 2))
    def every_subtask_acknowledges(self, index):
        for number in sorted(self.awaited):
            for subtask in sorted(self.awaited.get(number, ())):
                if number in self.awaited and self.running and not self.fenced:
                    self.awaited[number].discard(subtask)
                    self.say(ack(number, subtask, attempt=self.attempt))

    @precondition(lambda self: self.awaited and self.running)
    @rule(
        reason=st.sampled_from([Reason.ASYNC_FAILURE, Reason.DECLINED, Reason.STORAGE]),
        index=st.integers(0, 2),
    )
    def a_subtask_declines(self, reason, index):
        number = max(self.awaited)
        self.say(
            events.Decline(
                CheckpointId(number), EPOCH, AttemptId(self.attempt), sorted(SUBTASKS)[index], reason
            )
        )

    @precondition(lambda self: self.publishing is not None and not self.fenced)
    @rule(
        fault=st.sampled_from(
            [None, None, None, PublishFault.FAILED, PublishFault.NUMBER_TAKEN, PublishFault.UNKNOWN]
        )
    )
    def a_publishing_is_answered(self, fault):
        number = self.publishing
        if fault is PublishFault.UNKNOWN:
            self.say(events.PublishFailed(CheckpointId(number), fault, "unknown"))
            assert self.machine.publishing == number
            return
        self.publishing = None
        if fault is None:
            assert self.published == sorted(self.published)
            self.published.append(number)
            del self.awaited[number]
            self.last_end = self.now
            self.failures_in_a_row = 0
            if self.publish_kind is SnapshotKind.CHECKPOINT:
                self.completed.append(number)
            self.say(events.Published(CheckpointId(number), f"chk-{number}"))
        else:
            self.say(events.PublishFailed(CheckpointId(number), fault, "failed"))

    @precondition(lambda self: self.publishing is not None and not self.fenced)
    @rule()
    def the_process_is_fenced(self):
        number, self.publishing = self.publishing, None
        said = self.machine.handle(
            events.PublishFailed(CheckpointId(number), PublishFault.FENCED, "x"), self.now
        )
        assert any(isinstance(instruction, events.StopProcess) for instruction in said)
        self.answered += [i.request for i in said if isinstance(i, events.RequestAnswered)]
        self.fenced = True
        assert len(self.answered) == len(self.asked)

    @precondition(lambda self: len(self.asked) < 5 and not self.fenced)
    @rule(savepoint=st.booleans(), final=st.booleans())
    def somebody_asks(self, savepoint, final):
        name = f"request-{len(self.asked)}"
        self.asked.add(name)
        kind = SnapshotKind.SAVEPOINT if savepoint else SnapshotKind.CHECKPOINT
        self.say(
            events.TriggerRequested(name, kind, "memory://savepoints" if savepoint else None, final=final)
        )

    @precondition(lambda self: self.running and not self.fenced)
    @rule()
    def the_tasks_stop(self):
        self.say(events.TasksStopped())
        assert set(self.awaited) <= {self.publishing}
        open_requests = 1 if self.publishing is not None else 0
        assert len(self.asked) - len(self.answered) <= open_requests

    @precondition(lambda self: self.running and not self.fenced)
    @rule()
    def the_tasks_are_about_to_stop(self):
        self.ending = True
        self.say(events.TasksEnding())
        assert set(self.awaited) <= {self.publishing}, "what is being published may complete"
        assert self.machine.next_deadline() is None or self.publishing is not None
        open_requests = 1 if self.publishing is not None else 0
        assert len(self.asked) - len(self.answered) <= open_requests

    @precondition(lambda self: self.running and self.ending and self.publishing is None and not self.fenced)
    @rule()
    def some_tasks_are_back(self):
        self.ending = False
        self.failures_in_a_row = 0
        self.say(events.TasksResumed())

    @precondition(lambda self: not self.running and self.publishing is None and not self.fenced)
    @rule()
    def the_tasks_run_again(self):
        self.say(events.TasksStopped())
        self.say(events.TasksRunning(AttemptId(self.attempt + 1), SUBTASKS, SOURCES))

    @precondition(lambda self: self.running and len(self.subtasks) > 1)
    @rule(index=st.integers(0, 2))
    def a_subtask_is_gone(self, index):
        subtask = sorted(SUBTASKS)[index]
        self.subtasks -= {subtask}
        self.say(events.SubtaskFinished(subtask))

    @invariant()
    def what_it_shows_is_what_happened(self):
        if not hasattr(self, "machine") or self.fenced:
            return
        assert {stats.checkpoint_id for stats in self.machine.in_progress(self.now)} == set(self.awaited)
        assert list(self.machine.completed) == self.completed
        assert self.machine.history.counts.completed == len(self.published)
        assert self.machine.publishing == self.publishing
        assert len(set(self.answered)) == len(self.answered)


CoordinatorModel.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestCoordinatorModel = CoordinatorModel.TestCase
