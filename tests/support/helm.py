"""Helm, built from its pinned modules: what it prints, and what it renders of our chart."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import builder
from tests.support.documents import ROOT

CHART = ROOT / "charts" / "weir-operator"
#: The lines of Helm that the chart is held to.
MAJORS = (3, 4)


#: The one in C, where there is one: the CRDs are large.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def program(major: int) -> Path:
    """The ``helm`` of a major version; built once, which takes some minutes.

    Raises:
        ClusterUnavailable: there is no Go to build it with.
    """
    return builder.build(_module(major)) / "helm"


def built(major: int) -> bool:
    """Whether it need not be built any more."""
    return builder.place(_module(major)).exists()


def _module(major: int) -> builder.Module:
    return next(module for module in builder.MODULES if module.name == f"helm-{major}")


@dataclass(frozen=True)
class Rendered:
    """What ``helm template`` gave, or why it gave nothing."""

    code: int
    text: str
    error: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        assert self.code == 0, self.error
        return [document for document in yaml.load_all(self.text, _LOADER) if document]

    def named(self, kind: str, name: str) -> dict[str, Any]:
        [found] = [o for o in self.objects if o["kind"] == kind and o["metadata"]["name"] == name]
        return found


def helm(major: int, *arguments: str) -> Rendered:
    done = subprocess.run(
        [program(major), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    return Rendered(done.returncode, done.stdout, done.stderr)


def template(
    values: Mapping[str, Any] | None = None,
    *options: str,
    major: int = 3,
    chart: Path = CHART,
    namespace: str = "weir-system",
) -> Rendered:
    """``helm template`` of our chart with these values, as the release ``weir``; the same question is asked once."""
    return _template(json.dumps(dict(values or {})), _with_version(options), major, chart, namespace)


@functools.cache
def _template(values: str, options: tuple[str, ...], major: int, chart: Path, namespace: str) -> Rendered:
    done = subprocess.run(
        [
            program(major),
            "template",
            "weir",
            chart,
            "--namespace",
            namespace,
            "--values",
            "-",
            *options,
        ],
        input=values,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Rendered(done.returncode, done.stdout, done.stderr)


def _with_version(options: Sequence[str]) -> tuple[str, ...]:
    """Without a cluster Helm assumes a Kubernetes of its own age."""
    given = any(option.startswith("--kube-version") for option in options)
    return (*options, *(() if given else ("--kube-version=1.34.0",)))
