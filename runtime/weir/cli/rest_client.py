"""How the command line talks to a JobManager: REST over the standard library, which loads in a few milliseconds.

Without an address it is the JobManager that runs on this machine: the default port and those after it are tried.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from weir.errors import ConfigError, UnknownJob, WeirError
from weir.jobmanager.rest.listening import DEFAULT_HOST, DEFAULT_PORT, TRIED

ADDRESS_VARIABLE: Final = "WEIR_ADDRESS"
TOKEN_VARIABLE: Final = "WEIR_TOKEN"  # noqa: S105  its name, not its value
#: What a JobManager says in each answer to those who may ask.
VERSION_HEADER: Final = "Weir-Version"
#: Seconds for an answer, and for one of a port that may be somebody else's.
TIMEOUT: Final = 15.0
PROBE_TIMEOUT: Final = 1.0
#: Seconds that somebody waits for names after a key was pressed.
COMPLETION_TIMEOUT: Final = 2.0
#: What OpenSSL makes of an answer in plain HTTP.
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
#: States in which a job does nothing any more.
ENDED: Final = frozenset({"FINISHED", "CANCELED", "FAILED", "SUSPENDED"})
_MAX_ANSWER: Final = 64 * 1024 * 1024


class NotReachable(WeirError):
    """No JobManager answers there."""

    retryable = True


class NoListener(NotReachable):
    """Nothing listens there any more, or not yet."""


class AmbiguousJob(WeirError):
    """Several jobs have that name; the message tells them apart."""


class OtherRelease(WeirError):
    """The JobManager's answers may mean something else than this command takes them for."""


class Refused(WeirError):
    """The JobManager answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Access:
    """What the options and the environment say."""

    address: str | None = None
    token: str | None = None
    ca: str | None = None

    @classmethod
    def of(cls, address: str | None, token_file: str | None, ca: str | None) -> Access:
        """Raises ``ConfigError``."""
        token = os.environ.get(TOKEN_VARIABLE) or None
        if token_file is not None:
            try:
                with open(token_file, encoding="utf-8") as file:
                    token = file.read().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"--token-file {token_file} cannot be read: {error}") from error
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ConfigError("the token has characters that no HTTP header can hold")
        return cls(address or os.environ.get(ADDRESS_VARIABLE) or None, token, ca)


class RestClient:
    """One JobManager. Each call is a connection of its own."""

    def __init__(self, access: Access, address: str, timeout: float = TIMEOUT) -> None:
        """``address``: ``HOST:PORT`` or a URL. Raises ``ConfigError``."""
        self.address = address
        self._access = access
        self._timeout = timeout
        try:
            url = urlsplit(address if "://" in address else f"http://{address}")
            self._host, self._port = url.hostname, url.port
        except ValueError as error:
            raise _no_address(address) from error
        if url.scheme not in ("http", "https") or not self._host or url.query or url.fragment:
            raise _no_address(address)
        if "://" not in address and self._port is None:
            raise _no_address(address)
        self._secure = url.scheme == "https"
        self._prefix = url.path.rstrip("/")

    def get(self, path: str) -> Any:
        """The JSON at ``path``. Raises ``NotReachable``, ``Refused``."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request. Raises ``NotReachable``, ``Refused``."""
        headers = {"Accept": "application/json"}
        if self._access.token is not None:
            headers["Authorization"] = f"Bearer {self._access.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        status, answer, version = self._exchange(method, self._prefix + path, data, headers)
        if version is not None and _window(version) != _window(_own_version()):
            raise OtherRelease(
                f"the JobManager at {self.address} is Weir {version}, this command is Weir {_own_version()}; use the "
                f"weir of that release (pip install weir-stream=={version})"
            )
        try:
            decoded = json.loads(answer)
        except ValueError:
            raise NotReachable(f"what answers at {self.address} is no JobManager of Weir") from None
        if status >= 400:
            raise Refused(status, _message(status, decoded))
        return decoded

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes, str | None]:
        connection = self._connection()
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return response.status, response.read(_MAX_ANSWER), response.headers.get(VERSION_HEADER)
        except TimeoutError as error:
            raise NotReachable(
                f"the JobManager at {self.address} did not answer within {self._timeout:g} s"
            ) from error
        except ConnectionRefusedError as error:
            raise NoListener(
                f"no JobManager answers at {self.address}: nothing listens there; is it the address that `weir run` printed?"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise NotReachable(_unreachable(self.address, error, secure=self._secure)) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        assert self._host is not None
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        import ssl  # most addresses are plain, and it takes a while to load

        try:
            context = ssl.create_default_context(cafile=self._access.ca)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--ca {self._access.ca}: no certificates can be read from it: {error}"
            ) from error
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)


def clients(access: Access) -> list[RestClient]:
    """The JobManager that is named, or all that run on this machine. Raises ``NotReachable`` if there is none."""
    if access.address is not None:
        return [RestClient(access, access.address)]
    found = list(_local(access))
    if not found:
        raise NotReachable(
            f"no JobManager runs on this machine ({DEFAULT_HOST}:{DEFAULT_PORT} and the ports after it); start a job "
            f"by `weir run`, or name the JobManager by --address or ${ADDRESS_VARIABLE}"
        )
    return found


def _local(access: Access) -> Iterator[RestClient]:
    for port in range(DEFAULT_PORT, DEFAULT_PORT + TRIED):
        if not _listens(port):
            continue
        probe = RestClient(access, f"{DEFAULT_HOST}:{port}", PROBE_TIMEOUT)
        try:
            if "weir-version" in probe.get("/config"):
                yield RestClient(access, probe.address)
        except Refused as error:
            if error.status == http.HTTPStatus.UNAUTHORIZED:
                yield RestClient(access, probe.address)  # it will say what it needs
        except (NotReachable, TypeError):
            continue


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(PROBE_TIMEOUT)
        return probe.connect_ex((DEFAULT_HOST, port)) == 0


def jobs_of(client: RestClient) -> list[dict[str, Any]]:
    """Its jobs as ``/jobs/overview`` lists them, oldest first. Raises as ``get``."""
    found: list[dict[str, Any]] = client.get("/jobs/overview")["jobs"]
    return found


def find_job(access: Access, job: str) -> tuple[RestClient, str]:
    """The JobManager that has ``job`` (a name or an id), and the job's id. Raises ``UnknownJob``, ``AmbiguousJob``."""
    asked = clients(access)
    listed: list[tuple[RestClient, list[dict[str, Any]]]] = []
    silent: WeirError | None = None
    for client in asked:
        try:
            listed.append((client, jobs_of(client)))
        except (NotReachable, Refused) as error:
            silent = silent or error  # one of them: the job may well be another's
    meant = _meant(job, listed)
    if len(meant) > 1:
        raise AmbiguousJob(_ambiguous(job, meant))
    if meant:
        return meant[0][0], meant[0][1]["jid"]
    if silent is not None:
        raise silent
    names = [text for _, jobs in listed for known in jobs for text in (known["name"], known["jid"])]
    raise UnknownJob(_unknown(job, names, ", ".join(client.address for client in asked)))


def _meant(
    job: str, listed: list[tuple[RestClient, list[dict[str, Any]]]]
) -> list[tuple[RestClient, dict[str, Any]]]:
    """Those that ``job`` may mean: by id, else by name; the live ones, else the newest of each JobManager."""
    for by in ("jid", "name"):
        found = [(client, [known for known in jobs if known[by] == job]) for client, jobs in listed]
        live = [(client, known) for client, jobs in found for known in jobs if known["state"] not in ENDED]
        if meant := live or [(client, jobs[-1]) for client, jobs in found if jobs]:
            return meant
    return []


def job_path(job: str, rest: str = "") -> str:
    """The path of a job's route."""
    return f"/jobs/{quote(job, safe='')}{rest}"


def job_names(address: str | None = None, token_file: str | None = None, ca: str | None = None) -> list[str]:
    """Names of the jobs there, for completion in a shell: quick, and empty where anything is wrong."""
    try:
        access = Access.of(address, token_file, ca)
        named = (
            [RestClient(access, access.address, COMPLETION_TIMEOUT)] if access.address else clients(access)
        )
        return sorted({known["name"] for client in named for known in jobs_of(client)})
    except (WeirError, KeyError, TypeError):
        return []


def _ambiguous(job: str, meant: list[tuple[RestClient, dict[str, Any]]]) -> str:
    each = "; ".join(f"{known['jid']} at {client.address} ({known['state']})" for client, known in meant)
    by = "its id" if len({known["jid"] for _, known in meant}) > 1 else "its JobManager, with --address"
    return f"{len(meant)} jobs are called {job!r}: {each}; name the one you mean by {by}"


def _unknown(job: str, names: list[str], where: str) -> str:
    import difflib

    near = difflib.get_close_matches(job, names, n=1)
    readable = sorted(set(names[::2]))
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(readable) or 'none'}"
    return f"no job {job!r} at {where}; {hint}"


def _own_version() -> str:
    # Through the module table: the facade is no room, and this room must not seem to import what it exports.
    return str(sys.modules["weir"].__version__)


def _window(version: str) -> list[str]:
    """REST means the same within a minor release."""
    return version.split(".")[:2]


def _message(status: int, decoded: Any) -> str:
    errors = decoded.get("errors") if isinstance(decoded, dict) else None
    return "; ".join(map(str, errors)) if errors else f"the JobManager answered with status {status}"


def _unreachable(address: str, error: Exception, *, secure: bool) -> str:
    why = getattr(error, "verify_message", None)
    if why:
        return f"the certificate of {address} is not trusted: {why}; name the file that vouches for it by --ca FILE"
    if secure and getattr(error, "reason", None) in _NO_TLS:
        return f"{address} speaks no TLS; use {address.replace('https://', 'http://', 1)}"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    odd = isinstance(error, (http.client.HTTPException, ConnectionResetError)) and not secure
    hint = f"; if it speaks TLS, use https://{address.removeprefix('http://')}" if odd else ""
    return f"no JobManager answers at {address}: {reason}{hint}"


def _no_address(address: str) -> ConfigError:
    return ConfigError(
        f"--address {address}: expected HOST:PORT, http://HOST:PORT or https://HOST, such as {DEFAULT_HOST}:{DEFAULT_PORT}"
    )
