"""What an operator is told of a job besides what people see: where its log is, whether it runs, and what it was asked for."""

from __future__ import annotations

from typing import Final

from weir.jobmanager.chronicle import Chronicle
from weir.jobmanager.facts import ControlFacts
from weir.jobmanager.history.activation import Activation
from weir.jobmanager.history.journal import Journal
from weir.jobmanager.lifecycle.job_phases import EndGoal, Phase
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.jobmanager.operations import Operations
from weir.rpc.requests import JobState

#: The words of the log for the end of a job that has none.
_ENDINGS: Final = {
    JobState.FINISHED: "Finished",
    JobState.CANCELED: "Cancelled",
    JobState.FAILED: "Failed",
}
_ALL_RUN: Final = (Phase.RUNNING, Phase.SAVING, Phase.COMMITTING, Phase.CLOSING)


def control_facts(
    machine: JobMachine,
    activation: Activation,
    journal: Journal | None,
    chronicle: Chronicle,
    operations: Operations,
) -> ControlFacts:
    """The job at this moment."""
    found = activation.ended
    position = found.position if found is not None else None if journal is None else journal.position()
    return ControlFacts(
        position=position,
        ending=_ending(machine) if position is None else position.ending,
        kept={} if found is None else found.kept,
        running_since_ms=chronicle.running_since_ms if machine.phase in _ALL_RUN else None,
        refused=activation.refused,
        blocked=activation.blocked,
        skipped=chronicle.skipped,
        stands_by=machine.phase is Phase.STANDBY or (activation.standby and machine.phase is Phase.PLANNING),
        waiting=activation.waiting,
        requests=operations.known(),
    )


def _ending(machine: JobMachine) -> str | None:
    goal = machine.goal
    if machine.phase is not Phase.SETTLED or machine.epoch is None or not isinstance(goal, EndGoal):
        return None
    return "Stopped" if goal.stopped else _ENDINGS.get(goal.state)
