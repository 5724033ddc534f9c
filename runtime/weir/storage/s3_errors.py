"""What an S3 answer means: one pure function from a failure to our exception tree.

``S3Storage`` passes here whatever minio or urllib3 raised, or the status and code of an answer that it read itself.
``StorageUnavailable`` is what it tries again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import minio.error
import urllib3.exceptions

from weir.errors import ObjectExists, ObjectNotFound, StorageDenied, StorageError, StorageUnavailable

_TRANSIENT_CODES = {
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "RequestTimeoutException",
    "OperationAborted",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "XMinioServerNotInitialized",
}
_DENIED_ADVICE = {
    "InvalidAccessKeyId": "the server does not know this access key: check the key and the endpoint",
    "SignatureDoesNotMatch": "the secret key does not fit this access key",
    "RequestTimeTooSkewed": "this machine's clock differs too much from the server's: correct it",
    "ExpiredToken": "the session token has expired: renew it",
}
_DEFAULT_DENIED_ADVICE = (
    "check the access key, its secret key, and that its policy allows to read, write, list and delete there"
)


@dataclass(frozen=True)
class Target:
    """What a message about a failed call names."""

    operation: str
    uri: str  #: of the object or prefix
    bucket: str
    endpoint: str
    access_key: str


def of_exception(target: Target, error: Exception) -> StorageError:
    """The error of our tree for what minio or urllib3 raised."""
    if isinstance(error, minio.error.S3Error):
        return of_answer(target, int(error.response.status), error.code or "", error.message or "")
    if isinstance(error, minio.error.InvalidResponseError):
        status = re.search(r"Response code: (\d+)", str(error))
        return of_answer(target, int(status.group(1)) if status else 0, "", str(error))
    if isinstance(error, minio.error.ServerError):
        return of_answer(target, int(error.status_code), "", str(error))
    if isinstance(error, urllib3.exceptions.SSLError):
        return StorageError(
            f"cannot {target.operation} {target.uri}: the TLS certificate of {target.endpoint} is refused ({error}); "
            "set SSL_CERT_FILE to the file of its authority"
        )
    if isinstance(error, urllib3.exceptions.HTTPError | OSError):
        return StorageUnavailable(
            f"cannot {target.operation} {target.uri}: {target.endpoint} does not answer ({error})"
        )
    return StorageError(f"cannot {target.operation} {target.uri} at {target.endpoint}: {error}")


def of_answer(target: Target, status: int, code: str, message: str) -> StorageError:
    """The error of our tree for an answer with HTTP ``status`` and S3 error ``code``."""
    said = f"{status} {code}".strip() + (f": {message}" if message else "")
    what = f"cannot {target.operation} {target.uri}"
    if code == "NoSuchBucket":
        return StorageError(
            f"{what}: bucket {target.bucket!r} does not exist at {target.endpoint}; create it or correct the URI"
        )
    if status == 412:
        return ObjectExists(f"{target.uri} exists already")
    if status == 501 or code == "NotImplemented":
        return StorageError(
            f"{what}: {target.endpoint} answered {said}; it lacks what Weir needs: `weir doctor storage` tells more"
        )
    if code in _TRANSIENT_CODES or status in (408, 409, 429) or status >= 500:
        return StorageUnavailable(f"{what}: {target.endpoint} answered {said}")
    if status in (401, 403):
        return StorageDenied(
            f"{what}: {target.endpoint} answered {said} (bucket {target.bucket!r}, access key {target.access_key!r}); "
            + _DENIED_ADVICE.get(code, _DEFAULT_DENIED_ADVICE)
        )
    if status == 404:
        return ObjectNotFound(f"no object {target.uri}")
    return StorageError(f"{what}: {target.endpoint} answered {said}")


def code_of(body: bytes) -> tuple[str, str]:
    """Error code and message of an S3 error document; empty when it is none."""
    text = body[:4096].decode("utf-8", "replace")
    found = [re.search(rf"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message")]
    code, message = (match.group(1) if match else "" for match in found)
    return code, message
