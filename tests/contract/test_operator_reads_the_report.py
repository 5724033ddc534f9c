"""The operator understands every report that the engine makes: nothing that it goes by is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from msgspec import structs

from tests.support import rest_facts as facts
from weir.errors import FailureKind
from weir.ids import TaskManagerId
from weir.jobmanager.facts import JobFacts
from weir.jobmanager.rest.models import report as models
from weir.jobmanager.rest.views.report import _CLASSES, report
from weir.rpc.requests import JobState
from weir_operator import observed
from weir_operator.observer.reports import job_manager_report


def read(job: JobFacts) -> observed.JobManagerReport:
    """What the operator makes of the engine's bytes."""
    answer = msgspec.json.encode(report(job, facts.cluster_facts()))
    return job_manager_report(msgspec.json.decode(answer))


def test_a_running_job_arrives_with_all_its_facts() -> None:
    found = read(facts.job_facts())
    assert (found.run, found.state, found.epoch, found.tail) == (7, observed.JobState.RUNNING, 2, 31)
    assert found.task_managers == ("flights-7-tm-a", "flights-7-tm-b")
    assert found.restored is not None and found.restored.id == 7
    assert found.last_checkpoint is not None and found.last_checkpoint == found.retained[-1]
    assert [snapshot.id for snapshot in found.retained] == [7, 10]
    assert found.running_since is not None and found.failed_checkpoints == 1
    assert [failure.failure_class.value for failure in found.failures] == ["Infrastructure", "User"]
    assert found.failures[1].task_manager == "flights-7-tm-b"
    request = found.requests["5a" * 16]
    assert request.state is observed.RequestState.COMPLETED
    assert request.snapshot is not None and request.snapshot.path.endswith("savepoint-f1f1f1-8")
    assert not found.standby
    (skipped,) = found.skipped
    assert skipped.path.endswith("chk-8") and "damaged" in skipped.reason


def test_those_without_a_subtask_are_known_by_their_pods() -> None:
    cluster = facts.cluster_facts()
    spare = structs.replace(
        cluster.task_managers[0], id=TaskManagerId("tm-d"), host="flights-7-tm-d", workers=()
    )
    answer = report(facts.job_facts(), replace(cluster, task_managers=(*cluster.task_managers, spare)))
    found = job_manager_report(msgspec.json.decode(msgspec.json.encode(answer)))
    assert found.task_managers == ("flights-7-tm-a", "flights-7-tm-b", "flights-7-tm-d")
    assert found.idle_task_managers == ("flights-7-tm-d",)
    assert read(facts.job_facts()).idle_task_managers == ()


def test_a_start_that_was_refused_arrives_with_both_tails() -> None:
    found = read(facts.standing_by())
    assert found.start_refused == observed.StartRefused(expected=31, found=32)
    assert found.epoch is None and found.standby and found.standby_ready


def test_a_blocked_restore_arrives_with_its_choices() -> None:
    found = read(facts.blocked())
    assert found.restore_held is not None
    assert found.restore_held.reason == "chk-9 is damaged" and "chk-8" in found.restore_held.choices[0]


def test_an_end_arrives_with_its_savepoint() -> None:
    found = read(facts.stopped())
    assert found.ending is observed.Ending.STOPPED
    assert found.last_savepoint is not None and found.last_savepoint.path.endswith("-12")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: {state.value for state in JobState}, observed.JobState),
        (lambda: {kind.value for kind in models.FailureClass}, observed.FailureClass),
        (lambda: {state.value for state in models.RequestState}, observed.RequestState),
        (lambda: {"Stopped", "Finished", "Cancelled", "Failed", "Superseded"}, observed.Ending),
    ],
)
def test_the_operator_knows_every_word_of_the_engine(ours: Callable[[], set[str]], theirs: type) -> None:
    assert ours() <= {member.value for member in theirs}


def test_every_kind_of_failure_has_a_class() -> None:
    assert set(_CLASSES) == set(FailureKind)
