"""What is kept of a process's log: its end, in whole parts, and never more than the limit."""

from __future__ import annotations

from weir.rpc.logs import LogTail


def test_the_newest_parts_are_kept_whole_up_to_the_limit() -> None:
    tail = LogTail(limit=10)
    for part in (b"one\n", b"two\n", b"three\n"):
        tail.add(part)
    assert tail.read() == b"two\nthree\n"
    assert tail.size == 10


def test_of_a_part_above_the_limit_the_end_is_kept() -> None:
    tail = LogTail(limit=4)
    tail.add(b"before")
    tail.add(b"0123456789")
    assert tail.read() == b"6789"
    assert tail.size == 4


def test_the_time_of_the_last_line_only_grows() -> None:
    tail = LogTail()
    before = tail.modified_ms
    tail.add(b"x")
    assert tail.modified_ms >= before
