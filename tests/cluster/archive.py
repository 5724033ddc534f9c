"""Images of one static program, written without a builder: a docker-archive is a tar of tars and a JSON.

The pause image and MinIO's are made so, straight from the cache of binaries; the product's own image is built from the
Dockerfile instead.
"""

from __future__ import annotations

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
    layer = _layer(files)
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


def _layer(files: Mapping[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for place, file in files.items():
            _add(layer, place.lstrip("/"), file.read_bytes(), 0o755)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
