"""Finds the input files of a path, cuts them into splits and hands these out; once, or again and again.

Files come in the order of their names. A reader gets a share of what is left, smaller towards the end, so that
none is left with all the work. The state holds the names that were found: a watched folder's name is read
once, whatever becomes of the file later, also when the job that found it did not watch yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

import msgspec

from weir.connectors.files.reading.splits import FileSplit, FoundFile, cut, is_hidden
from weir.connectors.source import Assignment, SplitEnumerator
from weir.errors import UserError, is_text
from weir.storage import LocalStorage, S3Options, Storage, expand, resolve
from weir.storage.names import glob_start

_NO_NAMES = (
    "the job began in an older release, whose snapshots do not name the files that were found, so that monitor_continuously "
    "would read them again: leave it out until they are read, or start without state"
)
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".parquet", ".orc", ".avro")


class EnumeratorState(msgspec.Struct, frozen=True):
    """What is not in the readers' hands."""

    unassigned: list[FileSplit]
    #: Names found so far; in older states only those of a watched folder.
    found: list[str] = []
    #: Whether ``found`` has all names.
    complete: bool = False


class FileEnumerator(SplitEnumerator[FileSplit]):
    """``look`` lists all input files; it is called again only when there is an ``interval`` (seconds)."""

    def __init__(
        self,
        look: Callable[[], Iterable[FoundFile]],
        split_bytes: int,
        splittable: bool,
        parallelism: int,
        interval: float | None = None,
        state: EnumeratorState | None = None,
    ) -> None:
        self._look = look
        self._split_bytes = split_bytes
        self._cut_bytes = split_bytes if splittable else None
        self._parallelism = parallelism
        self._unassigned = list(state.unassigned) if state else []
        self._found = set(state.found) if state else set()
        #: An older state without names may be of a job that did not watch: that kept none.
        self._complete = state is None or state.complete or bool(state.found)
        self._waiting: list[int] = []
        self.discovery_interval = interval
        if interval is not None and not self._complete:
            raise UserError(_NO_NAMES)
        if state is None:
            self._look_for_new()

    def _look_for_new(self) -> None:
        for file in self._look():
            if file.name not in self._found:
                self._unassigned.extend(cut(file, self._cut_bytes))
                self._found.add(file.name)

    def handle_request(self, reader: int) -> list[Assignment]:
        if self._unassigned:
            taken = self._take_share()
            return [
                Assignment(reader, taken, no_more=not self._unassigned and self.discovery_interval is None)
            ]
        if self.discovery_interval is None:
            return [Assignment(reader, [], no_more=True)]
        if reader not in self._waiting:
            self._waiting.append(reader)
        return []

    def discover(self) -> list[Assignment]:
        self._look_for_new()
        return self._serve_waiting()

    def add_splits_back(self, splits: Sequence[FileSplit], reader: int) -> list[Assignment]:
        self._unassigned = sorted([*splits, *self._unassigned], key=lambda s: (s.root, s.name, s.start))
        return self._serve_waiting()

    def _serve_waiting(self) -> list[Assignment]:
        served = []
        while self._waiting and self._unassigned:
            served.append(Assignment(self._waiting.pop(0), self._take_share()))
        return served

    def _take_share(self) -> list[FileSplit]:
        """From the front: half of a fair share at most, and about one split's worth of bytes."""
        most = max(1, len(self._unassigned) // (2 * self._parallelism))
        count, size = 0, 0
        for split in self._unassigned[:most]:
            size += split.end - split.start
            if count and size > self._split_bytes:
                break
            count += 1
        taken, self._unassigned = self._unassigned[:count], self._unassigned[count:]
        return taken

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(EnumeratorState(self._unassigned, sorted(self._found), self._complete))


def input_files(path: str, s3: S3Options | None, may_be_empty: bool, binary: bool = False) -> list[FoundFile]:
    """The files that ``path`` (file, folder or glob) stands for, hidden ones apart, by name.

    Raises ``UserError`` when there is nothing, unless ``may_be_empty`` (a folder that is watched), for files whose
    bytes are no text, unless the format is ``binary``, and for names that are not UTF-8.
    """
    root, name = resolve(path, s3)
    infos = list(expand(root, name))
    itself = all(f"{info.name}/".startswith(f"{name}/") for info in infos)  # no matches of a glob
    below = len(name) if itself else 0
    root_uri = _root_uri(root)
    files = [
        FoundFile(root_uri, info.name, info.size)
        for info in infos
        if not is_hidden(info.name[below:].lstrip("/"))
    ]
    _check_names(files)
    packed = next((file for file in files if file.name.lower().endswith(_PACKED)), None)
    if packed is not None and not binary:
        raise UserError(
            f"{packed.name} in {root_uri} looks packed or binary; FileSource reads plain text, CSV and JSON lines: "
            "unpack or convert it first (Parquet: FileSource.for_parquet), or move it out of the input"
        )
    if not files and not (may_be_empty and _folder_exists(root, name)):
        raise UserError(_nothing_found(path, root, name, len(infos)))
    return files


def _check_names(files: Iterable[FoundFile]) -> None:
    """Names are stored and sent as text, in which other bytes have no form."""
    for file in files:
        name = f"{file.root}/{file.name}"
        if not is_text(name):
            raise UserError(
                f"the input has a file whose name is not UTF-8: {os.fsencode(name)!r}; rename it, or move it out of the input"
            )


def _root_uri(root: Storage) -> str:
    """Such that ``open_storage`` gives the same root; of the root folder, too."""
    return f"file://{root.root}" if isinstance(root, LocalStorage) else root.uri


def _folder_exists(root: Storage, name: str) -> bool:
    """Whether a watched folder is there. Object stores have none until the first object is."""
    if not isinstance(root, LocalStorage):
        return True
    start = glob_start(name)
    folder = name if start < 0 else name[:start].rpartition("/")[0]
    return os.path.isdir(os.path.join(root.root, folder))


def _nothing_found(path: str, root: Storage, name: str, hidden: int) -> str:
    hint = "check the path, and that it is the same on every machine that runs the job"
    if hidden:
        return (
            f"all {hidden} files below {path} begin with '.' or '_' (or lie in such a folder): those are taken for files "
            "in progress; rename them to read them"
        )
    if isinstance(root, LocalStorage) and os.path.isdir(os.path.join(root.root, name)):
        return (
            f"the input folder {path} is empty; put files there first, or watch it for new ones with "
            '.monitor_continuously("10s")'
        )
    if glob_start(name) >= 0:
        return f"no file matches {path}; {hint}"
    if isinstance(root, LocalStorage):
        return f"the input {path} does not exist ({os.path.join(root.root, name)}); {hint}"
    return f"there is no object at or below {path}; check bucket and prefix, and that the keys in use may list them"
