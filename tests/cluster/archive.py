"""Images as archives, written without a builder: a docker-archive is a tar of tars and a JSON.

The pause image and MinIO's are made so, straight from the cache of binaries; the product's own image is built from the
Dockerfile instead.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Nobody: pods of these images pass `runAsNonRoot`.
USER = "65532:65532"


def write_archive(path: Path, image: str, files: Mapping[str, Path], entrypoint: Sequence[str]) -> Path:
    """Writes ``image`` with these files (place in the image -> file here), unless the archive is there already."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    layer = _layer({place: file.read_bytes() for place, file in files.items()}, 0o755)
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "User": USER},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]
    unfinished = path.with_suffix(".unfinished")
    with tarfile.open(unfinished, "w") as archive:
        _add(archive, "config.json", json.dumps(config).encode())
        _add(archive, "layer.tar", layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    unfinished.rename(path)
    return path


def add_layers(path: Path, images: Mapping[str, Mapping[str, bytes]]) -> None:
    """Adds images to an archive of one: each is that one with a layer of these files (place in the image -> content) on top."""
    with tarfile.open(path) as archive:
        [base] = json.loads(_read(archive, "manifest.json"))
        below = json.loads(_read(archive, base["Config"]))
    manifest = [base]
    with tarfile.open(path, "a") as archive:
        for image, files in images.items():
            layer = _layer(files, 0o644)
            digest = hashlib.sha256(layer).hexdigest()
            config = copy.deepcopy(below)
            config["rootfs"]["diff_ids"].append(f"sha256:{digest}")
            config.setdefault("history", []).append({"created_by": "tests"})
            content = json.dumps(config).encode()
            name = f"{hashlib.sha256(content).hexdigest()}.json"
            _add(archive, name, content)
            _add(archive, f"{digest}.tar", layer)
            layers = [*base["Layers"], f"{digest}.tar"]
            manifest.append({"Config": name, "RepoTags": [image], "Layers": layers})
        _add(
            archive, "manifest.json", json.dumps(manifest).encode()
        )  # of two with one name the later one counts


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member, name
    return member.read()


def _layer(files: Mapping[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for place, content in files.items():
            _add(layer, place.lstrip("/"), content, mode)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
