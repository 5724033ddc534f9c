"""Mutual authentication between the pods of a run: who holds a certificate that one of the run's authorities signed belongs.

A folder holds slots, each a folder with ``ca.crt``, ``tls.crt``, ``tls.key`` and ``not-before`` (or is one itself). All
authorities that are there are trusted; presented is the certificate with the newest ``not-before`` that has passed. Files are
read anew for every handshake and every channel, so a rotation needs no restart. Pods have no DNS names, so both ends go by
the role that a certificate names.

What a process has in its folder it also tells (``slots``), so that an operator knows when every process trusts what is about to
be presented. A connection that stands is not made again when its certificate is retired: see ADR 0033.
"""

from __future__ import annotations

import functools
import hashlib
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import grpc
import structlog

from weir.errors import ConfigError
from weir.rpc.requests import CertificateSlot

log = structlog.get_logger()

#: Roles, as certificates name them.
JOBMANAGER: Final = "jobmanager"
TASKMANAGER: Final = "taskmanager"

_AUTHORITY: Final = "ca.crt"
_CERTIFICATE: Final = "tls.crt"
_KEY: Final = "tls.key"
_NOT_BEFORE: Final = "not-before"
_OLDEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Material:
    """What holds at one moment, as PEM."""

    authorities: bytes
    certificate: bytes
    key: bytes


class TlsFolder:
    """See the module."""

    def __init__(self, path: str) -> None:
        """Reads it once. Raises ``ConfigError``."""
        self._path = path
        self._known = self.material()

    def material(self) -> Material:
        """What holds now. Raises ``ConfigError`` where no certificate is valid yet, or a file cannot be read."""
        now = datetime.now(UTC)
        authorities: list[bytes] = []
        valid: list[tuple[datetime, str]] = []
        for slot in self._slots():
            try:
                authorities.append(_read(slot, _AUTHORITY))
                since = _not_before(slot)
            except OSError:
                continue  # it is being brought or taken away
            if since <= now:
                valid.append((since, slot))
        if not valid:
            raise ConfigError(
                f"--tls-dir {self._path} holds no certificate that is valid now; see its not-before"
            )
        try:
            chosen = max(valid)[1]
            return Material(b"\n".join(authorities), _read(chosen, _CERTIFICATE), _read(chosen, _KEY))
        except OSError as error:
            raise ConfigError(f"--tls-dir {self._path} cannot be read: {error}") from error

    def slots(self) -> tuple[CertificateSlot, ...]:
        """What is there now; what is only half there is left out."""
        found = []
        for path in self._slots():
            try:
                digest, not_after_ms = _validity(_read(path, _AUTHORITY))
                not_before_ms = round(max(0.0, _not_before(path).timestamp()) * 1000)
                found.append(
                    CertificateSlot(
                        name=os.path.basename(path),
                        authority=digest,
                        not_before_ms=not_before_ms,
                        not_after_ms=not_after_ms,
                    )
                )
            except (OSError, ValueError):
                continue  # it is being brought or taken away
        return tuple(found)

    def authorities(self) -> tuple[str, ...]:
        """Whom this process trusts, by ``CertificateSlot.authority``."""
        return tuple(slot.authority for slot in self.slots())

    def server(self) -> Any:
        """Credentials for a listening port: every caller must show a certificate, and each handshake looks at the files."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._known), self._fetch, require_client_authentication=True
        )

    def channel(self, role: str) -> tuple[Any, tuple[tuple[str, str], ...]]:
        """Credentials and options for a new channel to a process of ``role``."""
        now = self.material()
        credentials = grpc.ssl_channel_credentials(now.authorities, now.key, now.certificate)
        return credentials, (("grpc.ssl_target_name_override", role),)

    def _fetch(self) -> Any:
        """Called by gRPC for each handshake; ``None``: nothing changed."""
        try:
            found = self.material()
        except ConfigError as error:
            log.error("certificates cannot be read; the last ones hold", reason=str(error))
            return None
        if found == self._known:
            return None
        self._known = found
        log.info("certificates changed", folder=self._path)
        return _configuration(found)

    def _slots(self) -> list[str]:
        if os.path.exists(os.path.join(self._path, _AUTHORITY)):
            return [self._path]
        try:
            names = sorted(os.listdir(self._path))
        except OSError as error:
            raise ConfigError(f"--tls-dir {self._path} cannot be read: {error}") from error
        # Kubernetes keeps what it projects in folders with a leading dot.
        return [os.path.join(self._path, name) for name in names if not name.startswith(".")]


def _configuration(material: Material) -> Any:
    pair = ((material.key, material.certificate),)
    return grpc.ssl_server_certificate_configuration(pair, material.authorities)


@functools.lru_cache(maxsize=8)
def _validity(authority: bytes) -> tuple[str, int]:
    """A name for an authority, and when it ends, in milliseconds. Raises ``ValueError`` (``SSLError``) for what is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.decode("ascii"))
    ends = [ssl.cert_time_to_seconds(str(known["notAfter"])) for known in context.get_ca_certs()]
    if not ends:
        raise ValueError(f"{_AUTHORITY} holds no authority")
    return hashlib.sha256(authority).hexdigest()[:16], min(ends) * 1000


def _read(slot: str, name: str) -> bytes:
    with open(os.path.join(slot, name), "rb") as file:
        return file.read()


def _not_before(slot: str) -> datetime:
    """When the slot's certificate is to be presented; without the file, at once."""
    try:
        return datetime.fromisoformat(_read(slot, _NOT_BEFORE).decode().strip())
    except (FileNotFoundError, ValueError):
        return _OLDEST
