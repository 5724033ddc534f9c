"""Pods for tests: one that passes the ``restricted`` profile and runs a command, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.cluster import minio_server, settings
from tests.cluster.errors import ClusterError
from tests.cluster.node import wait_until
from tests.cluster.providing import Cluster

ENDED_WITHIN_S = 180.0


def pod(
    name: str,
    namespace: str,
    image: str,
    command: Sequence[str],
    *,
    memory: str = "256Mi",
    node: str | None = None,
) -> dict[str, Any]:
    """A pod that runs ``command`` once, as the ``restricted`` profile wants it, with the way to MinIO in its environment."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [
            {"name": "AWS_ENDPOINT_URL", "value": minio_server.ENDPOINT},
            _from_secret("AWS_ACCESS_KEY_ID", "access-key"),
            _from_secret("AWS_SECRET_ACCESS_KEY", "secret-key"),
        ],
        "resources": {"limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    if node is not None:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
        spec["tolerations"] = [{"key": settings.SPARE, "operator": "Exists"}]
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def end_of(cluster: Cluster, name: str, namespace: str) -> dict[str, Any]:
    """How the pod's container ended (``exitCode``, ``reason``); waits for it."""
    ended: list[dict[str, Any]] = []

    def terminated() -> bool:
        for status in cluster.get("pod", name, namespace)["status"].get("containerStatuses", []):
            if "terminated" in status["state"]:
                ended.append(status["state"]["terminated"])
        return bool(ended)

    try:
        wait_until(terminated, ENDED_WITHIN_S, f"pod {name} did not end")
    except ClusterError as error:
        raise ClusterError(f"{error}\n{cluster.kubectl('describe', 'pod', name, '-n', namespace)}") from None
    return ended[0]


def run_pod(cluster: Cluster, resource: dict[str, Any]) -> str:
    """Runs the pod to its end and gives what it printed; an assertion says how it ended otherwise."""
    metadata = resource["metadata"]
    cluster.apply(resource)
    end = end_of(cluster, metadata["name"], metadata["namespace"])
    printed = cluster.kubectl("logs", metadata["name"], "-n", metadata["namespace"])
    assert end["exitCode"] == 0, f"{json.dumps(end)}\n{printed}"
    return printed


def _from_secret(variable: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": minio_server.SECRET, "key": key}}}
