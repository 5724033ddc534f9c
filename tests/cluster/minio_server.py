"""MinIO as a pod: the real server, one drive in memory (it syncs each object), a bucket, and its credentials in a Secret.

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
from tests.cluster.forwarding import forwarded
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
            _service(NAMESPACE),
            _deployment(image, NAMESPACE),
        )
    _wait_and_make_bucket(cluster, NAMESPACE)


def install_another(cluster: Cluster, namespace: str) -> str:
    """A MinIO of its own in this namespace, for a test that does it harm; its endpoint. Its bucket and keys are those of the other."""
    image, _ = _image()
    cluster.apply(_service(namespace), _deployment(image, namespace))
    _wait_and_make_bucket(cluster, namespace)
    return f"http://minio.{namespace}:9000"


def secret(namespace: str) -> dict[str, Any]:
    """The Secret with MinIO's keys, for pods of this namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "stringData": {"access-key": ACCESS_KEY, "secret-key": SECRET_KEY},
    }


def _there(cluster: Cluster) -> bool:
    found = cluster.kubectl("get", "deployments", "-n", NAMESPACE, "-l", "app=minio", "-o", "name")
    return bool(found.strip())


def _image() -> tuple[str, Path]:
    program = builder.binary("minio")
    lock = program.parent.name.removeprefix("minio-")
    image = f"weir.dev/minio:{lock}"
    file = builder.cache_folder() / "images" / f"minio-{lock}.tar"
    return image, archive.write_archive(file, image, {"/minio": program}, ["/minio"])


def _service(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "minio", "namespace": namespace},
        "spec": {"selector": _LABELS, "ports": [{"port": 9000}]},
    }


def _deployment(image: str, namespace: str) -> dict[str, Any]:
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
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "7Gi"}},
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
        "volumes": [{"name": "data", "emptyDir": {"medium": "Memory", "sizeLimit": "6Gi"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "minio", "namespace": namespace, "labels": _LABELS},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }


def _wait_and_make_bucket(cluster: Cluster, namespace: str) -> None:
    """Through a forwarded port, which every provider has, by a client in the cluster's network."""
    wait = ("rollout", "status", "deployment/minio", "-n", namespace, "--timeout=240s")
    cluster.kubectl(*wait, timeout=300)
    with forwarded(cluster, namespace, "service/minio", 9000) as endpoint:
        client = [sys.executable, "-c", _MAKE_BUCKET, endpoint, ACCESS_KEY, SECRET_KEY, BUCKET]
        done = subprocess.run(
            cluster.provider.enter(client), capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != 0:
            raise ClusterError(f"bucket {BUCKET} could not be made: {done.stderr.strip()}")
