"""Every fault of a document at once, each with its path, its value and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.faulty_stream_jobs import JOB, SNAPSHOTS, TABLE, pod
from tests.support.stream_jobs import FULL
from weir_operator.models import StreamJobSnapshotSpec, StreamJobSpec
from weir_operator.validation import Limits, snapshot_faults, stream_job_faults


def faults(spec: dict[str, Any], name: str = "flights", **asked: Any) -> list[str]:
    body = {"metadata": {"name": name, "namespace": "air"}, "spec": {"job": JOB, **spec}}
    return [str(fault) for fault in stream_job_faults(body, **asked)]


def test_what_is_right_has_no_faults() -> None:
    assert faults({}) == []
    assert faults(FULL) == []


def test_faults_of_all_kinds_are_told_at_once() -> None:
    spec = {
        "job": {"entrypoint": "flights.job:build", "state": "Off", "parallelism": 200},
        "checkpoints": {"intervall": "10s", "retained": 0},
        "storage": {"s3": {"endpoint": "minio:9000"}},
        "upgrade": {"maxCheckpointAge": "1h"},
    }
    assert [fault.partition(": ")[0] for fault in faults(spec)] == [
        "spec.checkpoints.intervall",
        "spec.checkpoints.retained",
        "spec.job.parallelism",
        "spec.job.state",
        "spec.storage.s3.endpoint",
        "spec.upgrade.maxCheckpointAge",
    ]


@pytest.mark.parametrize("case", TABLE)
def test_a_fault_is_told_by_path_value_and_remedy(case: str) -> None:
    spec, said = TABLE[case]
    [fault] = faults(spec)
    assert fault.startswith(said)


def test_items_of_a_list_keep_their_numbers_when_one_before_them_is_unreadable() -> None:
    env = [{}, {"name": "A"}, {"name": "B", "value": "x", "valueFrom": {}}]
    assert [fault.partition(": ")[0] for fault in faults(pod(env=env))] == [
        "spec.taskManager.pod.env[0].name",
        "spec.taskManager.pod.env[2]",
        "spec.taskManager.pod.env[2].valueFrom",
    ]


@pytest.mark.parametrize("job", [None, [], {}, {"entrypoint": 5}])
def test_the_rest_is_judged_although_what_is_required_is_missing(job: Any) -> None:
    body = {"metadata": {"name": "flights"}, "spec": {"job": job, "restore": {"nonce": 1}}}
    assert [fault.path for fault in stream_job_faults(body)] == [
        "spec.job" if not isinstance(job, dict) else "spec.job.entrypoint",
        "spec.restore.nonce",
    ]


def test_a_document_without_a_spec_has_that_one_fault() -> None:
    assert [str(fault) for fault in stream_job_faults({"metadata": {"name": "flights"}})] == [
        "spec: is missing; it is required"
    ]


def test_a_rule_about_what_could_not_be_read_is_not_judged() -> None:
    spec = {"checkpoints": {"interval": "10s"}, "storage": {"checkpoints": 5, "savepoints": "s3://weir/s"}}
    assert faults(spec) == ["spec.storage.checkpoints: got 5, expected a text"]


@pytest.mark.parametrize("name", ["a" * 46, "flights.air", "7up"])
def test_a_name_that_workloads_cannot_have_is_refused(name: str) -> None:
    [fault] = faults({}, name=name)
    assert fault.startswith("metadata.name: ")


def test_key_groups_cannot_change_while_state_is_kept() -> None:
    runs = StreamJobSpec.model_validate({"job": JOB})
    more = {"job": {**JOB, "maxParallelism": 256}}
    [fault] = faults(more, previous=runs)
    assert fault.startswith("spec.job.maxParallelism: maxParallelism cannot change while state is kept")
    assert faults({"job": {**JOB, "maxParallelism": 128}}, previous=runs) == []
    assert faults({**more, "upgrade": {"mode": "Stateless"}}, previous=runs) == []


def test_a_foreign_bucket_is_refused_where_an_administrator_said_which_are_allowed() -> None:
    limits = Limits(("{namespace}-*", "shared"))
    spec = {
        "storage": {"checkpoints": "s3://air-state/c", "savepoints": "s3://sea-state/s"},
        "restore": {"from": "s3://shared/x"},
    }
    assert faults(spec) == []
    [fault] = faults(spec, limits=limits)
    assert fault == (
        "spec.storage.savepoints: s3://sea-state/s lies in bucket sea-state, and jobs of namespace air may use air-*, shared; "
        "choose one of these, or ask who runs the operator to allow the bucket"
    )


@pytest.mark.parametrize("case", SNAPSHOTS)
def test_a_fault_of_a_snapshot_is_told(case: str) -> None:
    spec, said = SNAPSHOTS[case]
    [fault] = snapshot_faults({"metadata": {"name": "s"}, "spec": spec})
    assert str(fault).startswith(said)


def test_what_a_snapshot_is_of_cannot_change() -> None:
    before = StreamJobSnapshotSpec(job="a")
    assert (
        snapshot_faults({"metadata": {"name": "s"}, "spec": {"job": "a", "dispose": True}}, previous=before)
        == []
    )
    [fault] = snapshot_faults({"metadata": {"name": "s"}, "spec": {"job": "b"}}, previous=before)
    assert str(fault).startswith("spec.job: job cannot change")
