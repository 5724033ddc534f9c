"""MinIO as a process: the real server, built from its pinned Go module (``python -m tests.cluster build minio``).

Its drive lies in memory where the machine has ``/dev/shm``: it syncs each object to its drive, which on a busy disk takes a second.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import minio
import pytest
from minio.credentials import StaticProvider
from minio.error import MinioAdminException

from tests.cluster import builder
from tests.support.ports import free_ports
from tests.support.s3_servers import (
    ACCESS_KEY,
    READ_ONLY_KEY,
    READ_ONLY_SECRET,
    SECRET_KEY,
    served,
)
from tests.support.waiting import wait_for

_READER = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": ["arn:aws:s3:::*"],
        }
    ],
}
_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of the session's server. Skips where its program was not built, but fails in CI, where ``make test`` builds it."""
    program = _program()
    folder = tmp_path_factory.mktemp("minio")
    [port] = free_ports(1)
    environment = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
    }
    with tempfile.TemporaryDirectory(
        prefix="weir-minio-", dir=_MEMORY if _MEMORY.is_dir() else folder, ignore_cleanup_errors=True
    ) as drive:
        address = f"127.0.0.1:{port}"
        command = [
            str(program),
            "server",
            drive,
            f"--address={address}",
            f"--certs-dir={folder}/certificates",
        ]
        with served(command, f"http://{address}", folder, environment):
            _add_reader(address, folder)
            yield f"http://{address}"


def _program() -> Path:
    module = next(module for module in builder.MODULES if "minio" in module.binaries)
    if not builder.place(module).exists():
        missing = "MinIO is not built; once, for two minutes: python -m tests.cluster build minio"
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return builder.binary("minio")


def _add_reader(address: str, folder: Path) -> None:
    """The key that may only read. MinIO answers before it has read its own users, and forgets then who came meanwhile."""
    policy = folder / "reader.json"
    policy.write_text(json.dumps(_READER))
    admin = minio.MinioAdmin(
        endpoint=address, credentials=StaticProvider(ACCESS_KEY, SECRET_KEY), secure=False, region="us-east-1"
    )

    def known() -> bool:
        admin.policy_add(READ_ONLY_KEY, str(policy))
        admin.user_add(READ_ONLY_KEY, READ_ONLY_SECRET)
        try:
            admin.policy_set(READ_ONLY_KEY, user=READ_ONLY_KEY)
        except MinioAdminException as error:
            if "XMinioAdminNoSuch" not in str(error):
                raise
            return False
        return True

    wait_for(known, "MinIO knows the key that may only read")
