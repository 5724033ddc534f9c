"""Every spelling of an object in a job's checkpoint folder and of a savepoint, in one place.

``<checkpoints>/<job-id>/{fence/, shared/, taskowned/, chk-<n>/}``, ``<checkpoints>/by-name/<namespace>/<name>/<job-id>``
and ``<savepoints>/savepoint-<job>-<id>/``. State objects carry epoch and attempt in their names, so that a process of
an earlier epoch can neither overwrite nor be taken for what a later one wrote.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from weir.ids import AttemptId, CheckpointId, Epoch, JobId, OperatorId

FENCE = "fence/"
SHARED = "shared/"
TASK_OWNED = "taskowned/"
METADATA = "_metadata"

_FENCE_RECORD = re.compile(r"fence/([0-9]{12})")
_CHECKPOINT = re.compile(r"chk-([1-9][0-9]*)/(.+)")
_STATE = re.compile(r"e([0-9]+)-a([0-9]+)-([0-9a-f]{16})-([0-9]+)-(keyed|operator|in-flight)")
_SHARED = re.compile(r"shared/([1-9][0-9]*)/(e[0-9]+-a[0-9]+-[0-9a-f]{16}-[0-9]+-keyed)-[0-9a-z]+")


class StateKind(enum.StrEnum):
    """Which part of a subtask's state an object holds."""

    KEYED = "keyed"
    OPERATOR = "operator"
    IN_FLIGHT = "in-flight"  #: what an unaligned barrier overtook


class StateName(NamedTuple):
    """What the name of a state object says, without its folder."""

    epoch: Epoch
    attempt: AttemptId
    operator: str  #: the first 16 digits of the operator's id
    subtask: int
    kind: StateKind


def fence_record(seq: int) -> str:
    """The record ``seq`` (from 1) of the fence log."""
    return f"{FENCE}{seq:012}"


def fence_seq(name: str) -> int | None:
    """The number of a fence record, or None if ``name`` is something else."""
    match = _FENCE_RECORD.fullmatch(name)
    return int(match.group(1)) if match else None


def checkpoint_folder(checkpoint: CheckpointId) -> str:
    """``chk-<n>``."""
    return f"chk-{checkpoint}"


def checkpoint_metadata(checkpoint: CheckpointId) -> str:
    """``chk-<n>/_metadata``."""
    return f"{checkpoint_folder(checkpoint)}/{METADATA}"


def split_checkpoint(name: str) -> tuple[CheckpointId, str] | None:
    """Checkpoint number and the name within its folder, or None if ``name`` lies elsewhere."""
    match = _CHECKPOINT.fullmatch(name)
    return (CheckpointId(int(match.group(1))), match.group(2)) if match else None


def state_name(epoch: Epoch, attempt: AttemptId, operator: OperatorId, subtask: int, kind: StateKind) -> str:
    """A state object within a checkpoint's or savepoint's folder."""
    return f"e{epoch}-a{attempt}-{operator[:16]}-{subtask}-{kind}"


def parse_state_name(name: str) -> StateName | None:
    """The reverse of :func:`state_name`; None if ``name`` is not of that form."""
    match = _STATE.fullmatch(name)
    if match is None:
        return None
    epoch, attempt, operator, subtask, kind = match.groups()
    return StateName(Epoch(int(epoch)), AttemptId(int(attempt)), operator, int(subtask), StateKind(kind))


def shared_file(checkpoint: CheckpointId, state: str, file: str) -> str:
    """A file that later checkpoints may be made of, too: by the first one, the state of which it is part, and its own name."""
    return f"{SHARED}{checkpoint}/{state}-{file}"


class SharedName(NamedTuple):
    """What the name of a shared file says."""

    checkpoint: CheckpointId  #: for which it was stored
    epoch: Epoch


def parse_shared(name: str) -> SharedName | None:
    """The reverse of :func:`shared_file`; None if ``name`` is not of that form."""
    match = _SHARED.fullmatch(name)
    state = parse_state_name(match.group(2)) if match else None
    return SharedName(CheckpointId(int(match.group(1))), state.epoch) if match and state else None


def is_state(name: str) -> bool:
    """Whether a file in a savepoint's folder is one of ours."""
    return parse_state_name(name) is not None or parse_shared(name) is not None


def stored_earlier(name: str, checkpoint: CheckpointId) -> bool:
    """Whether a file of which ``checkpoint`` is made was stored for an earlier one."""
    shared = parse_shared(name)
    return shared is not None and shared.checkpoint < checkpoint


def savepoint_folder(job: JobId, checkpoint: CheckpointId) -> str:
    """``savepoint-<first six digits of the job id>-<id>``, below the savepoint root."""
    return f"savepoint-{job[:6]}-{checkpoint}"


def savepoint_uri(target: str, job: JobId, checkpoint: CheckpointId) -> str:
    """The folder of a savepoint below the URI ``target``."""
    return f"{target.rstrip('/')}/{savepoint_folder(job, checkpoint)}"


def by_name(namespace: str, name: str, job: JobId) -> str:
    """The marker by which a job is found by its name, below the checkpoint root."""
    return f"{by_name_prefix(namespace, name)}{job}"


def by_name_prefix(namespace: str, name: str) -> str:
    """Where the markers of all jobs that ever had this name lie."""
    return f"by-name/{namespace}/{name}/"
