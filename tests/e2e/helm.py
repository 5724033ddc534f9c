"""Helm against the scenarios' cluster, and the chart as scenarios install it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.providing import Cluster
from tests.support.helm import CHART, program

MAJOR = 3


def values(namespace: str, image: str, **further: Any) -> dict[str, Any]:
    """What every release in the shared cluster says: its own namespace only, and nothing that is the cluster's."""
    repository, _, tag = image.rpartition(":")
    return {
        "fullnameOverride": "weir-operator",
        "image": {"repository": repository, "tag": tag},
        "replicas": 1,
        "watchNamespaces": [namespace],
        "admissionPolicies": {"create": False},
        "crds": {"install": False},
        "rbac": {"aggregate": False},
        **further,
    }


def helm(cluster: Cluster, *arguments: str, text: str | None = None, seconds: float = 420.0) -> str:
    """What Helm prints.

    Raises:
        ClusterError: with what it said, when it fails.
    """
    return shell_out(cluster, [str(program(MAJOR)), *arguments], text=text, seconds=seconds)


def install(
    cluster: Cluster,
    namespace: str,
    settings: Mapping[str, Any],
    *options: str,
    chart: Path = CHART,
    release: str = "weir",
) -> str:
    """Install or upgrade the chart; returns when all of it is Ready."""
    return helm(
        cluster,
        *("upgrade", "--install", release, str(chart), "--namespace", namespace, "--values", "-"),
        *("--wait", "--timeout", "6m", *options),
        text=json.dumps(settings),
    )


def shell(cluster: Cluster, line: str, seconds: float = 420.0) -> str:
    """What a line prints that somebody types who has kubectl and helm."""
    return shell_out(cluster, ["bash", "-e", "-c", line], seconds=seconds)


def shell_out(
    cluster: Cluster, command: list[str], *, text: str | None = None, seconds: float = 420.0
) -> str:
    """What a program prints where the cluster can be reached."""
    provider = cluster.provider
    folders = [str(provider.kubectl.parent), str(program(MAJOR).parent)]
    done = subprocess.run(
        provider.enter(command),
        env={
            **os.environ,
            "KUBECONFIG": str(provider.kubeconfig),
            "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
        },
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    if done.returncode != 0:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()} {done.stdout[-2000:]}")
    return done.stdout
