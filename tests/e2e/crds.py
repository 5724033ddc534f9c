"""The CRDs of the scenarios' cluster, which all scenarios share, whichever worker plays them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.builder import only_one
from tests.cluster.providing import Cluster
from tests.support.resources_of_a_server import wait_established

FOLDER = Path(__file__).parent.parent.parent / "crds"


@contextmanager
def alone(cluster: Cluster) -> Iterator[None]:
    """What is inside changes the CRDs, or reads what it changed, while no other scenario applies them."""
    with only_one(cluster.provider.kubeconfig.with_name("crds.lock")):
        yield


def apply(cluster: Cluster) -> None:
    """Returns when this checkout's CRDs are served."""
    with alone(cluster):
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(FOLDER))
        wait_established(cluster, "streamjobs.weir.dev", "streamjobsnapshots.weir.dev")
