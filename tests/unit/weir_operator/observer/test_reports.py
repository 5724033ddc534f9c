from datetime import UTC, datetime

import pytest

from weir_operator.observed import Ending, FailureClass, JobState, RequestState, RestoreHeld, StartRefused
from weir_operator.observer.reports import job_manager_report

#: What the engine answers on ``GET /jobs/weir``, with everything that it can say at once.
FULL = {
    "run": 7,
    "state": "RUNNING",
    "epoch": 9,
    "tail": 41,
    "ending": None,
    "parallelism": 4,
    "maxParallelism": 128,
    "slotsRequired": 4,
    "taskManagers": ["flights-7-tm-a", "flights-7-tm-b"],
    "runningSinceMs": 1767323045000,
    "restored": {
        "id": 17,
        "path": "s3://weir/checkpoints/j/chk-17",
        "completedAtMs": 1767323000000,
        "bytes": 5,
    },
    "lastCheckpoint": {"id": 18, "path": "s3://weir/checkpoints/j/chk-18"},
    "retained": [{"id": 17, "path": "s3://w/17"}, {"id": 18, "path": "s3://w/18"}],
    "lastSavepoint": {"path": "s3://weir/savepoints/savepoint-flights-1"},
    "failures": [
        {
            "class": "User",
            "fingerprint": "12345678",
            "message": "boom",
            "atMs": 1767323001000,
            "taskManager": "a",
        }
    ],
    "restarts": 2,
    "failedCheckpoints": 1,
    "startRefused": {"expected": 3, "found": 4},
    "restoreBlocked": {"reason": "committed", "choices": ["s3://w/17"]},
    "standby": {"ready": True},
    "requests": [
        {
            "trigger": "ab" * 16,
            "state": "Completed",
            "snapshot": {"path": "s3://weir/savepoints/savepoint-flights-1"},
            "startedAtMs": 1767323000000,
        }
    ],
}


def test_everything_that_a_jobmanager_can_say_is_read() -> None:
    report = job_manager_report(FULL)
    assert (report.run, report.state, report.epoch, report.tail) == (7, JobState.RUNNING, 9, 41)
    assert report.running_since == datetime.fromtimestamp(1767323045, UTC)
    assert report.task_managers == ("flights-7-tm-a", "flights-7-tm-b")
    assert [snapshot.id for snapshot in report.retained] == [17, 18]
    assert report.restored is not None
    assert (report.restored.id, report.restored.bytes) == (17, 5)
    assert report.failures[0].failure_class is FailureClass.USER
    assert report.start_refused == StartRefused(expected=3, found=4)
    assert report.restore_held == RestoreHeld(reason="committed", choices=("s3://w/17",))
    assert report.standby
    assert report.standby_ready
    assert report.requests["ab" * 16].state is RequestState.COMPLETED


def test_a_report_needs_no_more_than_a_run_and_a_state() -> None:
    report = job_manager_report({"run": 1, "state": "CREATED"})
    assert (report.epoch, report.ending, report.retained, report.standby) == (None, None, (), False)


@pytest.mark.parametrize("answer", [{}, {"run": 1}, {"state": "RUNNING"}, {"run": 1, "state": "DANCING"}])
def test_what_is_no_report_is_not_guessed_at(answer: dict) -> None:
    with pytest.raises((KeyError, ValueError)):
        job_manager_report(answer)


def test_an_engine_of_another_release_may_say_more_and_other_things() -> None:
    report = job_manager_report(
        {
            "run": 1,
            "state": "FINISHED",
            "ending": "Finished",
            "mood": "good",
            "failures": [{"class": "Cosmic"}],
            "runningSinceMs": 1e30,
            "lastCheckpoint": {"id": 3},
        }
    )
    assert report.ending is Ending.FINISHED
    assert report.failures[0].failure_class is FailureClass.INFRASTRUCTURE
    assert report.running_since is None
    assert report.last_checkpoint is None


def test_only_the_newest_failures_are_kept() -> None:
    failures = [{"fingerprint": str(n)} for n in range(50)]
    report = job_manager_report({"run": 1, "state": "RUNNING", "failures": failures})
    assert [failure.fingerprint for failure in report.failures] == [str(n) for n in range(40, 50)]
