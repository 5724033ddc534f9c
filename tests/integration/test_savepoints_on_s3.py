"""Savepoints on a real S3: written and read there, moved to another prefix, refused where nothing can be written. Rows A17, A18."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from minio.commonconfig import CopySource
from msgspec import structs

from tests.support.clusters import FAST, faults, open_gate, reference, spec, started
from tests.support.s3_servers import S3Server
from weir.errors import WrongState
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState


@pytest.fixture
def cluster(s3: S3Server) -> Iterator[LocalCluster]:
    with LocalCluster(environment={**FAST, **s3.environment}) as made:
        yield made


def objects(s3: S3Server, prefix: str) -> list[str]:
    found = s3.client().list_objects(s3.bucket, prefix=prefix, recursive=True)
    return sorted(str(item.object_name) for item in found)


def test_a_savepoint_on_s3_is_self_contained_and_may_be_moved(
    cluster: LocalCluster, s3: S3Server, tmp_path: Path
) -> None:
    work = reference(tmp_path, keys=100, ballast=1000)

    def wanted(name: str, root: str) -> JobSpec:
        made = spec(work, tmp_path, name=name, state__backend__type="FileSystem")
        return structs.replace(made, checkpoint_storage=f"{s3.uri}/{root}")

    job = started(cluster, wanted("first", "first"))
    with pytest.raises(WrongState, match="no-such-bucket-here"):
        cluster.stop(job, "s3://no-such-bucket-here/savepoints")
    path = cluster.stop(job, f"{s3.uri}/savepoints")
    status = cluster.status(job)
    assert (status.state, status.attempt, status.failures) == (JobState.FINISHED, 1, ())
    prefix = path.removeprefix(f"s3://{s3.bucket}/") + "/"
    saved = objects(s3, prefix)
    assert f"{prefix}_metadata" in saved
    assert len(saved) > 1
    assert objects(s3, "savepoints/") == saved, "nothing is left of looking whether the folder can be written"

    client = s3.client()
    for name in saved:
        moved = f"moved/{name.removeprefix(prefix)}"
        client.copy_object(s3.bucket, moved, CopySource(s3.bucket, name))
    for name in [*saved, *objects(s3, "first/")]:
        client.remove_object(s3.bucket, name)
    open_gate(work)
    again = structs.replace(wanted("again", "again"), restore_from=f"{s3.uri}/moved", parallelism=3)
    status = cluster.wait(cluster.submit(again), timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    assert faults(work) == []
    assert len(objects(s3, "moved/")) == len(saved), "it is the user's"
