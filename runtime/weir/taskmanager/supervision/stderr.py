"""What a worker writes to stderr: passed on to our own and to the log that REST shows, and its last 4 KiB kept for the
message about its end.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading

from weir.rpc import logs

_TAIL_BYTES = 4096
_QUEUED = 1000


class StderrTail:
    """The reading end of one worker's stderr."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._tail = bytearray()

    @property
    def tail(self) -> str:
        """The end of what was written, from the start of a line."""
        text = self._tail.decode(errors="replace")
        return text.partition("\n")[2] if len(self._tail) >= _TAIL_BYTES else text

    async def drain(self) -> None:
        """Read until the worker, and whatever it started, has closed its end."""
        self._close_write_end()
        loop = asyncio.get_running_loop()
        while True:
            readable = asyncio.Event()
            loop.add_reader(self._read_end, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(self._read_end)
            data = os.read(self._read_end, 1 << 16)
            if not data:
                return
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
            logs.OWN.add(data)
            _forwarder.put(data)

    def close(self) -> None:
        """Give the pipe back."""
        self._close_write_end()
        os.close(self._read_end)

    def _close_write_end(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1


class _Forwarder:
    """Writes to our stderr from a thread: a terminal that is paused must not stop our heartbeats."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(_QUEUED)
        self._thread: threading.Thread | None = None

    def put(self, data: bytes) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(data)
        except queue.Full:
            pass  # nobody reads our stderr; the tail keeps what matters

    def _run(self) -> None:
        while True:
            data = self._queue.get()
            try:
                sys.stderr.buffer.write(data)
                sys.stderr.buffer.flush()
            except (OSError, ValueError):
                return


_forwarder = _Forwarder()
