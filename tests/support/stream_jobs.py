"""StreamJobs as tests need them: documents as a user writes them, and subjects of rendering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir_operator.models import StreamJobSpec
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

UID = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"

SETTINGS = RenderSettings(image="example/weir:1.0")

MINIMAL: dict[str, Any] = {
    "job": {"entrypoint": "flights.job:build"},
    "storage": {"checkpoints": "s3://weir/checkpoints"},
}

FULL: dict[str, Any] = {
    "image": "example/flights:1.4.0",
    "job": {
        "entrypoint": "flights.job:build",
        "code": {"uri": "s3://bucket/app.zip", "sha256": "ab" * 32},
        "args": ["s3://in/flights/", "s3://out/counts/"],
        "parallelism": 4,
    },
    "checkpoints": {"interval": "10s", "retained": 3},
    "stateBackend": {"type": "RocksDB", "incremental": True},
    "storage": {
        "checkpoints": "s3://weir/checkpoints",
        "savepoints": "s3://weir/savepoints",
        "s3": {
            "endpoint": "http://minio.storage:9000",
            "region": "us-east-1",
            "credentialsSecret": "minio-credentials",
        },
    },
    "jobManager": {"resources": {"limits": {"memory": "1Gi"}}},
    "taskManager": {
        "slots": 2,
        "localStorage": "20Gi",
        "resources": {"requests": {"cpu": "3", "nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 1}},
        "pod": {
            "labels": {"team": "air"},
            "annotations": {"example.com/note": "hello"},
            "env": [
                {"name": "MODE", "value": "night"},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "api", "key": "key"}}},
            ],
            "volumes": [
                {"name": "models", "mountPath": "/models", "readOnly": True, "configMap": {"name": "models"}},
                {
                    "name": "scratch",
                    "mountPath": "/scratch",
                    "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"},
                },
            ],
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "batch", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "streams",
            "imagePullPolicy": "IfNotPresent",
            "imagePullSecrets": [{"name": "registry"}],
        },
    },
}


def subject(spec: Mapping[str, Any] | None = None, name: str = "flights", namespace: str = "air") -> Subject:
    """A StreamJob to render, by default the least that can be said."""
    return Subject(
        name=name, namespace=namespace, uid=UID, spec=StreamJobSpec.model_validate(spec or MINIMAL)
    )
