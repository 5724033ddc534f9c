"""Whose fault a failure is, and what its report says."""

from __future__ import annotations

import json

import pytest

from weir.errors import (
    ConfigError,
    FailureKind,
    JobLoadError,
    SnapshotCorrupt,
    SnapshotMismatch,
    StateAccessError,
    StorageUnavailable,
    UserCodeError,
)
from weir.ids import WorkerId
from weir.operators.failures import excerpt, operator_failure, user_location, user_trace
from weir.rpc.messages import Failure
from weir.taskmanager.causes import PeerLost, failure_of


def report(error: BaseException) -> Failure:
    return failure_of(error, WorkerId("w1"), 3)


def raised(error: BaseException) -> BaseException:
    """With a frame of this file."""
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "kind", "restartable"),
    [
        (PeerLost("gone"), FailureKind.WORKER_LOST, True),
        (StorageUnavailable("503"), FailureKind.STORAGE, True),
        (SnapshotCorrupt("cut"), FailureKind.STORAGE, False),
        (SnapshotMismatch("max parallelism"), FailureKind.USER, False),
        (UserCodeError("x"), FailureKind.USER, True),
        (ConfigError("x"), FailureKind.USER, False),
        (JobLoadError("x"), FailureKind.USER, False),
        (StateAccessError("x"), FailureKind.USER, False),
        (SystemExit(1), FailureKind.USER, True),
        (KeyError("x"), FailureKind.ENGINE, True),
        (AssertionError("bug"), FailureKind.ENGINE, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_the_kind_follows_from_the_type(error: BaseException, kind: FailureKind, restartable: bool) -> None:
    found = report(error)
    assert (found.kind, found.restartable, found.worker, found.subtask) == (kind, restartable, "w1", 3)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("id"), FailureKind.USER),
        (AssertionError("bug"), FailureKind.ENGINE),
        (StorageUnavailable("503"), FailureKind.STORAGE),
        (SnapshotCorrupt("cut"), FailureKind.STORAGE),
    ],
    ids=repr,
)
def test_what_an_operator_raised_without_a_frame_of_the_user_is_judged_by_its_cause(
    error: Exception, kind: FailureKind
) -> None:
    found = report(operator_failure(error, "'Map' (uid m)", "job.py:3"))
    assert (found.kind, found.operator) == (kind, "'Map' (uid m)")
    assert found.message.startswith("job.py:3: ")


def test_an_exception_with_a_frame_of_the_user_is_the_users_and_begins_with_the_line() -> None:
    found = report(raised(KeyError("id")))
    assert found.kind is FailureKind.USER
    assert found.message.startswith(f"{__file__}:")
    assert "KeyError: 'id'" in found.message


def test_a_failure_is_wrapped_once_by_the_operator_that_raised() -> None:
    inner = operator_failure(raised(ValueError("x")), "'inner'")
    assert operator_failure(inner, "'outer'") is inner
    assert isinstance(inner.__cause__, ValueError)


def test_a_record_whose_repr_is_huge_or_broken_does_not_spoil_the_message() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert len(excerpt("x" * 10_000)) < 250
    assert excerpt(Broken()) == "<Broken whose repr raised RuntimeError>"


def test_frames_of_the_engine_and_of_the_standard_library_are_not_the_users() -> None:
    with pytest.raises(ValueError) as caught:
        json.loads("{")
    assert user_location(caught.tb).startswith(f"{__file__}:")
    assert user_trace(caught.value).startswith("Traceback (user code, most recent call last):")
    assert user_location(None) is None
