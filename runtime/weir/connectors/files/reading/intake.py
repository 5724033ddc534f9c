"""How the chunks of splits come to the data thread: read there (local files), or read ahead on a thread (S3).

Both take splits in order and give pieces in order: for each split its ``Start``, its chunks, then :class:`Ended`.
``ReadAhead`` holds a bounded number of bytes, and wakes the engine when there is something again; what goes
wrong on its thread is raised on the data thread by ``poll``.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.formats import Start
from weir.connectors.files.reading.row_groups import Rows


class Ended:
    """The split has no more rows."""


Piece = Start | Chunk | Rows | Ended
#: Opens a split: a generator of its pieces, without ``Ended``.
Opener = Callable[[], Iterator[Start | Chunk | Rows]]


class Intake(ABC):
    """A queue of splits on one side, of pieces on the other."""

    @abstractmethod
    def add(self, opener: Opener) -> None:
        """Read this split behind those added before."""

    @abstractmethod
    def poll(self) -> Piece | None:
        """The next piece, or ``None`` when there is none now. Raises what reading raised."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and threads."""


class Direct(Intake):
    """Reads when polled."""

    def __init__(self) -> None:
        self._openers: deque[Opener] = deque()
        self._pieces: Iterator[Start | Chunk | Rows] | None = None

    def add(self, opener: Opener) -> None:
        self._openers.append(opener)

    def poll(self) -> Piece | None:
        if self._pieces is None:
            if not self._openers:
                return None
            self._pieces = self._openers.popleft()()
        piece = next(self._pieces, None)
        if piece is None:
            self._pieces = None
            return Ended()
        return piece

    def close(self) -> None:
        self._openers.clear()
        self._pieces = None


class ReadAhead(Intake):
    """Reads on a thread that starts with the first split and ends with ``close``."""

    def __init__(self, wake: Callable[[], None], limit_bytes: int) -> None:
        self._wake = wake
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._openers: deque[Opener] = deque()
        self._pieces: deque[Piece | BaseException] = deque()
        self._bytes = 0  #: in ``_pieces``
        self._starved = True  #: the last ``poll`` found nothing: the engine waits to be woken
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, opener: Opener) -> None:
        with self._changed:
            self._openers.append(opener)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="weir-read-ahead", daemon=True)
            self._thread.start()

    def poll(self) -> Piece | None:
        with self._changed:
            if not self._pieces:
                self._starved = True
                return None
            piece = self._pieces.popleft()
            self._bytes -= _size(piece)
            self._changed.notify()
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._openers.clear()
            self._pieces.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (opener := self._next_opener()) is not None:
            try:
                for piece in opener():
                    if not self._give(piece):
                        return
                self._give(Ended())
            except BaseException as error:  # noqa: BLE001  the data thread raises it
                self._give(error)
                return

    def _next_opener(self) -> Opener | None:
        with self._changed:
            self._changed.wait_for(lambda: self._openers or self._closed)
            return None if self._closed else self._openers.popleft()

    def _give(self, piece: Piece | BaseException) -> bool:
        size = _size(piece)
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or not self._pieces or self._bytes + size <= self._limit_bytes
            )
            if self._closed:
                return False
            self._pieces.append(piece)
            self._bytes += size
            wake, self._starved = self._starved, False
        if wake:
            self._wake()
        return True


def _size(piece: Piece | BaseException) -> int:
    return piece.nbytes if isinstance(piece, Chunk | Rows) else 0
