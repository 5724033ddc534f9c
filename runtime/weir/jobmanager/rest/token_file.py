"""The bearer token that callers need: read from a file, and again when that changes, so that a Secret can be rotated."""

from __future__ import annotations

import os
import socket

from weir.errors import ConfigError
from weir.jobmanager.rest.listening import is_loopback


class TokenFile:
    """``None`` as path: no token is asked for."""

    def __init__(self, path: str | None) -> None:
        """Reads the file. Raises ``ConfigError``."""
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._value: str | None = None
        self.value()

    def value(self) -> str | None:
        """The token; ``None``: none is needed. Raises ``ConfigError``."""
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
            if (found.st_mtime_ns, found.st_ino) != self._seen:
                with open(self._path, encoding="utf-8") as file:
                    self._value = file.read().strip()
                self._seen = (found.st_mtime_ns, found.st_ino)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--rest-token-file {self._path} cannot be read: {error}") from error
        if not self._value:
            raise ConfigError(f"--rest-token-file {self._path} is empty; write the token into it")
        return self._value


def token_for(bound: socket.socket, path: str | None) -> TokenFile:
    """The token for a socket. Raises ``ConfigError``: one that others can reach must have one."""
    if path is None and not is_loopback(bound.getsockname()[0]):
        raise ConfigError(
            "REST on an address that others can reach needs --rest-token-file FILE; or listen on 127.0.0.1"
        )
    return TokenFile(path)
