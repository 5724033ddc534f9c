"""Refuses a job that would read what it writes: a file sink's target within a file source's input.

``refuse_overlap`` is called once per job, when all its sources and sinks are known; it touches no storage.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from weir.connectors.files.reading.splits import is_hidden
from weir.connectors.files.sink import FileSink
from weir.connectors.files.source import FileSource
from weir.errors import ConfigError, UserError
from weir.storage import absolute_uri
from weir.storage.names import glob_regex, glob_start


def refuse_overlap(sources: Iterable[object], sinks: Iterable[object]) -> None:
    """Raises ``UserError`` for a file source that would find the part files of a file sink of the same job."""
    targets = [sink.path for sink in sinks if isinstance(sink, FileSink)]
    for source in sources:
        if isinstance(source, FileSource):
            for target in targets:
                if _finds(source.path, target):
                    raise UserError(
                        f"the job reads {source.path} and writes to {target}: it would read its own output; write to a "
                        "folder outside the input, or to one whose name begins with '_'"
                    )


def _finds(path: str, target: str) -> bool:
    pattern, folder = _plain(path), _plain(target)
    if folder == pattern or folder.startswith(pattern + "/"):
        return not is_hidden(folder[len(pattern) :].lstrip("/") or "x")
    start = glob_start(pattern)
    if start < 0:
        return False
    root = pattern[: pattern.rfind("/", 0, start) + 1]
    if not f"{folder}/".startswith(root):
        return False
    below = f"{folder}/"[len(root) :]
    names = [f"{below}part-0{suffix}" for suffix in (".jsonl", ".csv", ".txt")]
    try:
        glob = glob_regex(pattern[len(root) :])
    except ConfigError:  # the name of a folder, or the source says what is wrong
        return False
    return any(glob.fullmatch(name) and not is_hidden(name) for name in names)


def _plain(path: str) -> str:
    uri = absolute_uri(path)
    if uri.startswith("file:"):
        return "file://" + os.path.normpath("/" + uri.removeprefix("file:").lstrip("/"))
    return uri.rstrip("/")
