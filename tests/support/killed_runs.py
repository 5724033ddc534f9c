"""Runs in which a process is killed, two under way at any time, for a test that has a parameter for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

P = TypeVar("P")

AT_A_TIME = 2


@dataclass(frozen=True)
class Outcome:
    """What a run left."""

    killed: bool  #: the point was reached, and a process died there
    code: int
    faults: list[str]
    story: str

    def assert_exact(self) -> None:
        """It was killed, went on, ended well, and its output is that of an undisturbed run."""
        assert self.killed, self.story
        assert self.faults == [], self.story
        assert self.code == 0, self.story


@contextmanager
def runs_of(
    test: str, parameter: str, session: pytest.Session, bring_to: Callable[[P, Path], Outcome], folder: Path
) -> Iterator[dict[P, Future[Outcome]]]:
    """The runs of all values of ``parameter`` for which ``test`` was selected, each in a folder of its own."""
    chosen = [
        item.callspec.params[parameter]
        for item in session.items
        if isinstance(item, pytest.Function) and item.originalname == test
    ]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {value: pool.submit(bring_to, value, folder / str(value)) for value in chosen}
        pool.shutdown(cancel_futures=True)
