"""Ids are types: what names a job, an operator, a subtask, a checkpoint.

Every id that crosses a module boundary has a type of its own here, so that a checkpoint number can
never be passed where a key group is meant. They are plain ``int`` and ``str`` at run time.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NamedTuple, NewType

#: 32 lower-case hex digits; names the job's folder in storage and stays over recoveries and upgrades.
JobId = NewType("JobId", str)
#: What the user wrote in ``uid(...)``.
OperatorUid = NewType("OperatorUid", str)
#: 32 lower-case hex digits, derived from the uid (or the structure); what state is matched by.
OperatorId = NewType("OperatorId", str)
#: Id of a chain of operators in the physical plan: the operator id of the chain's head.
VertexId = NewType("VertexId", str)
#: Grows by one with each completed or attempted snapshot of a job; starts at 1.
CheckpointId = NewType("CheckpointId", int)
#: 0 <= key group < max parallelism.
KeyGroup = NewType("KeyGroup", int)
#: The fence's counter: one for each JobManager process that takes over a job; starts at 1.
Epoch = NewType("Epoch", int)
#: Counts deployments of a job within one epoch; starts at 1.
AttemptId = NewType("AttemptId", int)
#: Names one TaskManager process (a supervisor) for as long as it lives.
TaskManagerId = NewType("TaskManagerId", str)
#: Names one worker process; a replacement in the same slot has another id.
WorkerId = NewType("WorkerId", str)

_HEX32 = re.compile(r"[0-9a-f]{32}")


class SubtaskId(NamedTuple):
    """One parallel instance of a vertex."""

    vertex: VertexId
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls

    def __str__(self) -> str:
        return f"{self.vertex[:8]}/{self.index}"


def new_job_id() -> JobId:
    """A random job id."""
    return JobId(secrets.token_hex(16))


def is_job_id(text: str) -> bool:
    """Whether ``text`` has the form of a job id (32 lower-case hex digits)."""
    return _HEX32.fullmatch(text) is not None


def operator_id_of_uid(uid: str) -> OperatorId:
    """The operator id of a uid: stable for ever, since snapshots are matched by it."""
    return OperatorId(hashlib.sha256(b"uid:" + uid.encode()).hexdigest()[:32])
