"""The kit finds what is wrong with a connector: each one here has one fault that only a crash shows."""

from __future__ import annotations

import msgspec
import pytest

from weir import Assignment, CollectionSource, CollectSink, Fetched, UserError
from weir.connectors.collect import CollectCommitter, CollectWriter
from weir.connectors.collection import CollectionReader
from weir.connectors.fixed_splits import FixedSplits
from weir.testing.conformance import ConformanceError, Guarantee, check_sink, check_source, deployment

ROWS = [f"row {i}" for i in range(12)]


def visible(sink):
    return sink.results


class Sink(CollectSink):
    """``writer`` and ``committer`` are the faulty ones."""

    def __init__(self, writer=CollectWriter, committer=CollectCommitter):
        super().__init__(two_phase=True)
        self.writer, self.committer = writer, committer

    def create_writer(self, context):
        return self.writer(self._rows, context, self.transactional)

    def create_committer(self):
        return self.committer(self._rows)


class ShowsAtOnce(CollectWriter):
    def write(self, values, timestamps):
        self._rows.visible.append((values, timestamps))


class CommitsTwice(CollectCommitter):
    def commit(self, committables):
        for committable in committables:
            if (batches := self._rows.waiting.get(committable.key)) is not None:
                self._rows.visible.extend(batches)


class ForgetsTheSecondTime(CollectCommitter):
    def commit(self, committables):
        for committable in committables:
            if committable.key not in self._rows.committed:
                self._rows.committed.add(committable.key)
                return
            super().commit(committables)


class AbortsTooMuch(CollectCommitter):
    def abort_leftovers(self, context):
        self._rows.waiting.clear()


class NamesAreUsedAgain(CollectWriter):
    """The attempt is not part of the name: a later one overwrites what an earlier one prepared."""

    def __init__(self, rows, context, two_phase):
        super().__init__(rows, context._replace(attempt=0), two_phase)


class Declines(CollectWriter):
    """What a declined checkpoint held is forgotten."""

    def finish_prepare(self, committables):
        self.prepared = [c.key for c in committables]

    def prepare_commit(self):
        found = super().prepare_commit()
        return found[:1] if self._counter % 3 else []


@pytest.mark.parametrize(
    ("sink", "measured"),
    [
        (lambda: Sink(ShowsAtOnce), "measured was at least once"),
        (lambda: Sink(committer=CommitsTwice), "measured was at least once"),
        (lambda: Sink(NamesAreUsedAgain), "measured was|after a crash"),
        (lambda: Sink(committer=AbortsTooMuch), "has no rows|measured was"),
        (lambda: Sink(Declines), "without any crash 1?[0-9] rows are lost"),
        (lambda: Sink(committer=ForgetsTheSecondTime), "without any crash 12 rows are lost"),
    ],
)
def test_a_faulty_sink_is_found(sink, measured):
    with pytest.raises(ConformanceError, match=measured):
        check_sink(sink, visible, rows=ROWS, per_method=3)


def test_a_good_sink_passes_and_one_without_a_commit_is_at_least_once():
    assert check_sink(Sink, visible, rows=ROWS, per_method=2).measured is Guarantee.EXACTLY_ONCE
    report = check_sink(CollectSink, visible, rows=ROWS, per_method=2, name="shown at once")
    assert report.measured is Guarantee.AT_LEAST_ONCE
    assert report.total.doubled > 0
    assert "| writer.write " in str(report)


class Source(CollectionSource):
    def __init__(self, reader=CollectionReader, enumerator=FixedSplits, replayable=True):
        super().__init__(ROWS, num_splits=3)
        self.reader, self.enumerator, self.replayable = reader, enumerator, replayable

    def create_reader(self, context):
        return self.reader(self._values, self._timestamps)

    def create_enumerator(self, context):
        return self.enumerator(super().create_enumerator(context)._unassigned)

    def restore_enumerator(self, context, state):
        return self.enumerator(super().restore_enumerator(context, state)._unassigned)


class AheadOfItself(CollectionReader):
    """The position counts rows that nobody was given."""

    def snapshot(self):
        return [
            msgspec.structs.replace(split, position=min(split.position + 1, split.end))
            for split in super().snapshot()
        ]


class FromTheBeginning(CollectionReader):
    """The position is that of the assignment."""

    def snapshot(self):
        return list(self._splits)


class KeepsWhatItGave(FixedSplits):
    """Splits that were assigned are in the enumerator's state as well."""

    def __init__(self, splits):
        super().__init__(splits)
        self.all = list(splits)

    def snapshot(self):
        return msgspec.msgpack.encode(self.all)


class LosesWhatItHas(FixedSplits):
    def snapshot(self):
        return msgspec.msgpack.encode([])


class NotReplayable(CollectionReader):
    """A queue that forgets: what was read is gone, whoever reads next."""

    taken: set[str]

    def fetch(self, max_rows):
        fetched = super().fetch(max_rows)
        if fetched is None:
            return None
        values = [value for value in fetched.values if value not in self.taken]
        self.taken.update(values)
        return Fetched(values, None, fetched.split_id)


@pytest.mark.parametrize(
    ("source", "measured"),
    [
        (lambda: Source(AheadOfItself), "measured was at most once"),
        (lambda: Source(FromTheBeginning), "measured was at least once"),
        (lambda: Source(enumerator=KeepsWhatItGave), "measured was at least once"),
        (lambda: Source(enumerator=LosesWhatItHas), "measured was at most once"),
    ],
)
def test_a_faulty_source_is_found(source, measured):
    with pytest.raises(ConformanceError, match=measured):
        check_source(source, ROWS, per_method=3)


def test_a_source_that_cannot_be_read_again_is_at_most_once():
    def forgetful():
        reader = type("OfOneRun", (NotReplayable,), {"taken": set()})
        return Source(reader, replayable=False)

    report = check_source(forgetful, ROWS, per_method=3)
    assert report.measured is Guarantee.AT_MOST_ONCE
    assert report.total.lost > 0


class TidiesUp(CollectionReader):
    """At an orderly end it gives away what it did not read: no crash shows that, nor does the end of the input."""

    gone: set[str]

    def fetch(self, max_rows):
        fetched = super().fetch(max_rows)
        if fetched is None:
            return None
        return Fetched([value for value in fetched.values if value not in self.gone], None, fetched.split_id)

    def close(self):
        for split in self.snapshot():
            self.gone.update(ROWS[split.position : split.end])


def test_rows_that_are_lost_in_a_stop_with_a_savepoint_are_found():
    def tidy():
        return Source(type("OfOneRun", (TidiesUp,), {"gone": set()}))

    with pytest.raises(
        ConformanceError, match="at most once; first seen after a stop with a savepoint"
    ) as found:
        check_source(tidy, ROWS, per_method=1)
    assert "| stop with a savepoint " in str(found.value)


def test_rows_that_were_not_expected_are_said_before_any_crash():
    with pytest.raises(
        ConformanceError, match=r"without any crash 1 rows are lost, 0 doubled .* expected 13 rows"
    ):
        check_source(Source, [*ROWS, "more"])


class Raises(FixedSplits):
    def handle_request(self, reader):
        raise UserError("the listing is broken")


class Silent(FixedSplits):
    def handle_request(self, reader):
        return []


def test_a_connector_that_fails_by_itself_fails_the_check_with_its_message():
    with pytest.raises(ConformanceError, match=r"the job failed: .*the listing is broken"):
        check_source(lambda: Source(enumerator=Raises), ROWS)


class Circling(FixedSplits):
    def handle_request(self, reader):
        return [Assignment(reader, [], no_more=False)]


@pytest.mark.parametrize("enumerator", [Silent, Circling])
def test_a_connector_that_never_ends_fails_the_check(monkeypatch, enumerator):
    monkeypatch.setattr(deployment, "_PATIENCE", 0.01)
    monkeypatch.setattr(deployment, "_IDLE_ROUNDS", 200)
    with pytest.raises(ConformanceError, match="nothing moves any more"):
        check_source(lambda: Source(enumerator=enumerator), ROWS)
