"""An object that is uploaded in parts as its bytes come: S3's multipart upload, by presigned requests.

Each part is tried again by itself, so that the pieces are taken once. The id of the upload lives as long as the call; an upload that
its process did not live to complete or abort is found by ``S3Storage.uploads``, and given up by whoever sweeps the job's folder.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol
from xml.sax.saxutils import escape

import urllib3

from weir.errors import ObjectNotFound, StorageError

#: A part is at least so large; the service takes none below 5 MiB but the last.
PART_BYTES: Final = 16 * 1024 * 1024
#: The service takes 10,000 parts: they grow after so many.
_GROW_AFTER: Final = 2000

_UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]+)</UploadId>")


class Send(Protocol):
    """One request about the object, tried again while that may help; raises ``StorageError``."""

    def __call__(
        self, method: str, query: dict[str, str], body: bytes = b"", headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse: ...


def gathered(pieces: Iterable[bytes], part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """The bytes of ``pieces`` as parts; each is large enough but the last, which may be empty if it is the only one."""
    held: list[bytes] = []
    size = number = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= part_bytes * (1 + number // _GROW_AFTER):
            part = b"".join(held)
            held.clear()
            size, number = 0, number + 1
            yield part
            del part
    if held or not number:
        yield b"".join(held)


def upload(send: Send, parts: Iterable[bytes], size_of: Callable[[], int]) -> None:
    """Raises ``StorageError``, and what ``parts`` raises; then no object is there. ``size_of`` asks for the object's size."""
    found = _UPLOAD_ID.search(send("POST", {"uploads": ""}).data)
    if found is None:
        raise StorageError("the service began no upload in parts: its answer names no UploadId")
    upload_id = {"uploadId": found.group(1).decode()}
    try:
        etags: list[str] = []
        total = 0
        for part in parts:
            digest = base64.b64encode(hashlib.md5(part, usedforsecurity=False).digest()).decode()
            number = {"partNumber": str(len(etags) + 1)}
            etags.append(send("PUT", upload_id | number, part, {"Content-MD5": digest}).headers["ETag"])
            total += len(part)
        _complete(send, upload_id, etags, lambda: size_of() == total)
    except BaseException:
        _abort(send, upload_id)
        raise


def _complete(send: Send, upload_id: dict[str, str], etags: list[str], is_there: Callable[[], bool]) -> None:
    named = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    body = f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>".encode()
    try:
        send("POST", upload_id, body)
    except ObjectNotFound:  # no such upload any more: the answer to an earlier attempt was lost
        if not is_there():
            raise


def _abort(send: Send, upload_id: dict[str, str]) -> None:
    try:
        send("DELETE", upload_id)
    except StorageError:
        return
