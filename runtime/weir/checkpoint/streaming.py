"""State objects that are larger than memory: written as their bytes are made, read onto the worker's own disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from weir import crashpoints
from weir.checkpoint import store
from weir.errors import ObjectNotFound, SnapshotCorrupt
from weir.state.snapshot import StateHandle, inline_handle
from weir.state.spooled import SpooledFile
from weir.storage import Storage

#: Bytes that are read at once.
_PIECE: Final = 8 * 1024 * 1024


def write(
    folder: Storage,
    path: str,
    pieces: Iterable[bytes],
    by_way_of: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
) -> StateHandle:
    """As ``store.write_state``, of state that comes in pieces, each taken once. Raises what ``pieces`` raises, too.

    ``by_way_of`` sees what is not carried in the handle pass.
    """
    left = iter(pieces)
    head: list[bytes] = []
    while sum(map(len, head)) <= store.INLINE_BYTES:
        piece = next(left, None)
        if piece is None:
            return inline_handle(b"".join(head))
        head.append(piece)
    summed = _Summed(by_way_of(chain(_drained(head), left)))
    crashpoints.hit("worker.snapshot.before-upload")
    folder.write_pieces(path, summed)
    crashpoints.hit("worker.snapshot.after-upload")
    return StateHandle(path=path, size=summed.size, sha256=summed.digest.hexdigest())


class _Summed:
    """Pieces whose size and sha256 are known when they have been taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.size = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            self.digest.update(piece)
            yield piece


def _drained(head: list[bytes]) -> Iterator[bytes]:
    while head:
        yield head.pop(0)


def spool(folder: Storage, handle: StateHandle, local: str) -> SpooledFile:
    """As ``store.read_state``, of an object too large for memory: verified, on the disk of the folder ``local``. Raises ``LocalDiskError``, too."""
    assert handle.path is not None
    path, where = handle.path, f"state file {folder.uri}/{handle.path}"
    file = SpooledFile(local)

    def read() -> SpooledFile:
        file.clear()
        handle.check_size(folder.size(path), where)
        digest = hashlib.sha256()
        while file.size < handle.size and (piece := folder.read_range(path, file.size, _PIECE)):
            digest.update(piece)
            file.append(piece)
        handle.check_size(file.size, where)
        handle.check_digest(digest.hexdigest(), where)
        return file

    try:
        return store.read_again(read)
    except ObjectNotFound as error:
        raise SnapshotCorrupt(f"{where} is missing; its snapshot cannot be restored") from error
