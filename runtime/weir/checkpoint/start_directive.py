"""How a JobManager in a cluster is told to begin, and what the job's log says to that. Decides; does no I/O.

The operator names the workloads of each start that it makes by a run, which only grows. The directive of a run is applied
once: a process that finds its own run in the log's last start was restarted, and goes on from the log's tail whatever the
directive says; one that finds a later run is not wanted any more.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import msgspec

from weir.checkpoint.fence_records import Entry, Start


class StartMode(enum.StrEnum):
    """Where the state of the job comes from."""

    TAIL = "Tail"  #: from where the log ends; at the job's first start, from an earlier life of its name
    FROM = "From"  #: from the snapshot at ``path``
    EMPTY = "Empty"  #: from nothing


class RestorePolicy(enum.StrEnum):
    """What to do with state that was found under the job's name."""

    RESUME = "Resume"
    REFUSE = "Refuse"
    FRESH = "Fresh"


class StartDirective(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One start that the operator wants."""

    run: int
    mode: StartMode = StartMode.TAIL
    #: Folder or ``_metadata`` of a snapshot; with ``From`` only.
    path: str | None = None
    #: Number of the log's last record for which the start was planned; ``None``: whatever it is.
    expected_tail: int | None = None
    allow_non_restored_state: bool = False
    restore_policy: RestorePolicy = RestorePolicy.RESUME

    def __post_init__(self) -> None:
        """A ``path`` belongs to ``From``, and to nothing else."""
        if (self.mode is StartMode.FROM) != bool(self.path):
            raise ValueError(f"mode {self.mode} with path {self.path!r}; From needs a path, others take none")


@dataclass(frozen=True)
class Apply:
    """The directive is to be carried out now."""


@dataclass(frozen=True)
class Applied:
    """It was, by a process before this one: go on from the tail, or stay with the end that is recorded."""


@dataclass(frozen=True)
class Outrun:
    """A later run has the job."""

    run: int


@dataclass(frozen=True)
class StartRefused:
    """The log went on since the start was planned: plan again."""

    expected: int
    found: int


Admission = Apply | Applied | Outrun | StartRefused


def admit(tail: int, last_start: Entry | None, directive: StartDirective) -> Admission:
    """What a process with ``directive`` may do; ``last_start`` is the newest one that ran something."""
    last = None if last_start is None else run_of(last_start)
    if last is not None and last > directive.run:
        return Outrun(last)
    if last == directive.run:
        return Applied()
    if directive.expected_tail is not None and directive.expected_tail != tail:
        return StartRefused(directive.expected_tail, tail)
    return Apply()


def run_of(start: Entry) -> int | None:
    """The number of a start's run; ``None``: nobody counted it, as with ``weir run``."""
    assert isinstance(start.record, Start)
    run = start.record.run
    return int(run) if run.isascii() and run.isdigit() else None
