"""The tutorial for a cluster, run as its reader runs it: every file and every command, in order, and then what lies in the bucket.

The reader's names stand for those of this stage: the image's registry, and the namespaces, which in the shared cluster are one that an operator of its own
serves. Nothing else is changed.
"""

from __future__ import annotations

import json
import os
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.object_store import ObjectStore
from tests.cluster.providing import Cluster
from tests.e2e import crds, exactness, helm
from tests.e2e.images import Images
from tests.e2e.stage import Stage
from tests.support.documents import ROOT, blocks, shell, write_files

TUTORIAL = "docs/tutorial/in-a-cluster.md"


@pytest.fixture
def stage(cluster: Cluster, store: ObjectStore, images: Images) -> Iterator[Stage]:
    """Where the reader's job will be; the CRDs are the cluster's, which others use as well."""
    crds.apply(cluster)
    name = f"tutorial-{os.urandom(4).hex()}"
    with Stage(cluster, f"{name}-air", store, images, operator=f"{name}-weir-system") as stage:
        yield stage
        for namespace in (stage.namespace, stage.operator):
            cluster.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def test_every_command_of_the_tutorial_does_what_it_says(stage: Stage, tmp_path: Path) -> None:
    names = {"weir-system": stage.operator, "air": stage.namespace}
    write_files(TUTORIAL, tmp_path)
    for file in ("visits.yaml", "visits.py"):
        text = (tmp_path / file).read_text().replace("namespace: air", f"namespace: {names['air']}")
        (tmp_path / file).write_text(text.replace("weir/air", f"weir/{names['air']}"))
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    environment = {"PATH": f"{programs(stage, names, tmp_path)}:{os.environ['PATH']}"}
    said = []
    for block in blocks(TUTORIAL):
        if block.language == "sh":
            said.append(shell(block.text, tmp_path, environment))
    _, _, submitted, checkpoint, foreseen, _, upgraded, _, suspended, _ = said
    assert "visits" in submitted
    assert checkpoint.splitlines()[-1].startswith("s3://weir/")
    assert "savepoint" in foreseen
    assert upgraded.startswith("Savepoint s3://weir/")
    assert "visits-1-tm-" in submitted
    assert "-tm-" not in suspended
    rows = exactness.lines(stage.store.read_all(f"{names['air']}/visits/out/"))
    assert {row.get("language") for row in rows} == {None, "en"}, "both versions of the code wrote"
    by_page = defaultdict(list)
    for row in rows:
        by_page[row["page"]].append(row["visits"])
    for page, visits in by_page.items():
        assert sorted(visits) == list(range(1, len(visits) + 1)), f"{page}: lost or counted twice"


def programs(stage: Stage, names: dict[str, str], folder: Path) -> Path:
    """A folder with the programs that the tutorial uses, which speak to this cluster and know its names."""
    place = folder / "bin"
    place.mkdir()
    provider, settings = stage.cluster.provider, folder / "values.json"
    values = helm.values(names["air"], stage.images.weir)
    settings.write_text(json.dumps(values))
    words = list(names.items())
    words += [(f"image.{key}=.*", f"image.{key}={values['image'][key]}") for key in ("repository", "tag")]
    replaced = "; ".join(f"s#^{word}$#{real}#" for word, real in words)
    rewritten = f"""args=(); for a in "$@"; do args+=("$(printf %s "$a" | sed '{replaced}')"); done"""
    where = f"export KUBECONFIG={provider.kubeconfig}"
    commands = {
        "kubectl": ([str(provider.kubectl)], '"${args[@]}"'),
        "helm": ([str(helm.program(helm.MAJOR))], f'"${{args[@]}}" --values {settings}'),
        "weir": ([str(ROOT / ".venv/bin/weir")], '"${args[@]}"'),
    }
    for name, (command, arguments) in commands.items():
        lines = ["#!/bin/bash", where, f"export PATH={provider.kubectl.parent}:$PATH", rewritten]
        program = place / name
        program.write_text(
            "\n".join([*lines, f"exec {shlex.join(provider.enter(command))} {arguments} 2>&1", ""])
        )
        program.chmod(0o755)
    return place
