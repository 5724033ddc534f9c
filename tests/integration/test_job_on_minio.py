"""A whole job with its checkpoints and its output on MinIO: a worker killed, the run stopped, gone on, exact."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support import bad_jobs
from tests.support.processes import Run
from tests.support.s3_servers import S3Server, new_bucket
from weir.storage import open_storage

ROWS = 8_000  # four seconds
CODE = {"PYTHONPATH": str(Path(bad_jobs.__file__).parent)}


@pytest.fixture
def s3(minio_server: str) -> S3Server:
    return new_bucket(minio_server)


def test_a_job_on_minio_is_exact_over_a_kill_and_a_stop(s3: S3Server, tmp_path: Path) -> None:
    out, root = open_storage(f"{s3.uri}/out", s3.options), open_storage(f"{s3.uri}/checkpoints", s3.options)
    described = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "counts"},
        "spec": {
            "job": {"entrypoint": "bad_jobs:counts", "args": [out.uri, str(ROWS)]},
            "checkpoints": {"interval": "200ms"},
            "restart": {"strategy": "FixedDelay", "attempts": 1000, "delay": "100ms"},
            "storage": {"checkpoints": root.uri, "s3": {"endpoint": s3.endpoint}},
        },
    }

    def committed() -> list[str]:
        return [info.name for info in out.list() if not info.name.startswith(".")]

    environment = {**s3.environment, **CODE}
    with Run(tmp_path, described, environment, name="first") as run:
        run.wait(committed, "output is committed")
        assert run.one("worker").signal(signal.SIGKILL)
        before = len(committed())
        run.wait(lambda: len(committed()) > before, "output is committed after the kill")
        assert run.interrupt() == 130, run.story()
    with Run(tmp_path, described, environment, name="second") as run:
        assert run.finish() == 0, run.story()
        assert "restores chk-" in run.stderr, run.story()
    lines = [json.loads(line) for name in committed() for line in out.read(name).splitlines()]
    assert sorted(lines) == [[number, number // 7 + 1] for number in range(ROWS)]
