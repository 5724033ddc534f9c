"""What tests in a cluster ask for: ``cluster``, ``weir_image``, ``namespace``, ``spare_node``. A suite's conftest.py imports them by name.

A cluster that is up before the tests is used and left; otherwise the session brings one up and takes it down. Where none can be had the tests are
skipped with one line; with ``CI=true`` that is a failure, since there nobody would notice.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.cluster import debian, minio_server
from tests.cluster.errors import ClusterError, ClusterUnavailable
from tests.cluster.images import load
from tests.cluster.native import NativeCluster, log_ends
from tests.cluster.providing import Cluster, find_provider

#: Seconds that one test may take with the fixtures that it is the first to need: on a new machine they build Kubernetes.
FIRST_TEST_LIMIT_S = 3600


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with MinIO."""
    try:
        provider = find_provider()
    except ClusterUnavailable as error:
        unavailable(str(error))
    was_up = bool(provider.nodes_up())
    try:
        try:
            run("up")
        except ClusterError:
            print(*provider.status(), *log_ends(), sep="\n")
            raise
        yield Cluster(provider)
    finally:
        if not was_up:
            run("down")


@pytest.fixture(scope="session")
def weir_image(cluster: Cluster) -> str:
    """The image of this checkout, on every node."""
    from tests.image.building import build, checkout_tag
    from tests.image.errors import ImageError, ImageUnavailable

    try:
        debian.install(debian.BUILDING)
        image = build(f"weir:{checkout_tag()}").image
    except ImageUnavailable as error:
        unavailable(str(error))
    except ImageError as error:
        raise ClusterError(str(error)) from error
    load(cluster.provider, image)
    return image


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that enforces the ``restricted`` pod security profile and holds MinIO's credentials."""
    name = f"test-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        minio_server.secret(name),
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def spare_node(cluster: Cluster, weir_image: str) -> Iterator[str]:
    """A node in addition, with our image, for a test that loses it; only pods that tolerate ``settings.SPARE`` go there."""
    if not isinstance(cluster.provider, NativeCluster):
        pytest.skip("only a native cluster takes a node in addition")
    name = run("spare").split()[-1]
    try:
        load(cluster.provider, weir_image, only=name)
        yield name
    finally:
        run("spare", name)


def unavailable(reason: str) -> NoReturn:
    """Ends the test: skipped for this reason, in CI failed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have a cluster: {reason}", pytrace=False)
    pytest.skip(reason)


def run(*command: str) -> str:
    """What a command of ``python -m tests.cluster`` printed. In a process of its own: what it starts is not the tests' child."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster", *command], capture_output=True, text=True, check=False
    )
    print(done.stdout, done.stderr, sep="")
    if done.returncode != 0:
        raise ClusterError(done.stderr.strip() or f"`python -m tests.cluster {' '.join(command)}` failed")
    return done.stdout
