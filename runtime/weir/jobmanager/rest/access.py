"""Whether a request may pass, and what it may have come from. Decides; no I/O.

On loopback all routes are open, but not to web pages: a browser sends ``Origin`` with a page's requests, and a page that
has its own name resolve to this machine shows itself by ``Host``. Elsewhere everything but the probes needs the
bearer token.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass

from weir.jobmanager.rest.exchange import Access, Refusal

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Caller:
    """What access depends on; headers are ``None`` where the request has none."""

    method: str
    authorization: str | None = None
    host: str | None = None
    origin: str | None = None


def check(access: Access, caller: Caller, token: str | None) -> None:
    """``token``: the one that is asked for; ``None``: the server listens on loopback. Raises ``Refusal``."""
    if access is Access.PROBE:
        return
    if token is None:
        _check_local(caller)
    elif not _has_token(caller.authorization, token):
        message = "this needs the header 'Authorization: Bearer TOKEN' (weir: --token-file or $WEIR_TOKEN)"
        raise Refusal(401, message, {"WWW-Authenticate": "Bearer"})


def _has_token(authorization: str | None, token: str) -> bool:
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _check_local(caller: Caller) -> None:
    if not _is_this_machine(caller.host):
        raise Refusal(403, f"Host {caller.host!r} is no name of this machine; use 127.0.0.1 or localhost")
    if caller.origin is None or caller.method in _SAFE:
        return
    if caller.origin.partition("://")[2] != caller.host:
        raise Refusal(403, f"a page of {caller.origin} may not change jobs here")


def _is_this_machine(host: str | None) -> bool:
    """Whether ``Host`` is an address or ``localhost``: names that no foreign DNS server can give to a page."""
    if host is None:
        return True
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    name = name.strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
