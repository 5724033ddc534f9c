"""StreamJob documents of scenarios, as a user would write them: the counting job, and what a scenario changes of it."""

from __future__ import annotations

from typing import Any

from tests.cluster import minio_server

Resource = dict[str, Any]
#: Scenarios share two cores.
SMALL = {"requests": {"cpu": "50m"}, "limits": {"memory": "512Mi"}}


def counting(
    name: str,
    image: str,
    target: str,
    *,
    rows: int,
    rate: float,
    further: tuple[str, ...] = (),
    **spec: Any,
) -> Resource:
    """The counting job: ``rows`` rows at ``rate`` a second, written below ``target``, with a checkpoint each second.

    ``further`` are arguments of the job; other fields of ``spec`` are laid over what stands here, and one that is None is left out.
    """
    root = f"s3://{minio_server.BUCKET}/{target}"
    full = {
        "image": image,
        "job": {
            "entrypoint": "counting:build",
            "args": [str(rows), str(rate), f"{root}/out", *further],
            "parallelism": 2,
        },
        "checkpoints": {"interval": "1s", "retained": 3},
        "storage": {
            "checkpoints": f"{root}/checkpoints",
            "savepoints": f"{root}/savepoints",
            "s3": {
                "endpoint": minio_server.ENDPOINT,
                "region": "us-east-1",
                "credentialsSecret": minio_server.SECRET,
            },
        },
        "restart": {"strategy": "FixedDelay", "attempts": 100, "delay": "1s"},
        "upgrade": {"stabilityWindow": "5s"},
        "jobManager": {"resources": SMALL},
        "taskManager": {"slots": 2, "resources": SMALL},
    }
    full = _laid_over(full, spec)
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": name},
        "spec": {field: value for field, value in full.items() if value is not None},
    }


def _laid_over(below: Resource, above: Resource) -> Resource:
    merged = dict(below)
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = _laid_over(merged[name], value)
        else:
            merged[name] = value
    return merged
