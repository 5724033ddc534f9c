"""How fast a change of code is in a pod: build of what changed, load, start. The seconds are printed, for a person to judge."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.cluster.images import load
from tests.cluster.pods import pod, run_pod
from tests.cluster.providing import Cluster
from tests.image.building import ROOT, build, checkout_tag

#: What the image is built from.
PARTS = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "tests/constraints.txt",
    "runtime",
    "operator",
)


def copy_of_the_checkout(folder: Path) -> Path:
    leave = shutil.ignore_patterns("__pycache__")
    for name in PARTS:
        part = ROOT / name
        (folder / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if part.is_dir() else shutil.copy2)(
            part, folder / name, **({"ignore": leave} if part.is_dir() else {})
        )
    return folder


def test_a_change_of_code_reaches_a_pod(
    cluster: Cluster, weir_image: str, namespace: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    context = copy_of_the_checkout(tmp_path)
    began = time.monotonic()
    (context / "runtime/weir/changed.py").write_text('print("changed")\n')
    image = build(f"weir-tests-changed:{checkout_tag()}", context=context).image
    built = time.monotonic()
    load(cluster.provider, image)
    loaded = time.monotonic()
    said = run_pod(cluster, pod("changed", namespace, image, ["python", "-m", "weir.changed"]))
    ended = time.monotonic()
    assert said == "changed\n"
    steps = f"build {built - began:.1f}, load {loaded - built:.1f}, pod {ended - loaded:.1f}"
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\na change of code was in a pod after {ended - began:.1f} s ({steps})")
