"""Several actors on one storage, one storage call at a time, in an order that the test chooses.

Each actor is a thread that stops before every storage call until :meth:`Interleaving.step` lets it make that call, so
a schedule is repeatable to the last line. An actor that is never stepped again is a frozen process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from weir.errors import StorageUnavailable
from weir.storage import ObjectInfo, Storage, Upload


class Killed(BaseException):
    """Ends the thread of an actor that is given up."""


class Actor:
    """One process."""

    def __init__(self, run: Callable[[Storage], None], storage: Storage) -> None:
        self._run = run
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._storage = _SteppedStorage(storage, self._pause)
        self._killed = False
        self._fault: str | None = None
        self.done = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._main)
        self._thread.start()
        self._back.acquire()

    def step(self, fault: str | None = None) -> None:
        """Make the next storage call and run up to the one after it; ``fault``: "before" or "after" it fails."""
        assert not self.done
        self._fault = fault
        self._go.release()
        self._back.acquire()

    def kill(self) -> None:
        """End the actor where it stands."""
        if not self.done:
            self._killed = True
            self._go.release()
        self._thread.join()

    def _pause(self) -> str | None:
        self._back.release()
        self._go.acquire()
        if self._killed:
            raise Killed
        fault, self._fault = self._fault, None
        return fault

    def _main(self) -> None:
        try:
            self._run(self._storage)
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.done = True
            self._back.release()


class _SteppedStorage:
    """Waits before each call; a fault makes it fail without or with its effect."""

    def __init__(self, inner: Storage, pause: Callable[[], str | None]) -> None:
        self._inner = inner
        self._pause = pause

    @property
    def uri(self) -> str:
        return self._inner.uri

    def read(self, name: str) -> bytes:
        return self._call(lambda: self._inner.read(name))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        return self._call(lambda: self._inner.read_range(name, start, length))

    def size(self, name: str) -> int:
        return self._call(lambda: self._inner.size(name))

    def write(self, name: str, data: bytes) -> None:
        self._call(lambda: self._inner.write(name, data))

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        self.write(name, b"".join(pieces))

    def create_if_absent(self, name: str, data: bytes) -> None:
        self._call(lambda: self._inner.create_if_absent(name, data))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from self._call(lambda: tuple(self._inner.list(prefix)))

    def delete(self, name: str) -> None:
        self._call(lambda: self._inner.delete(name))

    def rename(self, source: str, target: str) -> None:
        self._call(lambda: self._inner.rename(source, target))

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        """None: objects appear as a whole."""
        return iter(())

    def abort(self, upload: Upload) -> None:
        """There is none."""

    def _call(self, call):
        fault = self._pause()
        if fault == "before":
            raise StorageUnavailable("scheduled fault: not done")
        result = call()
        if fault == "after":
            raise StorageUnavailable("scheduled fault: done, but the answer is lost")
        return result
