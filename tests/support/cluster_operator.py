"""The operator of this checkout as a process in a real cluster's network, and a job to give it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster import minio_server
from tests.cluster.providing import Cluster

ROOT = Path(__file__).parents[2]
SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


@contextlib.contextmanager
def operator(cluster: Cluster, namespace: str, image: str, folder: Path) -> Iterator[Path]:
    """Serves one namespace until the block ends; gives its log."""
    for resource in ("streamjobs", "streamjobsnapshots"):
        file = str(ROOT / f"crds/{resource}.weir.dev.yaml")
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
    key, log = folder / "key", folder / "operator.log"
    key.write_text("k" * 40)
    environment = os.environ | {
        "KUBECONFIG": str(cluster.provider.kubeconfig),
        "WEIR_OPERATOR_NAMESPACES": namespace,
        "WEIR_OPERATOR_NAMESPACE": namespace,
        "WEIR_OPERATOR_IMAGE": image,
        "WEIR_OPERATOR_KEY_FILE": str(key),
        "WEIR_OPERATOR_PROBE_ADDRESS": "127.0.0.1:0",
        "WEIR_OPERATOR_METRICS_ADDRESS": "127.0.0.1:0",
    }
    command = cluster.provider.enter([sys.executable, "-m", "weir_operator"])
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, env=environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL
        )
    try:
        yield log
        # While there is an operator to let them go: a namespace with a StreamJob that nobody looks after is never gone.
        every = ("streamjobs.weir.dev", "--all", "-n", namespace)
        cluster.kubectl("delete", *every, "--timeout=100s")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def counting(namespace: str, image: str, rows: int, rate: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A StreamJob that counts numbers into MinIO, and the ConfigMap with its code."""
    code = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "counting", "namespace": namespace},
        "data": {"counting_job.py": (ROOT / "tests/support/counting_job.py").read_text()},
    }
    root = f"s3://{minio_server.BUCKET}/{namespace}"
    job = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "count", "namespace": namespace},
        "spec": {
            "image": image,
            "job": {
                "entrypoint": "counting_job:build",
                "code": {"configMap": "counting"},
                "args": [str(rows), str(rate), f"{root}/out"],
                "parallelism": 2,
            },
            "checkpoints": {"interval": "2s", "retained": 3},
            "upgrade": {"stabilityWindow": "3s"},
            "storage": {
                "checkpoints": f"{root}/checkpoints",
                "savepoints": f"{root}/savepoints",
                "s3": {
                    "endpoint": minio_server.ENDPOINT,
                    "region": "us-east-1",
                    "credentialsSecret": minio_server.SECRET,
                },
            },
            "jobManager": {"resources": SMALL},
            "taskManager": {"slots": 2, "resources": SMALL},
        },
    }
    return code, job
