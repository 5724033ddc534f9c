"""Finds the user's line in a dump that ``faulthandler`` wrote of a process that hangs or crashed. Pure.

A dump has one block a thread, innermost frame first. The data thread is the one in which user code was called by
the engine; its innermost frame that belongs neither to Weir nor to a library is the line to show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_FRAME = re.compile(r'^\s+File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$')
_BLOCK = re.compile(r"^(Current thread|Thread) 0x")


class Frame(NamedTuple):
    """One Python frame of a dump."""

    file: str
    line: int
    function: str


def threads(dump: str) -> list[list[Frame]]:
    """The frames of each thread in the dump, innermost first."""
    blocks: list[list[Frame]] = []
    for line in dump.splitlines():
        if _BLOCK.match(line):
            blocks.append([])
        elif (match := _FRAME.match(line)) and blocks:
            blocks[-1].append(Frame(match["file"], int(match["line"]), match["function"]))
    return blocks


def user_frame(dump: str, engine: str, libraries: Sequence[str]) -> Frame | None:
    """The innermost frame of user code, or ``None`` if the dump shows none.

    ``engine`` is Weir's folder; ``libraries`` are folders of the standard library and of installed packages. A hang
    inside a library shows the user's call of it; user code that is itself installed is found as a last resort.
    """
    called_by_engine = [block for block in threads(dump) if any(_below(frame, engine) for frame in block)]
    for block in called_by_engine:
        for frame in block:
            if not frame.file.startswith("<") and not any(_below(frame, f) for f in (engine, *libraries)):
                return frame
    for block in called_by_engine:
        if not _below(block[0], engine) and not block[0].file.startswith("<"):
            return block[0]
    return None


def _below(frame: Frame, folder: str) -> bool:
    return frame.file.startswith(folder.rstrip("/") + "/")
