"""The image of this checkout, and images FROM it as the guide makes them, run as a pod of the restricted profile would."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import debian
from tests.image.building import ROOT, Built, build, checkout_tag
from tests.image.containers import Containers
from tests.image.errors import ImageError, ImageUnavailable
from tests.support.documents import blocks, write_files
from weir import __version__

GUIDE = "docs/how-to/build-an-image.md"
USER_IMAGE = f"weir-tests-counts:{checkout_tag()}"
#: The first test builds the image, on a new machine with its base.
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> Built:
    try:
        debian.install({**debian.BUILDING, "runc": "runc"})
        built = build(f"weir:{checkout_tag()}")
    except ImageUnavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must build the image: {error}", pytrace=False)
        pytest.skip(str(error))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{built}")  # its size belongs into the log of every run
    return built


@pytest.fixture(scope="session")
def containers(built: Built) -> Iterator[Containers]:
    with Containers(built) as containers:
        yield containers


def script(containers: Containers, text: str) -> str:
    """What a shell script printed in a container of the image."""
    ended = containers.run("-c", text, entrypoint=["/bin/sh"])
    assert ended.code == 0, ended
    return ended.out.strip()


def test_both_entry_points_are_there(containers):
    assert containers.run("weir", "--version").out.strip() == f"weir, version {__version__}"
    operator = containers.run("weir_operator")
    assert (operator.code, "WEIR_OPERATOR_KEY_FILE" in operator.err) == (2, True), operator


def test_what_each_entry_point_needs_is_installed(containers):
    needed = "aiohttp, grpc, minio, msgspec, kopf, kubernetes.aio, pydantic, cryptography, prometheus_client"
    assert script(containers, f"python -c 'import {needed}; print(1)'") == "1"


def test_it_runs_as_a_user_without_rights_on_a_root_that_cannot_be_written(containers):
    said = script(containers, "id -u; grep CapEff /proc/self/status; touch /tmp/may && echo written")
    assert said.split() == ["65532", "CapEff:", "0000000000000000", "written"]
    for place in ("/", "/opt/weir", "/var/lib/weir", "/etc"):
        assert "Read-only file system" in script(containers, f"touch {place}/x 2>&1 || true")


def test_nothing_of_it_belongs_to_its_user_but_its_home(containers):
    owned = script(
        containers, "find / -xdev -user 65532 -not -path '/proc/*' -not -path '/tmp/*' 2>/dev/null || true"
    )
    assert owned.split() == ["/var/lib/weir"]


def test_it_holds_no_compiler_and_nothing_that_only_tests_need(containers):
    tools = ("cc", "gcc", "g++", "c++", "clang", "tcc", "as", "ld", "make", "cargo", "rustc", "go", "git")
    found = script(containers, f"for tool in {' '.join(tools)}; do command -v $tool; done; true")
    assert found == ""
    packages = script(containers, "ls /opt/weir/lib/python3*/site-packages /opt/weir/code")
    assert not re.search(r"pytest|hypothesis|mypy|ruff|seaweedfs|hatchling|^tests$", packages, re.MULTILINE)


def test_its_configuration_says_who_it_is(built):
    said = built.engine.configuration(built.image)
    assert said["User"] == "65532:65532", "Kubernetes can judge a number only"
    assert said["Entrypoint"] == ["python", "-m"]
    labels = said["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert re.match(r"[0-9a-f]{40}|unknown", labels["org.opencontainers.image.revision"])


def test_code_is_a_layer_of_its_own_and_a_small_one(containers):
    installed = int(script(containers, "du -sk /opt/weir/code | cut -f1"))
    dependencies = int(script(containers, "du -sk /opt/weir/lib | cut -f1"))
    assert installed < dependencies / 4


def dockerfiles() -> list[str]:
    return [block.text for block in blocks(GUIDE) if block.language == "dockerfile"]


def job_folder(folder: Path) -> Path:
    """The files of the guide, and some input, as its reader has them; the folder to mount."""
    write_files(GUIDE, folder)
    data = folder / "data"
    (data / "in").mkdir(parents=True)
    (folder / "job.yaml").rename(data / "job.yaml")
    (data / "in/flights.csv").write_text("carrier,origin\nUA,EWR\nAA,JFK\nUA,LGA\n")
    for path in (data, *data.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return data


def write_wheel(folder: Path) -> None:
    """The wheel of ``counts.py`` that needs Weir, as ``pip wheel`` makes it."""
    folder.mkdir()
    name = "counts-1.0.dist-info"
    files = {
        "counts.py": (folder.parent / "counts.py").read_text(),
        f"{name}/METADATA": "Metadata-Version: 2.1\nName: counts\nVersion: 1.0\nRequires-Dist: weir-stream\n",
        f"{name}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{name}/RECORD"))
    with zipfile.ZipFile(folder / "counts-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{name}/RECORD": record}.items():
            wheel.writestr(path, text)


@pytest.mark.parametrize("number", [0, 1], ids=["modules", "package"])
def test_a_job_in_an_image_of_the_guide_runs_and_commits(built, tmp_path, number):
    data = job_folder(tmp_path)
    write_wheel(tmp_path / "dist")
    dockerfile = dockerfiles()[number]
    assert "FROM weir:dev\n" in dockerfile
    (tmp_path / "Dockerfile").write_text(dockerfile.replace("FROM weir:dev\n", f"FROM {built.image}\n"))
    built.engine.build(["--tag", USER_IMAGE], tmp_path)
    with Containers(Built(USER_IMAGE, built.engine, built.image, 0, None)) as containers:
        ended = containers.run("weir", "run", "/data/job.yaml", folders={data: "/data"})
    assert ended.code == 0, ended
    rows = [
        json.loads(line) for part in (data / "out").glob("part-*") for line in part.read_text().splitlines()
    ]
    assert sorted(rows) == [["AA", 1], ["UA", 1], ["UA", 2]]
    assert list((data / "checkpoints").glob("*/fence/*"))


def test_what_cannot_be_built_says_what_failed(built, tmp_path):
    (tmp_path / "Dockerfile").write_text(f"FROM {built.image}\nRUN false\n")
    with pytest.raises(ImageError, match=rf"{built.engine.name} build .* ended with"):
        built.engine.build(["--tag", f"weir-tests-fails:{checkout_tag()}"], tmp_path)


def test_the_guide_names_what_the_image_has():
    guide = (ROOT / GUIDE).read_text()
    assert all(
        name in guide for name in ("65532", "/opt/weir/jobs", "certificates", "pip.conf", "WEIR_IMAGE_BASE")
    )
