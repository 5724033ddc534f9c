"""Where REST listens: addresses as people write them, the default one, and sockets bound to them.

A local cluster binds the socket itself and hands it to each of its JobManagers, so that the port outlives them.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from weir.errors import AddressInUse, ConfigError

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8081
#: Ports tried from the default one on, when none is named.
TRIED: Final = 20
_BACKLOG: Final = 128


def parse_address(text: str, *, option: str = "--address") -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPV6]:PORT``. Raises ``ConfigError`` naming ``option``."""
    host, separator, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    valid = separator and host and port.isascii() and port.isdigit() and int(port) <= 65535
    if not valid or (":" in host and not text.startswith("[")):
        raise ConfigError(f"{option} {text}: expected HOST:PORT such as {DEFAULT_HOST}:{DEFAULT_PORT}")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(address: str | None) -> socket.socket:
    """A listening socket on ``address`` (port 0: a free one), or on the default port or the next free one.

    Raises ``AddressInUse`` when a named port is taken, ``ConfigError`` for what is no address of this machine.
    """
    if address is not None:
        host, port = parse_address(address)
        try:
            return _bind(host, port)
        except OSError as error:
            raise _explained(host, port, error) from error
    for port in range(DEFAULT_PORT, DEFAULT_PORT + TRIED):
        try:
            return _bind(DEFAULT_HOST, port)
        except OSError:
            continue
    return _bind(DEFAULT_HOST, 0)


def text_of(bound: socket.socket) -> str:
    """``host:port`` of a bound socket, for people and clients."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(where)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _explained(host: str, port: int, error: OSError) -> AddressInUse | ConfigError:
    import errno

    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"cannot listen on {host}:{port}: another process has the port; end it, or name another --address "
            "(port 0 takes a free one)"
        )
    reason = error.strerror or str(error)
    return ConfigError(f"cannot listen on {host}:{port}: {reason}; name an address of this machine")
