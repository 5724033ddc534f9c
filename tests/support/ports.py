"""Ports for processes that must be told theirs before they listen."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


def free_ports(count: int) -> list[int]:
    """Ports below the range that the system hands out to clients, all free now, none twice."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            candidate = 10_000 + secrets.randbelow(20_000)
            sock = held.enter_context(socket.socket())
            try:
                sock.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            ports.append(candidate)
        return ports


@contextmanager
def nobody_listens() -> Iterator[str]:
    """An address where connections are refused: its port is held, so that nobody else can come to listen there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"
