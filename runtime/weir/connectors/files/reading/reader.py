"""Reads splits of files on the data thread: pieces from an ``intake`` go into the format's decoder, rows come out.

Splits are read one after the other, in the order given. The position of a split is the byte offset of the next
row, or of its block and its number in that, which the decoder knows at any moment. Local files are read here, others on a thread that reads ahead.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import structlog

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.formats import Format, Start
from weir.connectors.files.reading.intake import Direct, Intake, Piece, ReadAhead
from weir.connectors.files.reading.row_groups import Rows
from weir.connectors.files.reading.rows import BrokenRows, RowDecoder
from weir.connectors.files.reading.splits import FileSplit
from weir.connectors.source import Fetched, Pending, SplitReader
from weir.errors import StorageDenied, StorageError, UserError
from weir.storage import LocalStorage, MemoryStorage, Storage

_log = structlog.get_logger(__name__)

_COUNTED_BYTES = 256 * 1024
REMOTE_BLOCK_BYTES = 4 * 1024 * 1024
#: What a reader may hold of objects that it reads ahead.
READ_AHEAD_BYTES = 16 * 1024 * 1024


class FileReader(SplitReader[Any, FileSplit]):
    """``open_root`` gets it from a split's root to a storage; with ``skip``, broken rows are left out.

    ``block_bytes`` is how much is read at once, if not what suits the storage.
    """

    def __init__(
        self,
        format_: Format,
        skip: bool,
        open_root: Callable[[str], Storage],
        wake: Callable[[], None],
        block_bytes: int | None = None,
    ) -> None:
        self._format = format_
        self._skip = skip
        self._open_root = open_root
        self._wake = wake
        self._block_bytes = block_bytes
        self._roots: dict[str, Storage] = {}
        self._intake: Intake | None = None
        self._splits: deque[FileSplit] = deque()
        self._decoder: RowDecoder | None = None  #: of the first split
        self._broken: BrokenRows | None = None
        self._loaded = False  #: the decoder has a chunk, and knows its position
        self._ended = False  #: the decoder has all chunks of its split
        self._finished: list[str] = []

    def add_splits(self, splits: Sequence[FileSplit]) -> None:
        for split in splits:
            root = self._roots.get(split.root)
            if root is None:
                root = self._roots[split.root] = self._open_root(split.root)
            if self._intake is None:
                at_once = isinstance(root, LocalStorage | MemoryStorage)
                self._intake = Direct() if at_once else ReadAhead(self._wake, READ_AHEAD_BYTES)
            self._intake.add(_Opener(self._format, split, root, self._block_bytes))
            self._splits.append(split)

    def fetch(self, max_rows: int) -> Fetched | None:
        if self._intake is None:
            return None
        while True:
            if self._decoder is not None and not self._decoder.exhausted:
                rows = self._decoder.take(max_rows)
                if len(rows):
                    return Fetched(rows, self._format.event_times(rows), self._splits[0].split_id)
                if (
                    not self._decoder.exhausted
                ):  # much without a good row: the engine gets its turn all the same
                    return Fetched(rows, None, self._splits[0].split_id)
            if self._ended:
                self._finish()
            piece = self._intake.poll()
            if piece is None:
                return None
            self._accept(piece)

    def _accept(self, piece: Piece) -> None:
        split = self._splits[0]
        if isinstance(piece, Start):
            root = self._roots[split.root]
            line_at = _line_counter(split, root) if isinstance(root, LocalStorage) else None
            self._broken = BrokenRows(split.uri, self._skip, line_at)
            self._decoder = self._format.decoder(piece, self._broken)
            return
        assert self._decoder is not None, "a split begins with its Start"
        if isinstance(piece, Chunk | Rows):
            self._decoder.load(piece)
            self._loaded = True
        else:
            self._decoder.end()
            self._ended = True

    def _finish(self) -> None:
        if self._broken is not None and self._broken.skipped:
            _log.warning(
                "rows left out that cannot be parsed", rows=self._broken.skipped, first=self._broken.first
            )
        self._decoder, self._broken, self._loaded, self._ended = None, None, False, False
        self._finished.append(self._splits.popleft().split_id)

    def finished_splits(self) -> list[str]:
        finished, self._finished = self._finished, []
        return finished

    def is_idle(self) -> bool:
        return not self._splits

    def pending(self) -> Pending:
        at = (split.start if split.position is None else split.position for split in self.snapshot())
        left = (split.end - begin for split, begin in zip(self._splits, at, strict=True))
        # The last row of a split may reach beyond its end.
        return Pending(bytes=sum(max(0, length) for length in left))

    def snapshot(self) -> list[FileSplit]:
        if self._decoder is None or not self._loaded:
            return list(self._splits)
        first, *others = self._splits
        begun = msgspec.structs.replace(first, position=self._decoder.position, given=self._decoder.given)
        return [begun, *others]

    def close(self) -> None:
        if self._intake is not None:
            self._intake.close()


class _Opener:
    """Opens one split, when its turn comes."""

    def __init__(self, format_: Format, split: FileSplit, root: Storage, block_bytes: int | None) -> None:
        self._format = format_
        self._split = split
        self._root = root
        local = isinstance(root, LocalStorage)
        self._block_bytes = block_bytes or (format_.local_block_bytes if local else REMOTE_BLOCK_BYTES)

    def __call__(self) -> Iterator[Start | Chunk | Rows]:
        if isinstance(self._root, LocalStorage):
            return self._local(os.path.join(self._root.root, self._split.name))
        return self._remote()

    def _remote(self) -> Iterator[Start | Chunk | Rows]:
        size = self._root.size(self._split.name) if self._format.binary else self._split.end
        yield from self._format.opened(self._split, self._read_range, size, self._block_bytes)

    def _read_range(self, offset: int, length: int) -> bytes:
        return self._root.read_range(self._split.name, offset, length)

    def _local(self, path: str) -> Iterator[Start | Chunk | Rows]:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise UserError(
                f"{path} is gone, but rows of it are still to be read: input files must stay until the job has read "
                "them; put it back, or start without state"
            ) from None
        except OSError as error:
            raise _storage_error(path, error) from error
        try:
            size = os.fstat(descriptor).st_size
            yield from self._format.opened(self._split, _preads(descriptor, path), size, self._block_bytes)
        finally:
            os.close(descriptor)


def _preads(descriptor: int, path: str) -> Callable[[int, int], bytes]:
    def read(offset: int, length: int) -> bytes:
        try:
            return os.pread(descriptor, length, offset)
        except OSError as error:
            raise _storage_error(path, error) from error

    return read


def _storage_error(path: str, error: OSError) -> StorageError:
    if isinstance(error, PermissionError):
        return StorageDenied(
            f"cannot read {path}: {error.strerror} for user id {os.geteuid()}; check its owner and mode"
        )
    return StorageError(f"cannot read {path}: {error.strerror}")


def _line_counter(split: FileSplit, root: LocalStorage) -> Callable[[int], int]:
    """Finds line numbers by counting from the start of the file: for messages, where one is worth the time."""

    def line_at(offset: int) -> int:
        lines, left = 1, offset
        with open(os.path.join(root.root, split.name), "rb") as file:
            while left and (block := file.read(min(left, _COUNTED_BYTES))):
                lines += block.count(b"\n")
                left -= len(block)
        return lines

    return line_at
