"""Real S3 servers on free loopback ports, one process of each kind for a test session: what they have in common.

A test that asks for ``s3`` gets SeaweedFS; a module that imports ``each_s3`` beside it runs each of its tests that ask for ``s3`` on MinIO too. Either hands
out the endpoint, a full and a read-only key, and a bucket of its own. A server is ended by its pid, also when this process dies first.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import minio
import pytest
import urllib3

from tests.support.waiting import wait_for
from weir.storage import S3Options

ACCESS_KEY = "weir-tests"
SECRET_KEY = "weir-tests-secret"
READ_ONLY_KEY = "weir-reader"
READ_ONLY_SECRET = "weir-reader-secret"
READY_WITHIN_S = 90.0

# PR_SET_PDEATHSIG outlives the exec: the server gets SIGTERM when its parent is gone.
_EXEC = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class S3Server:
    """What a test needs to know of the running server, and a bucket for it alone."""

    endpoint: str
    bucket: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = "us-east-1"

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def options(self) -> S3Options:
        return S3Options(self.endpoint, self.region, self.access_key, self.secret_key)

    @property
    def environment(self) -> dict[str, str]:
        """The ``AWS_*`` variables for a process that shall use the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def client(self) -> minio.Minio:
        return _client(self.endpoint)


@pytest.fixture
def s3(seaweed: str) -> S3Server:
    """A new, empty bucket on the session's SeaweedFS."""
    return new_bucket(seaweed)


@pytest.fixture(name="s3", params=["seaweed", "minio_server"])
def each_s3(request: pytest.FixtureRequest) -> S3Server:
    """A new, empty bucket on each kind of server, one after the other."""
    return new_bucket(request.getfixturevalue(request.param))


def new_bucket(endpoint: str) -> S3Server:
    """A bucket that nobody else uses."""
    bucket = f"test-{secrets.token_hex(6)}"
    _client(endpoint).make_bucket(bucket)
    return S3Server(endpoint, bucket)


@contextlib.contextmanager
def served(
    command: Sequence[str], endpoint: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """The server while the block runs; entered when it takes objects, left when its process is gone."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(os.getpid()), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
    try:
        _wait_until(lambda: _answers(endpoint), process, log)
        yield
    finally:
        process.kill()  # asked to stop it would wait for seconds for its own parts; the data is of no use any more
        process.wait()


def _client(endpoint: str) -> minio.Minio:
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=10.0), retries=False)
    return minio.Minio(
        urlsplit(endpoint).netloc,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        secure=False,
        region="us-east-1",
        http_client=pool,
    )


def _answers(endpoint: str) -> bool:
    """Whether an object can be stored: the S3 port listens long before that."""
    client = _client(endpoint)
    try:
        if not client.bucket_exists("ready"):
            client.make_bucket("ready")
        client.put_object("ready", "probe", io.BytesIO(b"x"), 1)
    except Exception:
        return False
    return True


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    def is_ready() -> bool:
        if process.poll() is not None:
            pytest.fail(f"the S3 server ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        return ready()

    wait_for(is_ready, lambda: f"the S3 server is ready:\n{log.read_text()[-4000:]}", READY_WITHIN_S)
