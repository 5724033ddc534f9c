from __future__ import annotations

import msgspec
import pytest

from tests.support.checkpoints import ManualClock
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import Checkpoint, Entry, Failed, RestorePoint, Start
from weir.checkpoint.recovery import Restore, decide
from weir.checkpoint.start_directive import Applied, Apply, Outrun, StartDirective, StartRefused, admit
from weir.ids import CheckpointId, Epoch
from weir.storage import MemoryStorage


def start_of(run: str) -> Entry:
    return Entry(seq=1, epoch=Epoch(1), writer="w", written_ms=0, record=Start(run=run))


def point(number: int) -> RestorePoint:
    return RestorePoint(checkpoint_id=CheckpointId(number), path=f"chk-{number}", metadata_sha256="h")


def chk(number: int) -> Checkpoint:
    return Checkpoint(point=point(number), has_commits=True)


@pytest.mark.parametrize(
    ("last", "expected", "answer"),
    [
        (None, None, Apply()),
        ("local", None, Apply()),
        ("6", 9, Apply()),
        ("7", None, Applied()),
        ("8", 9, Outrun(8)),
        ("6", 8, StartRefused(expected=8, found=9)),
        # Its own start moved the tail: what was expected before it does not matter any more.
        ("7", 8, Applied()),
    ],
)
def test_the_newest_start_and_the_tail_say_what_becomes_of_a_directive(last, expected, answer):
    directive = StartDirective(run=7, expected_tail=expected)
    assert admit(9, None if last is None else start_of(last), directive) == answer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"run": 1, "mode": "From"}', "From needs a path"),
        (b'{"run": 1, "path": "s3://a"}', "From needs a path"),
        (b'{"run": 1, "mode": "Newest"}', "Invalid enum value 'Newest'"),
        (b'{"mode": "Tail"}', "missing required field `run`"),
        (b'{"run": 1, "expectedtail": 3}', "unknown field `expectedtail`"),
    ],
)
def test_a_directive_that_makes_no_sense_is_refused(text, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.json.decode(text, type=StartDirective)


def test_the_start_of_a_run_is_found_however_many_checkpoints_ago_it_was():
    storage = MemoryStorage()
    for run, checkpoints in (("1", 3), ("2", 200)):
        fence = FenceLog(storage, run, ManualClock())
        fence.start(run, lambda view: None)
        for number in range(checkpoints):
            fence.append(chk(number + 1), fence.tail)
    reader = FenceLog(storage, "reader", ManualClock())
    view = reader.read()
    assert view.last_start is None, "it lies before what is read"
    found = reader.last_start(view)
    assert (found.seq, found.record.run) == (5, "2")


def test_a_start_that_only_clears_is_neither_a_run_nor_a_base():
    storage = MemoryStorage()
    job = FenceLog(storage, "job", ManualClock())
    job.start("3", lambda view: None)
    job.append(chk(1), job.tail)
    job.append(Failed(reason="no"), job.tail)
    FenceLog(storage, "sweeper", ManualClock()).start("sweep", lambda view: point(1), clears=True)
    reader = FenceLog(storage, "reader", ManualClock())
    view = reader.read()
    assert reader.last_start(view).record.run == "3"
    decision = decide(view)
    assert isinstance(decision, Restore)
    assert (decision.point.path, str(decision.why)) == ("chk-1", "it is the last completed snapshot")
