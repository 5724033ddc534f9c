from __future__ import annotations

import pytest

from weir.checkpoint.start_directive import StartDirective, StartMode, StartRefused
from weir.errors import WrongState
from weir.jobmanager.history.activation import Activation
from weir.rpc.messages import JobSpec

SPEC = JobSpec(name="job", entrypoint="x:y", restore_from="s3://b/first")
EMPTY = StartDirective(run=3, mode=StartMode.EMPTY)


def test_a_directive_says_where_the_state_comes_from():
    elsewhere = StartDirective(run=3, mode=StartMode.FROM, path="s3://b/other", allow_non_restored_state=True)
    assert Activation(elsewhere).applied_to(SPEC).restore_from == "s3://b/other"
    assert Activation(elsewhere).applied_to(SPEC).allow_non_restored_state
    assert Activation(EMPTY).applied_to(SPEC).restore_from is None
    assert Activation(StartDirective(run=3)).applied_to(SPEC).restore_from == "s3://b/first"
    assert Activation().applied_to(SPEC) is SPEC


def test_a_job_that_stands_by_takes_one_directive_and_its_repetition():
    activation = Activation(standby=True, run=3)
    assert activation.take(EMPTY, waiting=True)
    assert not activation.take(EMPTY, waiting=False)
    with pytest.raises(WrongState, match="start a new run"):
        activation.take(StartDirective(run=3), waiting=False)
    with pytest.raises(WrongState, match="run 4 is not begun here"):
        activation.take(StartDirective(run=4), waiting=True)


def test_a_start_that_was_refused_may_be_ordered_anew():
    activation = Activation(StartDirective(run=3, expected_tail=4), run=3)
    activation.answered(StartRefused(expected=4, found=5))
    assert activation.refused is not None
    assert activation.take(StartDirective(run=3, expected_tail=5), waiting=True)
    assert activation.refused is None
