"""A cluster beside the one that the other tests use: two do not meet, and the one that is taken down leaves nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.fixtures import run
from tests.cluster.native import NativeCluster
from tests.cluster.node import marked
from tests.cluster.providing import Cluster

NAME = "leaves-nothing"
NAMESPACES = ("mnt", "net", "pid", "ipc")


@pytest.fixture
def other(cluster: Cluster) -> Iterator[NativeCluster]:
    if not isinstance(cluster.provider, NativeCluster):
        pytest.skip("what another provider leaves is its own matter")
    yield NativeCluster(NAME)
    run("--name", NAME, "down")


def namespaces_of(pid: int | str) -> set[str]:
    """The namespaces of a process that are not this one's, as the kernel names them."""
    found = set()
    for kind in NAMESPACES:
        try:
            name = os.readlink(f"/proc/{pid}/ns/{kind}")
        except OSError:  # it ended while we looked
            continue
        if name != os.readlink(f"/proc/self/ns/{kind}"):
            found.add(name)
    return found


def namespaces_in_use() -> set[str]:
    return {name for entry in Path("/proc").glob("[0-9]*") for name in namespaces_of(entry.name)}


def machine() -> dict[str, str]:
    """What a cluster could leave on the machine itself."""
    commands = (
        ("nft", "list", "ruleset"),
        ("ip", "-brief", "link"),
        ("ip", "route"),
        ("ip", "netns", "list"),
    )
    return {
        " ".join(command): subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in commands
    }


def test_a_cluster_that_is_taken_down_leaves_no_process_mount_namespace_rule_or_file(
    cluster: Cluster, other: NativeCluster
) -> None:
    before = machine()
    run("--name", NAME, "up", "--bare")
    (node,) = other.nodes()
    groups = list(node.control_group_folders())
    inside = {name for process in marked(node.folder) for name in namespaces_of(process.pid)}
    assert len(inside) == len(NAMESPACES)
    assert inside <= namespaces_in_use()
    assert groups
    assert all(group.exists() for group in groups)

    run("--name", NAME, "down")

    assert marked(node.folder) == []
    assert inside & namespaces_in_use() == set()
    assert [group for group in groups if group.exists()] == []
    assert not other.folder.exists()
    assert str(other.folder) not in Path("/proc/self/mountinfo").read_text()
    assert machine() == before
    assert cluster.kubectl("get", "--raw", "/readyz") == "ok"
