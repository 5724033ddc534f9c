"""Wherever a job with a file sink is stopped: what is visible is what completed checkpoints cover, once each."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from weir.connectors.files.sink import FileCommitter, FileWriter
from weir.connectors.files.writing.encoders import JsonLinesEncoder
from weir.connectors.files.writing.object_parts import ObjectParts
from weir.connectors.sink import WriterContext
from weir.errors import StorageUnavailable
from weir.storage import MemoryStorage
from weir.storage.faults import Fail, FaultInjector, LoseResponse, Operation


class Crash(Exception):
    """The process ends here."""


class LikeS3(MemoryStorage):
    """Moves objects as S3 does: copy, then delete; a crash may lie between."""

    crash_between = False

    def rename(self, source, target):
        self.write(target, self.read(source))
        if self.crash_between:
            raise Crash
        self.delete(source)


class Job:
    """The part of an engine that a sink sees: one subtask, checkpoints, crashes, restores."""

    def __init__(self, roll_bytes):
        self.durable = LikeS3("out")
        self.roll_bytes = roll_bytes
        self.attempt = 0
        self.checkpoint = (0, [])  # the last completed one: next row, committables not known to be committed
        self.start()

    def start(self):
        """A new attempt, from the last completed checkpoint."""
        if self.attempt:
            self.writer.close()  # what is left of a process: its temporary files go with it
        self.attempt += 1
        self.durable.crash_between = False
        self.storage = FaultInjector(self.durable)
        self.parts = ObjectParts(self.storage)
        self.context = WriterContext("0" * 32, "1" * 32, 0, 1, self.attempt // 3, self.attempt)
        self.writer = FileWriter(
            "memory://out", self.parts, JsonLinesEncoder(), self.context, self.roll_bytes
        )
        self.committer = FileCommitter("memory://out", lambda target: self.parts)
        self.row, self.pending = self.checkpoint[0], list(self.checkpoint[1])
        self.committer.commit(self.pending)
        self.pending, self.swept = [], False

    def write(self, count):
        self.writer.write(list(range(self.row, self.row + count)), None)
        self.row += count

    def prepare(self):
        """The barrier passes; whether the checkpoint may complete."""
        prepared = self.writer.prepare_commit()
        self.pending += prepared
        snapshot = (self.row, list(self.pending))
        try:
            self.writer.finish_prepare(prepared)
        except StorageUnavailable:
            return None  # declined: the committables stay for the next one
        return snapshot

    def complete(self, snapshot):
        self.checkpoint = snapshot

    def commit(self):
        try:
            self.committer.commit(self.pending)
        except StorageUnavailable:
            return
        self.pending = []
        if not self.swept:
            self.committer.abort_leftovers(self.context)
            self.swept = True

    def two_in_flight(self, count):
        """The next barrier passes before the commit of the last one: its pending files must not be swept."""
        first = self.prepare()
        due = list(self.pending)
        self.write(count)
        second = self.prepare()
        later = self.pending[len(due) :]
        if first is not None:
            self.complete(first)
            self.pending = due
            self.commit()
            self.pending += later
        if second is not None:
            self.complete((second[0], list(self.pending)))
            self.commit()

    def visible(self):
        rows = []
        for info in self.durable.list():
            if info.name.startswith("part-"):
                rows += [json.loads(line) for line in self.durable.read(info.name).splitlines()]
        return sorted(rows)


step = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 5)),
    st.tuples(st.just("checkpoint"), st.sampled_from(["", "before", "after", "between", "no commit"])),
    st.tuples(st.just("fault"), st.sampled_from([Operation.WRITE, Operation.RENAME]), st.booleans()),
    st.tuples(st.just("two in flight"), st.integers(0, 5)),
    st.tuples(st.just("crash")),
)


def checkpoint(job, crash_at):
    snapshot = job.prepare()
    if crash_at == "before":
        raise Crash
    if snapshot is None:
        return
    job.complete(snapshot)
    if crash_at == "after":
        raise Crash
    job.durable.crash_between = crash_at == "between"
    if crash_at != "no commit":
        job.commit()


@settings(max_examples=400)
@given(st.lists(step, max_size=25), st.sampled_from([1, 8, 1000]))
def test_visible_rows_are_those_of_completed_checkpoints_once_each(steps, roll_bytes):
    job = Job(roll_bytes)
    for kind, *how in steps:
        try:
            match kind:
                case "write":
                    job.write(how[0])
                case "checkpoint":
                    checkpoint(job, how[0])
                case "fault":
                    operation, lost = how
                    job.storage.inject(operation, LoseResponse() if lost else Fail())
                case "two in flight":
                    job.two_in_flight(how[0])
                case "crash":
                    raise Crash
        except Crash:
            job.start()
        visible = job.visible()
        assert len(visible) == len(set(visible))
        assert set(visible) <= set(range(job.checkpoint[0]))
        if not job.pending:
            assert visible == list(range(job.checkpoint[0]))
    job.start()
    checkpoint(job, "")
    assert job.visible() == list(range(job.checkpoint[0]))
    assert list(job.durable.list(".pending/")) == []
    job.writer.close()
