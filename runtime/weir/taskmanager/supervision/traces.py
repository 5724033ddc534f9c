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


def user_stack(dump: str, engine: str, libraries: Sequence[str]) -> str:
    """The stack of the thread that has the user's frame, without Weir's frames; the whole dump if none has."""
    found = user_frame(dump, engine, libraries)
    for block in threads(dump):
        if found in block:
            frames = [
                frame for frame in block if not _below(frame, engine) and not frame.file.startswith("<")
            ]
            lines = [f'  File "{frame.file}", line {frame.line}, in {frame.function}' for frame in frames]
            return "\n".join(["Stack (user code, most recent call first):", *lines])
    return dump


def user_frame(dump: str, engine: str, stdlib: Sequence[str]) -> Frame | None:
    """The innermost frame of user code, or ``None`` if the dump shows none.

    ``engine`` is Weir's folder, ``stdlib`` are the folders of the standard library. A hang inside a library shows the
    user's call of it; only if there is no other code, installed code is taken for the user's.
    """
    called_by_engine = [block for block in threads(dump) if any(_below(frame, engine) for frame in block)]
    foreign = [
        frame
        for block in called_by_engine
        for frame in block
        if not frame.file.startswith("<") and not _below(frame, engine) and not _standard(frame, stdlib)
    ]
    return next((frame for frame in foreign if not _installed(frame)), foreign[0] if foreign else None)


def _below(frame: Frame, folder: str) -> bool:
    return frame.file.startswith(folder.rstrip("/") + "/")


def _standard(frame: Frame, stdlib: Sequence[str]) -> bool:
    return not _installed(frame) and any(_below(frame, folder) for folder in stdlib)


def _installed(frame: Frame) -> bool:
    return "/site-packages/" in frame.file or "/dist-packages/" in frame.file
