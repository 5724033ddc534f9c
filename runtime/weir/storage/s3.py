"""S3, MinIO, SeaweedFS and other services with S3's API as a storage, over the package minio.

Each call is one attempt function run by :meth:`S3Storage._retried`: failures become errors of our tree
(``s3_errors``), and those that may pass are tried again a few times. minio's public API cannot send
``If-None-Match``, so ``create_if_absent`` signs a PUT by minio and sends it itself. An object appears with its
PUT, or with the end of an upload in parts (``s3_parts``), as a whole; there are no upload ids in anybody's state.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import TypeVar
from urllib.parse import urlsplit

import certifi
import minio
import minio.commonconfig
import minio.error
import urllib3

from weir.errors import ObjectNotFound, StorageError, StorageUnavailable
from weir.storage import s3_errors, s3_parts
from weir.storage.base import ObjectInfo, Upload
from weir.storage.names import check_name, check_prefix
from weir.storage.s3_options import S3Options

#: Seconds before the second, third, ... attempt of a call.
RETRY_DELAYS = (0.1, 0.5, 2.0)
_TIMEOUT = urllib3.Timeout(connect=3.0, read=30.0)
#: Objects up to this size are one PUT; larger ones are uploaded by minio in parts of it.
_PART_BYTES = 64 * 1024 * 1024

T = TypeVar("T")


class S3Storage:
    """Objects below ``s3://<bucket>/<prefix>``; safe for use by several threads.

    Listings are collected and sorted before the first object is given out (services differ in their order).
    """

    def __init__(
        self, bucket: str, prefix: str, options: S3Options, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._bucket = bucket
        self._prefix = check_name(prefix.strip("/")) + "/" if prefix.strip("/") else ""
        self._options = options.completed(os.environ)
        self._sleep = sleep
        self._pool = urllib3.PoolManager(
            maxsize=16,
            timeout=_TIMEOUT,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )
        self._client = _client(self._options, self._pool)

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def read(self, name: str) -> bytes:
        return self._retried("read", name, lambda: self._get(name, 0, 0))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        if length <= 0:
            self.size(name)
            return b""
        return self._retried("read", name, lambda: self._get(name, start, length))

    def size(self, name: str) -> int:
        stat = self._retried("stat", name, lambda: self._client.stat_object(self._bucket, self._key(name)))
        return int(stat.size or 0)

    def write(self, name: str, data: bytes) -> None:
        self._retried(
            "write",
            name,
            lambda: self._client.put_object(
                self._bucket, self._key(name), io.BytesIO(data), len(data), part_size=_PART_BYTES
            ),
        )

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        parts = s3_parts.gathered(pieces)
        head = [next(parts)]
        head += (part for part in (next(parts, None),) if part is not None)
        if len(head) == 1:
            return self.write(name, head[0])

        def send(
            method: str, query: dict[str, str], body: bytes = b"", headers: dict[str, str] | None = None
        ) -> urllib3.BaseHTTPResponse:
            return self._retried("write", name, lambda: self._sent(method, name, query, body, headers))

        return s3_parts.upload(send, chain(_drained(head), parts), lambda: self.size(name))

    def create_if_absent(self, name: str, data: bytes) -> None:
        self._retried("create", name, lambda: self._conditional_put(name, data))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        yield from self._retried("list", prefix, lambda: self._list(prefix))

    def delete(self, name: str) -> None:
        self._retried("delete", name, lambda: self._client.remove_object(self._bucket, self._key(name)))

    def rename(self, source: str, target: str) -> None:
        copied = minio.commonconfig.CopySource(self._bucket, self._key(source))
        self._retried(
            "rename", source, lambda: self._client.copy_object(self._bucket, self._key(target), copied)
        )
        self.delete(source)

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        start = self._prefix + check_prefix(prefix)
        found = self._retried("list", prefix, lambda: self._uploads(start))
        if not found:  # MinIO takes the name of one object for a prefix, and lists a whole bucket
            found = self._retried("list", prefix, lambda: self._uploads(""))
        yield from sorted(
            Upload(upload.name[len(self._prefix) :], upload.id, upload.begun_ms)
            for upload in found
            if upload.name.startswith(start)
        )

    def abort(self, upload: Upload) -> None:
        query = {"uploadId": upload.id}
        try:
            self._retried("delete", upload.name, lambda: self._sent("DELETE", upload.name, query, b"", None))
        except ObjectNotFound:
            return

    def _key(self, name: str) -> str:
        return self._prefix + check_name(name)

    def _get(self, name: str, start: int, length: int) -> bytes:
        try:
            response = self._client.get_object(self._bucket, self._key(name), start, length)
        except minio.error.S3Error as error:
            if error.response.status == 416:  # starts at or behind the object's end
                return b""
            raise
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def _sent(
        self, method: str, name: str, query: dict[str, str], body: bytes, headers: dict[str, str] | None
    ) -> urllib3.BaseHTTPResponse:
        url = self._client.get_presigned_url(
            method, self._bucket, self._key(name), timedelta(minutes=15), extra_query_params=dict(query)
        )
        response = self._pool.request(method, url, body=body, headers=headers)
        code, message = s3_errors.code_of(response.data)
        # The end of an upload may fail after its status was sent.
        if response.status not in (200, 204) or code:
            status = 500 if response.status == 200 else response.status
            raise s3_errors.of_answer(self._target("write", name), status, code, message)
        return response

    def _conditional_put(self, name: str, data: bytes) -> None:
        url = self._client.get_presigned_url("PUT", self._bucket, self._key(name), timedelta(minutes=15))
        response = self._pool.request(
            "PUT", url, body=data, headers={"If-None-Match": "*", "Content-Type": "application/octet-stream"}
        )
        if response.status not in (200, 201, 204):
            code, message = s3_errors.code_of(response.data)
            raise s3_errors.of_answer(self._target("create", name), response.status, code, message)

    def _list(self, prefix: str) -> Sequence[ObjectInfo]:
        found = []
        for item in self._client.list_objects(self._bucket, self._prefix + prefix, recursive=True):
            key = item.object_name or ""
            if key.endswith("/"):  # a folder's marker
                continue
            modified = item.last_modified
            found.append(
                ObjectInfo(
                    key[len(self._prefix) :],
                    int(item.size or 0),
                    int(modified.timestamp() * 1000) if modified else 0,
                )
            )
        found.sort()
        return found

    def _uploads(self, start: str) -> Sequence[Upload]:
        """Of keys that begin so; minio's public API has no call for it."""
        found: list[Upload] = []
        key: str | None = None
        upload_id: str | None = None
        while True:
            page = self._client._list_multipart_uploads(  # noqa: SLF001
                self._bucket, prefix=start, key_marker=key, upload_id_marker=upload_id, max_uploads=1000
            )
            found += (
                Upload(
                    each.object_name,
                    each.upload_id or "",
                    int(each.initiated_time.timestamp() * 1000) if each.initiated_time else 0,
                )
                for each in page.uploads
            )
            key, upload_id = page.next_key_marker, page.next_upload_id_marker
            if not page.is_truncated or not key:
                return found

    def _target(self, operation: str, name: str) -> s3_errors.Target:
        uri = f"{self.uri}/{name}"
        endpoint, access_key = self._options.endpoint or "", self._options.access_key or ""
        return s3_errors.Target(operation, uri, self._bucket, endpoint, access_key)

    def _retried(self, operation: str, name: str, attempt: Callable[[], T]) -> T:
        for delay in (*RETRY_DELAYS, None):
            try:
                return attempt()
            except StorageError as raised:
                error = raised
            except (minio.error.MinioException, urllib3.exceptions.HTTPError, OSError, ValueError) as raised:
                error = s3_errors.of_exception(self._target(operation, name), raised)
                error.__cause__ = raised
            if not isinstance(error, StorageUnavailable):
                raise error
            if delay is None:
                raise StorageUnavailable(
                    f"{error}; gave up after {len(RETRY_DELAYS) + 1} attempts"
                ) from error
            self._sleep(delay)
        raise AssertionError("unreachable")


def _drained(found: list[T]) -> Iterator[T]:
    """All of them, each let go of before it is used."""
    while found:
        yield found.pop(0)


def _client(options: S3Options, pool: urllib3.PoolManager) -> minio.Minio:
    endpoint = urlsplit(options.endpoint or "")
    client = minio.Minio(
        endpoint.netloc,
        access_key=options.access_key,
        secret_key=options.secret_key,
        session_token=options.session_token,
        secure=endpoint.scheme == "https",
        region=options.region,
        http_client=pool,
    )
    client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client
