from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster import archive, builder, debian, providing, settings
from tests.cluster.errors import ClusterError, ClusterUnavailable


@pytest.mark.parametrize("module", builder.MODULES, ids=lambda module: module.name)
def test_each_module_is_pinned_and_locked(module: builder.Module) -> None:
    assert (module.folder / "go.mod").exists()
    pinned = builder.pinned_versions(module)
    for package in module.packages:
        assert package == "." or any(package.startswith(path) for path in pinned)
    assert module.packages == (".",) or (module.folder / "go.sum").exists()


def test_a_changed_lock_is_another_place_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "MODULES_FOLDER", tmp_path)
    module = builder.Module("a", (".",))
    module.folder.mkdir()
    (module.folder / "go.mod").write_text("module a\n")
    before = builder.key(module)
    assert builder.key(module) == before
    (module.folder / "go.sum").write_text("x v1.0.0 h1:abc=\n")
    assert builder.key(module) != before


def test_the_version_that_kubernetes_programs_name_is_the_pinned_one() -> None:
    module = next(module for module in builder.MODULES if module.name == "kubernetes")
    version = builder.pinned_versions(module)["k8s.io/kubernetes"]
    assert (
        module.variables({"k8s.io/kubernetes": version})["k8s.io/component-base/version.gitVersion"]
        == version
    )


def test_a_program_that_no_module_builds_is_refused_by_name() -> None:
    with pytest.raises(ClusterError, match="no module builds 'docker'"):
        builder.binary("docker")


class Lacking:
    def __init__(self, name: str) -> None:
        self.name = name

    def missing(self) -> str:
        return "no thing"


def test_an_existing_cluster_is_never_taken_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(providing.VARIABLE, raising=False)
    monkeypatch.setitem(providing.PROVIDERS, "kind", Lacking)
    monkeypatch.setitem(providing.PROVIDERS, "native", Lacking)
    with pytest.raises(ClusterUnavailable) as refused:
        providing.find_provider()
    assert str(refused.value) == "no cluster can be had here (kind: no thing; native: no thing)"


def test_a_provider_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ClusterError, match="'docker'; there are kind, native, existing"):
        providing.find_provider("docker")


def test_what_is_missing_without_apt_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "NATIVE", {"/nowhere/ptp": "containernetworking-plugins"})
    assert debian.missing() == (
        "missing: containernetworking-plugins (Debian's names), and no apt-get to install them with"
    )


def test_an_image_of_one_program_is_an_archive_that_names_its_layer(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"static")
    file = archive.write_archive(tmp_path / "image.tar", "a/b:1", {"/program": program}, ["/program"])
    with tarfile.open(file) as image:
        manifest = json.load(image.extractfile("manifest.json") or pytest.fail("no manifest"))
        config = json.load(image.extractfile("config.json") or pytest.fail("no config"))
        with tarfile.open(fileobj=image.extractfile("layer.tar")) as layer:
            assert [(entry.name, entry.mode) for entry in layer] == [("program", 0o755)]
    assert manifest[0]["RepoTags"] == ["a/b:1"]
    assert config["config"] == {"Entrypoint": ["/program"], "User": "65532:65532"}


def test_images_that_are_added_to_an_archive_are_its_image_with_a_layer_on_top(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"static")
    file = archive.write_archive(tmp_path / "image.tar", "a/b:1", {"/program": program}, ["/program"])
    archive.add_layers(file, {"c:1": {"/jobs/x.py": b"1"}, "c:2": {"/jobs/x.py": b"2"}})
    with tarfile.open(file) as image:
        base, *added = json.load(image.extractfile("manifest.json") or pytest.fail("no manifest"))
        assert [(entry["RepoTags"], entry["Layers"][:-1]) for entry in added] == [
            (["c:1"], base["Layers"]),
            (["c:2"], base["Layers"]),
        ]
        for entry, content in zip(added, (b"1", b"2"), strict=True):
            config = json.load(image.extractfile(entry["Config"]) or pytest.fail("no config"))
            assert config["config"]["Entrypoint"] == ["/program"]
            assert len(config["rootfs"]["diff_ids"]) == 2
            with tarfile.open(fileobj=image.extractfile(entry["Layers"][-1])) as layer:
                assert layer.extractfile("jobs/x.py").read() == content


def test_nodes_have_pods_addresses_of_their_own() -> None:
    ranges = {json.loads(settings.network(n))["plugins"][0]["ipam"]["ranges"][0][0]["subnet"] for n in (1, 2)}
    assert ranges == {"198.18.16.0/24", "198.18.17.0/24"}
