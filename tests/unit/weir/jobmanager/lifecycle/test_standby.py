from __future__ import annotations

import pytest

from weir.ids import JobId, SubtaskId, VertexId
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.lifecycle.job_phases import Moment, Phase
from weir.jobmanager.lifecycle.job_state import IllegalEvent, JobMachine
from weir.jobmanager.lifecycle.restart import FixedDelay
from weir.rpc.requests import JobState

NOW = Moment(0.0)
PLANNED = ev.Planned(1, frozenset({SubtaskId(VertexId("v"), 0)}), FixedDelay(3, 1.0), True, 30.0)


def planned(*, standby: bool) -> tuple[JobMachine, list[ev.Instruction]]:
    machine = JobMachine(JobId("c" * 32), standby=standby)
    return machine, machine.handle(PLANNED, NOW)


def test_a_job_that_stands_by_is_planned_and_claims_nothing_until_it_is_activated():
    machine, orders = planned(standby=True)
    assert (machine.phase, machine.state, orders) == (Phase.STANDBY, JobState.CREATED, [ev.LookBack()])
    assert machine.handle(ev.Activated(), NOW) == [ev.ClaimJob()]


def test_a_start_that_was_refused_waits_for_another_order():
    machine, orders = planned(standby=False)
    assert orders == [ev.ClaimJob()]
    assert machine.handle(ev.StartHeld(), NOW) == []
    assert machine.phase is Phase.STANDBY
    assert machine.handle(ev.Activated(), NOW) == [ev.ClaimJob()]


def test_a_job_that_stands_by_ends_without_a_record_when_it_is_stopped():
    machine, _ = planned(standby=True)
    assert machine.handle(ev.StopRequested(StopKind.CANCEL), NOW) == [ev.Settle(JobState.CANCELED)]


def test_a_job_that_was_stopped_during_its_claim_ends_when_the_claim_is_refused():
    machine, _ = planned(standby=False)
    machine.handle(ev.StopRequested(StopKind.CANCEL), NOW)
    assert machine.handle(ev.StartHeld(), NOW) == [ev.Settle(JobState.CANCELED)]


def test_a_job_that_runs_is_not_activated_again():
    machine, _ = planned(standby=False)
    with pytest.raises(IllegalEvent):
        machine.handle(ev.Activated(), NOW)
