"""What builds an image here: docker where its engine answers, else buildah, which needs none.

Both read the same Dockerfile. With docker the base is the Dockerfile's own default, the public slim Python image. Where there is
no engine there is often no registry either, so buildah takes a Debian of this machine's mirror (``debian_base``); ``--base`` or
``WEIR_IMAGE_BASE`` names another one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster.builder import cache_folder, only_one
from tests.image.errors import ImageError, ImageUnavailable

#: The base that buildah gets by default, made from Debian's packages once.
DEBIAN_BASE = "weir-tests-base:bookworm"
_DEBIAN = "bookworm"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
#: What debootstrap leaves and nobody needs.
_LEFT_OUT = ("./var/cache/apt/archives/*", "./var/lib/apt/lists/*", "./var/log/*", "./usr/share/doc/*")


class Engine(Protocol):
    """Builds and keeps images."""

    @property
    def name(self) -> str: ...

    def build(self, arguments: Sequence[str], context: Path) -> None:
        """Run a build with these options of ``build``, which docker and buildah share."""
        ...

    def default_base(self) -> str | None:
        """The base to use where none is named; ``None``: the Dockerfile's own."""
        ...

    def size(self, image: str) -> int:
        """Bytes of the image, unpacked; buildah rounds."""
        ...

    def configuration(self, image: str) -> Mapping[str, object]:
        """The ``config`` of the image as OCI defines it."""
        ...

    def save(self, image: str, archive: Path) -> None:
        """Write the image as an archive that ``docker load`` and ``ctr images import`` take."""
        ...


@dataclass(frozen=True)
class Docker:
    name: str = "docker"

    def build(self, arguments: Sequence[str], context: Path) -> None:
        run("docker", "build", *arguments, str(context), environment={"DOCKER_BUILDKIT": "1"})

    def default_base(self) -> str | None:
        return None

    def size(self, image: str) -> int:
        return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))

    def configuration(self, image: str) -> Mapping[str, object]:
        found: dict[str, object] = json.loads(
            run("docker", "image", "inspect", "--format", "{{json .Config}}", image)
        )
        return found

    def save(self, image: str, archive: Path) -> None:
        run("docker", "save", "--output", str(archive), image)


@dataclass(frozen=True)
class Buildah:
    name: str = "buildah"

    def build(self, arguments: Sequence[str], context: Path) -> None:
        buildah("build", "--layers", "--force-rm", *arguments, str(context))

    def default_base(self) -> str | None:
        return debian_base()

    def size(self, image: str) -> int:
        [found] = json.loads(buildah("images", "--json", image))
        number, unit = str(found["size"]).split()
        return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])

    def configuration(self, image: str) -> Mapping[str, object]:
        found: dict[str, object] = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
        return found

    def save(self, image: str, archive: Path) -> None:
        archive.unlink(missing_ok=True)  # an archive that exists is refused
        buildah("push", "--quiet", image, f"docker-archive:{archive}:{image}")


def find_engine(wanted: str | None = None) -> Engine:
    """The engine of that name, or the first that this machine has.

    Raises:
        ImageUnavailable: there is none.
    """
    if wanted in (None, "docker") and shutil.which("docker") and _answers("docker", "info"):
        return Docker()
    if wanted in (None, "buildah") and shutil.which("buildah"):
        if os.geteuid() != 0:
            raise ImageUnavailable("buildah without root is not supported here; run as root or start docker")
        return Buildah()
    missing = wanted or "docker engine or buildah"
    raise ImageUnavailable(f"no {missing} to build an image with; start docker, or: apt-get install buildah")


def debian_base() -> str:
    """A Debian with Python as a base image, made by debootstrap when buildah's storage lacks it (about 90 s, once)."""
    with only_one(cache_folder() / "debian-base.lock"):
        if _answers("buildah", "inspect", "--type", "image", DEBIAN_BASE):
            return DEBIAN_BASE
        if shutil.which("debootstrap") is None:
            raise ImageUnavailable("no debootstrap to make a base image with; apt-get install debootstrap")
        with tempfile.TemporaryDirectory(prefix="weir-base-") as folder:
            root, archive = Path(folder, "root"), Path(folder, "root.tar")
            run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _DEBIAN, str(root))
            run(
                "tar",
                "-C",
                str(root),
                "-cf",
                str(archive),
                *(f"--exclude={pattern}" for pattern in _LEFT_OUT),
                ".",
            )
            container = buildah("from", "scratch")
            try:
                buildah("add", "--quiet", container, str(archive), "/")
                buildah("config", "--cmd", "/bin/sh", container)
                buildah("commit", "--quiet", container, DEBIAN_BASE)
            finally:
                buildah("rm", container)
    return DEBIAN_BASE


def buildah(*arguments: str) -> str:
    """Run buildah so that it needs neither an engine nor more rights than a container's root has."""
    return run(
        "buildah", *arguments, environment={"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}
    )


def run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What the command printed, without the last line's end.

    Raises:
        ImageError: it failed.
    """
    ended = subprocess.run(
        command,
        env={**(environment or {}), **os.environ},
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if ended.returncode != 0:
        said = (ended.stdout + ended.stderr)[-4000:]
        raise ImageError(f"{' '.join(command[:3])} ... ended with {ended.returncode}:\n{said}")
    return ended.stdout.strip()


def _answers(*command: str) -> bool:
    environment = {"STORAGE_DRIVER": "overlay", **os.environ}
    return (
        subprocess.run(
            command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    )
