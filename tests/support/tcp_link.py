"""A link before a server, on which one direction may fall silent: bytes are held back, as by lost packets, and come when it heals."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Link:
    """Connections to ``address`` are taken at :attr:`address`; each byte goes through."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._target = host, int(port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        #: What comes back from the server passes.
        self._answers = threading.Event()
        self._answers.set()
        self._sockets: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, name="link", daemon=True)
        self._accepting.start()

    def lose_answers(self) -> None:
        """Nothing that the server says arrives any more; what it is told still does."""
        self._answers.clear()

    def heal(self) -> None:
        """What was held back comes, and all that follows."""
        self._answers.set()

    def close(self) -> None:
        self._answers.set()
        for each in (self._server, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._sockets += [client, server]
            always = threading.Event()
            always.set()
            for source, target, passes in ((client, server, always), (server, client, self._answers)):
                threading.Thread(target=_pump, args=(source, target, passes), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, passes: threading.Event) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            passes.wait()
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def linked(address: str) -> Iterator[Link]:
    """A link, closed at the end."""
    link = Link(address)
    try:
        yield link
    finally:
        link.close()
