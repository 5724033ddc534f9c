"""Resources and objects as nobody should write them, by a seed."""

from __future__ import annotations

import random
import string
from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    0,
    -1,
    1 << 70,
    1.5,
    True,
    "",
    "x" * 300,
    "\u0000",
    [],
    [None],
    {},
    {"a": {"b": []}},
    "10s",
    "s3://",
)


def nonsense(rng: random.Random, depth: int = 0) -> Any:
    if depth > 2 or rng.random() < 0.5:
        return rng.choice(VALUES)
    names = [
        "job",
        "checkpoints",
        "storage",
        "interval",
        "entrypoint",
        "parallelism",
        "restore",
        "upgrade",
        "pod",
        "zz",
    ]
    if rng.random() < 0.3:
        return [nonsense(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {rng.choice(names): nonsense(rng, depth + 1) for _ in range(rng.randrange(4))}


def scribble(rng: random.Random, body: dict[str, Any]) -> dict[str, Any]:
    """One or two fields of a good resource become something else."""
    for _ in range(rng.randrange(1, 3)):
        place, name = body, rng.choice(["spec", "status"])
        while isinstance(place.get(name), dict) and place[name] and rng.random() < 0.8:
            place, name = place[name], rng.choice(sorted(place[name]))
        place[name] = nonsense(rng)
    return body


_RESOURCES = ["v1/pods", "v1/configmaps", "v1/services", "apps/v1/deployments", "apps/v1/controllerrevisions"]


def child(rng: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    """An object under the label of a job, and of which kind it says it is."""
    labels = {
        "weir.dev/job": rng.choice(["good", "other", "", "x" * 63]),
        "weir.dev/run": rng.choice(["1", "-1", "NaN", "9" * 30, ""]),
        "weir.dev/component": rng.choice(["jobmanager", "taskmanager", "snapshots", "cook"]),
    }
    name = "".join(rng.choices(string.ascii_lowercase, k=8)) + str(number)
    body: dict[str, Any] = {"metadata": {"name": name, "namespace": "default", "labels": labels}}
    if rng.random() < 0.5:
        notes = ["digest", "purpose", "revision", "spec-hash", "term"]
        text = rng.choice(["", "x", "-1", "9" * 30, "\u0000", "{}", "preflight-1-1"])
        body["metadata"]["annotations"] = {f"weir.dev/{rng.choice(notes)}": text}
    body |= {part: nonsense(rng) for part in ("spec", "status", "data") if rng.random() < 0.7}
    return rng.choice(_RESOURCES), body
