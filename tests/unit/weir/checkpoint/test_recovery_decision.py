from __future__ import annotations

import pytest

from weir.checkpoint import recovery
from weir.checkpoint.fence_records import (
    Cancelled,
    Checkpoint,
    Entry,
    Failed,
    Finished,
    LogView,
    RestorePoint,
    Start,
    Stopped,
    decode_entry,
    encode_entry,
)
from weir.checkpoint.metadata import SnapshotKind
from weir.checkpoint.recovery import NoState, Restore, Why
from weir.errors import RestoreBlocked, SnapshotCorrupt, SnapshotMismatch
from weir.ids import CheckpointId, Epoch


def point(number, path=None):
    kind = SnapshotKind.SAVEPOINT if path else SnapshotKind.CHECKPOINT
    return RestorePoint(
        checkpoint_id=CheckpointId(number),
        path=path or f"chk-{number}",
        metadata_sha256=f"hash{number}",
        kind=kind,
    )


def chk(number, commits=False, path=None):
    return Checkpoint(point=point(number, path), has_commits=commits)


def start(base=None):
    return Start(run="1", base=base)


def log(*records, first=1):
    entries, epoch = [], 0 if first == 1 else 5
    for seq, record in enumerate(records, first):
        epoch += isinstance(record, Start)
        entries.append(Entry(seq=seq, epoch=Epoch(epoch), writer="w", written_ms=0, record=record))
    return LogView(tuple(entries))


@pytest.mark.parametrize(
    ("view", "restored", "why"),
    [
        (log(start(), chk(1)), "chk-1", Why.LAST_CHECKPOINT),
        (log(start(), chk(1), chk(2, commits=True)), "chk-2", Why.LAST_CHECKPOINT),
        (log(start(), chk(1), Failed()), "chk-1", Why.LAST_CHECKPOINT),
        (log(start(), chk(1), start(point(1))), "chk-1", Why.BASE),
        (log(start(), chk(1), start(point(1)), start(point(1))), "chk-1", Why.BASE),
        (log(start(), chk(1), chk(2), start(point(1))), "chk-1", Why.BASE),
        (log(start(point(9, "s3://b/sp"))), "s3://b/sp", Why.BASE),
        (
            log(start(), chk(1), chk(2, path="s3://b/sp"), Stopped(savepoint=point(2, "s3://b/sp"))),
            "s3://b/sp",
            Why.STOP,
        ),
        (log(start(), chk(1), chk(2, path="s3://b/sp")), "s3://b/sp", Why.LAST_CHECKPOINT),
        (log(start(), chk(1), chk(2), Cancelled()), "chk-2", Why.LAST_CHECKPOINT),
        (log(start(), chk(1), Finished()), "chk-1", Why.LAST_CHECKPOINT),
        (log(chk(70), chk(71), first=70), "chk-71", Why.LAST_CHECKPOINT),
    ],
)
def test_the_tail_of_the_log_names_what_is_restored(view, restored, why):
    decision = recovery.decide(view)
    assert isinstance(decision, Restore)
    assert (decision.point.path, decision.why) == (restored, why)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (log(), "never been started"),
        (log(start()), "no completed snapshot"),
        (log(start(), start()), "no completed snapshot"),
        (log(start(), Failed()), "no completed snapshot"),
        (log(start(), chk(1), chk(2), Cancelled(deleted=True)), "deleted"),
        (log(start(), chk(1), Finished(deleted=True)), "deleted"),
        (log(start(), chk(1), Cancelled(deleted=True), start()), "deleted"),
    ],
)
def test_where_there_is_nothing_to_restore_the_reason_is_said(view, said):
    decision = recovery.decide(view)
    assert isinstance(decision, NoState)
    assert said in decision.why


def test_a_fresh_start_hides_what_an_earlier_life_left():
    assert recovery.decide(log(start(), chk(1), Failed(), start())) == NoState(
        "the job has no completed snapshot"
    )


def test_a_damaged_point_falls_back_while_nothing_was_committed_after():
    view = log(start(), chk(1, commits=True), chk(2), chk(3))
    decision = recovery.decide(view, damaged={"chk-3", "chk-2"})
    assert decision == Restore(point(1), Why.FALLBACK)


def test_a_fallback_never_passes_a_record_with_commits():
    view = log(start(), chk(1), chk(2), chk(3, commits=True))
    with pytest.raises(RestoreBlocked) as raised:
        recovery.decide(view, damaged={"chk-3"})
    message = str(raised.value)
    assert message.startswith("chk-3 is damaged")
    assert "output is committed up to snapshot 3" in message
    assert "chk-2 (output committed with snapshot 3 would be written a second time)" in message
    assert "restore.from" in message


def test_the_choices_say_where_each_point_is_and_what_it_would_cost():
    view = log(start(), chk(1), chk(2, path="s3://b/sp"), chk(3), chk(4, commits=True))
    with pytest.raises(RestoreBlocked) as raised:
        recovery.decide(view, damaged={"chk-4", "chk-1"}, root="s3://b/job")
    assert raised.value.choices == (
        "s3://b/job/chk-4, brought back (nothing is lost or doubled)",
        "s3://b/job/chk-3 (output committed with snapshot 4 would be written a second time)",
        "s3://b/sp (output committed with snapshot 4 would be written a second time)",
        "s3://b/job/chk-1 (damaged or deleted as well)",
    )
    assert all(choice in str(raised.value) for choice in raised.value.choices[1:])


@pytest.mark.parametrize(
    ("damaged", "skipped"),
    [({"chk-3"}, ("chk-3",)), ({"chk-3", "chk-2"}, ("chk-3", "chk-2")), ({"chk-3", "chk-1"}, ("chk-3",))],
)
def test_what_is_skipped_is_the_damage_before_the_chosen_point_and_no_other(damaged, skipped):
    view = log(start(), chk(1), chk(2), chk(3))
    chosen = recovery.decide(view, damaged).point
    if chosen.path == "chk-1":
        damaged = damaged - {"chk-1"}
    assert recovery.skipped(view, damaged, chosen) == skipped


def test_a_second_fallback_goes_on_from_where_the_first_one_began():
    first = log(start(), chk(1), chk(2), chk(3))
    chosen = recovery.decide(first, {"chk-3"}).point
    again = log(start(), chk(1), chk(2), chk(3), start(chosen))
    assert recovery.decide(again, {"chk-3"}) == Restore(chosen, Why.BASE)
    assert recovery.decide(again, {"chk-3", "chk-2"}) == Restore(point(1), Why.FALLBACK)


def test_a_fallback_does_not_pass_commits_over_a_restart():
    view = log(start(), chk(1), chk(2, commits=True), start(point(2)))
    with pytest.raises(RestoreBlocked, match="chk-2 is damaged"):
        recovery.decide(view, damaged={"chk-2"})


def test_when_everything_is_damaged_the_restore_is_blocked():
    with pytest.raises(RestoreBlocked, match="damaged or deleted as well"):
        recovery.decide(log(start(), chk(1), chk(2)), damaged={"chk-1", "chk-2"})


def test_a_rollback_begins_a_line_of_its_own():
    view = log(start(), chk(1), chk(2), chk(3, commits=True), chk(4), start(point(2)), chk(5))
    assert [candidate.point.checkpoint_id for candidate in recovery.candidates(view)] == [5, 2, 1]
    assert recovery.decide(view, damaged={"chk-5"}) == Restore(point(2), Why.FALLBACK)


def test_checkpoints_are_dropped_in_the_order_abandoned_then_old_and_never_savepoints():
    view = log(start(), chk(1), chk(2), chk(3), chk(4, path="s3://b/sp"), start(point(2)), chk(5))
    assert recovery.completed_oldest_first(view) == [3, 1, 2, 5]


def test_only_a_record_permits_commits():
    view = log(start(), chk(1), start(point(1)), chk(3))
    assert [n for n in range(5) if view.may_commit(CheckpointId(n))] == [1, 3]


def test_the_view_knows_the_tail_the_next_epoch_and_the_end():
    view = log(start(), chk(4), start(point(4)), Failed(reason="x"))
    assert (view.tail, view.next_epoch, view.highest_checkpoint) == (4, 3, 4)
    assert view.ended == Failed(reason="x")
    assert view.last_start.seq == 3
    empty = LogView()
    assert (empty.tail, empty.next_epoch, empty.highest_checkpoint, empty.ended) == (0, 1, 0, None)


@pytest.mark.parametrize(
    ("seqs", "epochs"), [((1, 3), (1, 1)), ((1, 2), (1, 2)), ((2, 1), (1, 1)), ((1, 2), (2, 1))]
)
def test_records_that_cannot_follow_each_other_are_refused(seqs, epochs):
    entries = tuple(
        Entry(seq=seq, epoch=Epoch(epoch), writer="w", written_ms=0, record=chk(seq))
        for seq, epoch in zip(seqs, epochs, strict=True)
    )
    with pytest.raises(SnapshotCorrupt, match="cannot follow"):
        LogView(entries)


def test_every_record_survives_its_own_format():
    records = [
        start(),
        start(point(1)),
        chk(2, commits=True),
        Stopped(savepoint=point(3, "s3://b/sp")),
        Finished(),
    ]
    records += [Cancelled(deleted=True), Failed(reason="why")]
    for record in records:
        entry = Entry(seq=9, epoch=Epoch(2), writer="w", written_ms=5, record=record)
        assert decode_entry(encode_entry(entry), "f") == entry


def test_a_damaged_or_newer_record_is_named():
    with pytest.raises(SnapshotCorrupt, match="fence/1 is damaged"):
        decode_entry(b'{"format_version":1,"seq":1', "fence/1")
    with pytest.raises(SnapshotMismatch, match="fence/1 has format version 2, this Weir reads up to 1"):
        decode_entry(b'{"format_version":2,"record":{"type":"new"}}', "fence/1")
