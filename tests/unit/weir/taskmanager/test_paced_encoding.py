"""Who encodes large state rests between pieces, in proportion to the time of making them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weir.taskmanager.pacing import paced


class Encoder:
    """Pieces that take some milliseconds of the processor each, and whoever takes them as much again."""

    def __init__(self, *milliseconds: float) -> None:
        self.milliseconds = milliseconds
        self.spent = 0.0
        self.pauses: list[float] = []

    def pieces(self) -> Iterator[bytes]:
        for number, each in enumerate(self.milliseconds):
            self.spent += each / 1000
            yield b"%d" % number

    def run(self) -> list[bytes]:
        taken = []
        for piece in paced(self.pieces(), processor_time=lambda: self.spent, pause=self.pauses.append):
            taken.append(piece)
            self.spent += 1.0
        return taken


def test_each_piece_is_followed_by_a_rest_three_times_as_long_as_its_making() -> None:
    encoder = Encoder(4, 3, 10)
    assert encoder.run() == [b"0", b"1", b"2"]
    assert encoder.pauses == pytest.approx([0.012, 0.009, 0.030])


def test_what_is_too_short_for_a_pause_adds_up() -> None:
    encoder = Encoder(0.3, 0.3, 0.3, 0.1)
    encoder.run()
    assert encoder.pauses == pytest.approx([0.0027])


def test_a_small_snapshot_rests_never() -> None:
    encoder = Encoder(0.3, 0.3)
    assert len(encoder.run()) == 2
    assert encoder.pauses == []


def test_what_making_a_piece_raises_comes_through() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        list(paced(broken()))
