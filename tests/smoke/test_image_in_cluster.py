"""The product's image in a real Kubernetes with a real MinIO: the least that everything later stands on."""

from __future__ import annotations

import copy
import json
import secrets

import pytest

from tests.cluster import minio_server
from tests.cluster.errors import ClusterError
from tests.cluster.pods import end_of, pod, run_pod
from tests.cluster.providing import Cluster

WRITE = """
import sys
from weir.errors import ObjectExists
from weir.storage import open_storage

storage = open_storage(sys.argv[1])
storage.create_if_absent("claim", b"first")
try:
    storage.create_if_absent("claim", b"second")
except ObjectExists:
    print("refused")
storage.write("large", bytes(range(256)) * 65536)
print(storage.read("claim").decode(), [found.name for found in storage.list()])
"""
READ = """
import sys
from weir.storage import open_storage

storage = open_storage(sys.argv[1])
print(storage.size("large"), storage.read("large") == bytes(range(256)) * 65536, storage.read_range("claim", 1, 3))
"""


def python(code: str, *arguments: str) -> list[str]:
    return ["python", "-c", code, *arguments]


def test_a_pod_of_our_image_passes_the_restricted_profile_and_one_that_asks_for_more_is_refused(
    cluster: Cluster, weir_image: str, namespace: str
) -> None:
    greedy = pod("greedy", namespace, weir_image, ["true"])
    modest = copy.deepcopy(greedy) | {"metadata": {"name": "modest", "namespace": namespace}}
    greedy["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        cluster.apply(greedy)
    who = "import os; print(os.getuid() != 0, os.access('/', os.W_OK), os.access('/opt', os.W_OK))"
    modest["spec"]["containers"][0]["command"] = python(who)
    assert run_pod(cluster, modest).split() == ["True", "False", "False"]


def test_pods_write_and_read_minio_through_the_engines_storage_layer(
    cluster: Cluster, weir_image: str, namespace: str
) -> None:
    root = f"s3://{minio_server.BUCKET}/smoke-{secrets.token_hex(4)}"
    wrote = run_pod(cluster, pod("writer", namespace, weir_image, python(WRITE, root)))
    assert wrote.splitlines() == ["refused", "first ['claim', 'large']"]
    read = run_pod(cluster, pod("reader", namespace, weir_image, python(READ, root)))
    assert read.strip() == f"{256 * 65536} True b'irs'"


def test_a_pod_that_takes_more_memory_than_its_limit_is_killed_and_the_reason_is_seen(
    cluster: Cluster, weir_image: str, namespace: str
) -> None:
    hungry = "import sys; held = [bytearray(b'x' * 2**20) for _ in range(int(sys.argv[1]))]; print(len(held))"
    assert run_pod(cluster, pod("fits", namespace, weir_image, python(hungry, "16"), memory="64Mi")) == "16\n"
    cluster.apply(pod("hungry", namespace, weir_image, python(hungry, "512"), memory="64Mi"))
    end = end_of(cluster, "hungry", namespace)
    assert (end["reason"], end["exitCode"]) == ("OOMKilled", 137)


def test_the_doctor_finds_nothing_wrong_with_minio_from_within_the_cluster(
    cluster: Cluster, weir_image: str, namespace: str
) -> None:
    root = f"s3://{minio_server.BUCKET}/doctor-{secrets.token_hex(4)}"
    doctor = ["python", "-m", "weir", "doctor", "storage", root, "-o", "json"]
    report = json.loads(run_pod(cluster, pod("doctor", namespace, weir_image, doctor)))
    assert [found for found in report["findings"] if found["verdict"] != "pass"] == []
    assert {"create if absent", "read-back after refusal", "clock"} <= {
        found["check"] for found in report["findings"]
    }
