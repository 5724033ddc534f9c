"""Builds the image of this checkout: what ``make image`` and the tests call.

``build`` picks the engine and the base, labels the image with the version and the commit, and says how large it is. Layers
that did not change are taken from the engine's cache, so a change of code makes only the last, small one.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.image import engines
from tests.image.errors import ImageError

ROOT = Path(__file__).parent.parent.parent
#: The image's name where none is given.
IMAGE = "weir:dev"


def checkout_tag() -> str:
    """The tag of the images that tests build: ``$WEIR_IMAGE_TAG``, else one for each checkout, as several may share an engine and a cluster."""
    return os.environ.get("WEIR_IMAGE_TAG") or f"test-{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}"


@dataclass(frozen=True)
class Built:
    """An image and what is known of it."""

    image: str
    engine: engines.Engine
    base: str | None  #: ``None``: the Dockerfile's default
    size: int  #: bytes, unpacked
    base_size: int | None  #: bytes of the base in it

    def __str__(self) -> str:
        above = f", {self.size - self.base_size:,} of them above {self.base}" if self.base_size else ""
        return f"{self.image}: {self.size:,} bytes{above} (built by {self.engine.name})"


def build(
    image: str = IMAGE, *, base: str | None = None, engine: str | None = None, context: Path = ROOT
) -> Built:
    """Build the image from the checkout at ``context``.

    Raises:
        ImageUnavailable: nothing here can build one.
        ImageError: the build failed.
    """
    found = engines.find_engine(engine)
    base = base or os.environ.get("WEIR_IMAGE_BASE") or found.default_base()
    arguments = ["--tag", image, *_labels(context), *_secrets()]
    if base is not None:
        arguments += ["--build-arg", f"BASE={base}"]
    found.build(arguments, context)
    return Built(image, found, base, found.size(image), found.size(base) if base else None)


def _labels(context: Path) -> list[str]:
    version = re.search(
        r'^__version__ = "(.+)"', (context / "runtime/weir/__init__.py").read_text(), re.MULTILINE
    )
    assert version, "runtime/weir/__init__.py holds no __version__"
    said = {"VERSION": version[1]}
    try:
        git = ("git", "-C", str(context))
        said["REVISION"] = engines.run(*git, "rev-parse", "HEAD")
        said["CREATED"] = engines.run(*git, "log", "-1", "--format=%cI")  # the same for the same commit
        if engines.run(*git, "status", "--porcelain", "runtime", "operator", "pyproject.toml"):
            said["REVISION"] += "-modified"
    except (ImageError, FileNotFoundError):  # no repository: an unpacked archive of it
        pass
    return [part for name, value in said.items() for part in ("--build-arg", f"{name}={value}")]


def _secrets() -> list[str]:
    """What pip needs on this machine to reach its index, if anything; never part of the image."""
    wanted = {
        "certificates": os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE"),
        "pip.conf": os.environ.get("PIP_CONFIG_FILE"),
    }
    given = {name: path for name, path in wanted.items() if path and Path(path).is_file()}
    return [part for name, path in given.items() for part in ("--secret", f"id={name},src={path}")]
