"""The images of the scenarios: two versions of a user's jobs on top of our image, loaded together with it.

They are what a Dockerfile of two lines gives (FROM ours, COPY to /opt/weir/jobs), which the image's own tests build; here the layer is
written as it is, since what they share with ours then travels to the nodes once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.images import load
from tests.cluster.providing import Cluster
from tests.image.building import checkout_tag

#: The modules of the jobs.
JOBS = (
    *sorted((Path(__file__).parent / "jobs").glob("*.py")),
    Path(__file__).parent.parent.parent / "examples/flights/live.py",
)
#: What differs between two versions of a job: a constant that it writes with each row.
VERSIONS = {"counting.py": "VERSION", "live.py": "RELEASE"}


@dataclass(frozen=True)
class Images:
    """Names of images that every node has."""

    weir: str  #: ours; the operator's

    def of(self, version: int) -> str:
        """The jobs' image of this version, 1 or 2."""
        return f"weir-e2e-jobs:v{version}-{checkout_tag()}"

    def load(self, cluster: Cluster, only: str | None = None) -> None:
        """Gives them to every node, or to one that was added since."""
        further = {self.of(version): _files(version) for version in (1, 2)}
        load(cluster.provider, self.weir, further=further, only=only)


def _files(version: int) -> Mapping[str, bytes]:
    files = {}
    for module in JOBS:
        text = module.read_text()
        if constant := VERSIONS.get(module.name):
            text = text.replace(f"{constant} = 1\n", f"{constant} = {version}\n")
        files[f"/opt/weir/jobs/{module.name}"] = text.encode()
    return files
