"""MinIO's objects for a test outside of the cluster's network: put, read, list, delete.

MinIO answers only inside, so a process of ours is started there (``python -m tests.cluster.object_store ENDPOINT``). It takes a request a line on
its input, answers a line on its output, both JSON with contents in base64, and ends when its input does. Its client is MinIO's own, not Weir's storage layer:
what a test says of objects must not rest on what it tests.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from tests.cluster import minio_server
from tests.cluster.errors import ClusterError
from tests.cluster.forwarding import forwarded
from tests.cluster.providing import Cluster


class ObjectStore:
    """The objects of one bucket, by key; used within ``with``."""

    def __init__(self, cluster: Cluster, namespace: str = minio_server.NAMESPACE) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._forward = forwarded(self._cluster, self._namespace, "service/minio", 9000)
        endpoint = self._forward.__enter__()
        command = [sys.executable, "-m", "tests.cluster.object_store", endpoint]
        self._process = subprocess.Popen(
            self._cluster.provider.enter(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._forward.__exit__(kind, error, trace)

    def put(self, key: str, content: bytes) -> None:
        self._ask("put", key=key, content=base64.b64encode(content).decode())

    def read(self, key: str) -> bytes:
        return base64.b64decode(self._ask("read", key=key))

    def list(self, prefix: str = "") -> list[str]:
        """The keys that begin with ``prefix``, in order."""
        found: list[str] = self._ask("list", prefix=prefix)
        return found

    def read_all(self, prefix: str) -> dict[str, bytes]:
        """The objects whose keys begin with ``prefix``; one that goes meanwhile is left out."""
        found = self._ask("read_all", prefix=prefix)
        return {key: base64.b64decode(content) for key, content in found.items()}

    def delete(self, key: str) -> None:
        self._ask("delete", key=key)

    def _ask(self, act: str, **arguments: str) -> Any:
        with self._lock:
            assert self._process.stdin
            assert self._process.stdout
            try:
                self._process.stdin.write(json.dumps({"act": act, **arguments}) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except BrokenPipeError:
                line = ""
        if not line:
            raise ClusterError(f"the process that asks MinIO to {act} has ended with {self._process.poll()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ClusterError(
                f"MinIO could not {act} {arguments.get('key') or arguments.get('prefix')}: {answer['error']}"
            )
        return answer["result"]


def serve(endpoint: str) -> None:
    """Answers requests until the input ends."""
    import minio
    from minio.error import MinioException
    from urllib3.exceptions import HTTPError

    keys = (minio_server.ACCESS_KEY, minio_server.SECRET_KEY)
    client = minio.Minio(endpoint, *keys, secure=False, region="us-east-1")
    acts = _acts(client, minio_server.BUCKET)
    for line in sys.stdin:
        request: dict[str, str] = json.loads(line)
        try:
            answer = {"result": acts[request.pop("act")](**request)}
        except (MinioException, HTTPError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _acts(client: Any, bucket: str) -> Mapping[str, Callable[..., object]]:
    from minio.error import S3Error

    def put(key: str, content: str) -> None:
        body = base64.b64decode(content)
        client.put_object(bucket, key, io.BytesIO(body), len(body))

    def read(key: str) -> str:
        with client.get_object(bucket, key) as response:
            return base64.b64encode(response.read()).decode()

    def names(prefix: str) -> list[str]:
        return sorted(str(found.object_name) for found in client.list_objects(bucket, prefix, recursive=True))

    def read_all(prefix: str) -> dict[str, str]:
        found = {}
        for key in names(prefix):
            try:
                found[key] = read(key)
            except S3Error as error:
                if error.code != "NoSuchKey":
                    raise
        return found

    def delete(key: str) -> None:
        client.remove_object(bucket, key)

    return {"put": put, "read": read, "list": names, "read_all": read_all, "delete": delete}


if __name__ == "__main__":
    serve(sys.argv[1])
