"""MinIO as a pod: the real server, one drive in the pod's own folder, a bucket, and its credentials in a Secret.

It lies in a namespace of its own and passes the ``restricted`` pod security profile, as do all pods of ours. What is in it is gone with the pod. A test
asks ``secret(namespace)`` for the Secret that its own pods read, with the keys that a StreamJob's ``credentialsSecret`` has.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster import archive, builder
from tests.cluster.errors import ClusterError
from tests.cluster.providing import Cluster

NAMESPACE = "storage"
ENDPOINT = f"http://minio.{NAMESPACE}:9000"
BUCKET = "weir"
ACCESS_KEY = "weir-tests"
SECRET_KEY = "weir-tests-secret"
SECRET = "minio-credentials"
_LABELS = {"app": "minio"}
_MAKE_BUCKET = """
import sys, minio
endpoint, access, secret, bucket = sys.argv[1:]
client = minio.Minio(endpoint, access, secret, secure=False, region="us-east-1")
client.bucket_exists(bucket) or client.make_bucket(bucket)
"""


def install(cluster: Cluster) -> None:
    """Brings MinIO up with its bucket; does only what is not done."""
    if not _there(cluster):
        image, file = _image()
        cluster.provider.load(file)
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": NAMESPACE, "labels": restricted},
            },
            secret(NAMESPACE),
            _service(),
            _deployment(image),
        )
    wait = ("rollout", "status", "deployment/minio", "-n", NAMESPACE, "--timeout=240s")
    cluster.kubectl(*wait, timeout=300)
    _make_bucket(cluster)


def secret(namespace: str) -> dict[str, Any]:
    """The Secret with MinIO's keys, for pods of this namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "stringData": {"access-key": ACCESS_KEY, "secret-key": SECRET_KEY},
    }


def _there(cluster: Cluster) -> bool:
    found = cluster.kubectl("get", "deployments", "-A", "-l", "app=minio", "-o", "name")
    return bool(found.strip())


def _image() -> tuple[str, Path]:
    program = builder.binary("minio")
    lock = program.parent.name.removeprefix("minio-")
    image = f"weir.dev/minio:{lock}"
    file = builder.cache_folder() / "images" / f"minio-{lock}.tar"
    return image, archive.write_archive(file, image, {"/minio": program}, ["/minio"])


def _service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "minio", "namespace": NAMESPACE},
        "spec": {"selector": _LABELS, "ports": [{"port": 9000}]},
    }


def _deployment(image: str) -> dict[str, Any]:
    keys = {"MINIO_ROOT_USER": "access-key", "MINIO_ROOT_PASSWORD": "secret-key"}
    container = {
        "name": "minio",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["server", "/data", "--address=:9000", "--certs-dir=/data/certificates"],
        "env": [
            *(
                {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}}
                for name, key in keys.items()
            ),
            {"name": "MINIO_BROWSER", "value": "off"},
            {"name": "MINIO_UPDATE", "value": "off"},
            {"name": "HOME", "value": "/data"},
        ],
        "ports": [{"containerPort": 9000}],
        "readinessProbe": {"httpGet": {"path": "/minio/health/ready", "port": 9000}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "minio", "namespace": NAMESPACE, "labels": _LABELS},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }


def _make_bucket(cluster: Cluster) -> None:
    """Through a forwarded port, which every provider has, by a client in the cluster's network."""
    forward = subprocess.Popen(
        cluster.command("port-forward", "-n", NAMESPACE, "service/minio", ":9000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert forward.stdout
        said = forward.stdout.readline()  # Forwarding from 127.0.0.1:PORT -> 9000
        if not said.startswith("Forwarding from 127.0.0.1:"):
            raise ClusterError(f"MinIO's port could not be forwarded: {said.strip()}")
        endpoint = said.split()[2]
        client = [sys.executable, "-c", _MAKE_BUCKET, endpoint, ACCESS_KEY, SECRET_KEY, BUCKET]
        done = subprocess.run(
            cluster.provider.enter(client), capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != 0:
            raise ClusterError(f"bucket {BUCKET} could not be made: {done.stderr.strip()}")
    finally:
        forward.terminate()
        forward.wait(30)
