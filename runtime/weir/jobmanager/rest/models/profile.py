"""The answer about where the time of a job goes. Shares are of the subtasks' time, from 0 to 1, and add up to 1."""

from __future__ import annotations

import msgspec


class SubtaskShares(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One subtask, by its clocks of the last seconds."""

    subtask: int
    busy: float
    waiting_for_credit: float
    idle: float


class VertexProfile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One vertex: waiting by the clocks of its subtasks; of the busy time the parts that stack samples saw."""

    id: str
    name: str
    #: How often it was seen at work; few samples make rough shares.
    samples: int
    user: float
    state: float
    serialisation: float
    network: float
    engine: float
    waiting_for_credit: float
    idle: float
    subtasks: tuple[SubtaskShares, ...]


class JobProfile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``/jobs/:id/profile``; ``endTimestamp`` is -1, and there is no vertex, while samples are being taken."""

    end_timestamp: int
    vertices: tuple[VertexProfile, ...]
