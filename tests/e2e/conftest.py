"""What scenarios ask for: ``stage``, a namespace with the operator, and ``images``, the versions of their job.

With several workers (``pytest -n 2 --dist loadfile``) each file is played by one of them; what all share is built by whoever comes first.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.fixtures import FIRST_TEST_LIMIT_S, cluster, namespace, spare_node, weir_image
from tests.cluster.object_store import ObjectStore
from tests.cluster.providing import Cluster
from tests.cluster.skips import pytest_runtest_makereport as no_skips
from tests.e2e import installing, write_log
from tests.e2e import stage as stages
from tests.e2e.images import Images
from tests.e2e.report import report
from tests.e2e.stage import Stage

__all__ = ["cluster", "namespace", "spare_node", "weir_image"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(FIRST_TEST_LIMIT_S))


@pytest.fixture(scope="session")
def images(cluster: Cluster, weir_image: str) -> Images:
    images = Images(weir_image)
    images.load(cluster)
    return images


@pytest.fixture(scope="session")
def store(cluster: Cluster) -> Iterator[ObjectStore]:
    with ObjectStore(cluster) as store:
        yield store


@pytest.fixture
def stage(
    cluster: Cluster, store: ObjectStore, images: Images, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    """A new namespace with an operator that serves it alone; in the end, what all wrote in it is judged."""
    name = f"e2e-{secrets.token_hex(4)}"
    cluster.apply(*stages.namespace(name))
    installing.install(cluster, name, images.weir)
    with Stage(cluster, name, store, images) as stage:
        yield stage
        log = cluster.provider.write_log
        wrong = write_log.faults(write_log.read(log, name)) if log is not None else []
        cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
    assert wrong == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure says what the cluster says; a skip in CI is a failure."""
    result = yield from no_skips(item, call)
    stage = getattr(item, "funcargs", {}).get("stage")
    if result.failed and call.when == "call" and stage is not None:
        result.sections.append(("the cluster", report(stage)))
    return result
