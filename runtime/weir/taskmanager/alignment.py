"""When a subtask snapshots: barriers of all its input channels, as a pure state machine.

``ExactlyOnce`` blocks a channel from its barrier on until every channel had it, so nothing that follows the barrier
is processed before the snapshot. ``AtLeastOnce`` blocks nothing and snapshots when every channel had it. Both
answer each barrier with an ``Outcome``; the task snapshots on ``COMPLETE``. Terms and rules are Flink's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol


class Outcome(Enum):
    """What a barrier meant."""

    WAIT = auto()  #: other channels still lack it
    COMPLETE = auto()  #: the last one: snapshot now
    IGNORE = auto()  #: of a checkpoint that is over or aborted


@dataclass(frozen=True)
class Decision:
    """Answer to a barrier. ``unblock``: channels that may be read again."""

    outcome: Outcome
    block: bool = False
    unblock: frozenset[int] = frozenset()
    #: An older checkpoint whose alignment this barrier ended without a snapshot.
    abandoned: int | None = None


class Alignment(Protocol):
    """Decides about barriers; channels are numbered from 0."""

    def on_barrier(self, channel: int, checkpoint_id: int) -> Decision: ...

    def abort(self, checkpoint_id: int) -> frozenset[int]:
        """The checkpoint will not complete: stop waiting for it. Answers the channels to unblock."""
        ...


@dataclass
class ExactlyOnce:
    """One alignment at a time; the channels that had its barrier are blocked."""

    channels: int
    #: Highest checkpoint that was completed, abandoned or aborted here.
    last: int = 0
    #: The one being aligned, if ``arrived`` is not empty.
    current: int = 0
    arrived: set[int] = field(default_factory=set)
    #: Aborted before any barrier of theirs came; all are above ``last``.
    aborted: set[int] = field(default_factory=set)

    def on_barrier(self, channel: int, checkpoint_id: int) -> Decision:
        """Raises ``ValueError`` if the same channel brings the same barrier twice."""
        over = checkpoint_id <= self.last or checkpoint_id in self.aborted
        if over or (self.arrived and checkpoint_id < self.current):
            return Decision(Outcome.IGNORE)
        abandoned = None
        unblock: frozenset[int] = frozenset()
        if self.arrived and checkpoint_id > self.current:
            # A newer one overtook on a channel whose barrier of the older never came.
            abandoned, unblock = self.current, frozenset(self.arrived)
            self._over(self.current)
        if channel in self.arrived:
            raise ValueError(f"channel {channel} brought barrier {checkpoint_id} twice")
        self.current = checkpoint_id
        self.arrived.add(channel)
        if len(self.arrived) < self.channels:
            return Decision(Outcome.WAIT, block=True, unblock=unblock - {channel}, abandoned=abandoned)
        unblock |= frozenset(self.arrived)
        self._over(checkpoint_id)
        return Decision(Outcome.COMPLETE, unblock=unblock, abandoned=abandoned)

    def abort(self, checkpoint_id: int) -> frozenset[int]:
        if checkpoint_id <= self.last:
            return frozenset()
        if self.arrived and self.current == checkpoint_id:
            unblock = frozenset(self.arrived)
            self._over(checkpoint_id)
            return unblock
        self.aborted.add(checkpoint_id)
        return frozenset()

    def _over(self, checkpoint_id: int) -> None:
        self.arrived = set()
        self.last = checkpoint_id
        self.aborted = {aborted for aborted in self.aborted if aborted > checkpoint_id}


@dataclass
class AtLeastOnce:
    """Counts barriers of any number of checkpoints at once; never blocks."""

    channels: int
    last: int = 0
    pending: dict[int, set[int]] = field(default_factory=dict)
    aborted: set[int] = field(default_factory=set)

    def on_barrier(self, channel: int, checkpoint_id: int) -> Decision:
        if checkpoint_id <= self.last or checkpoint_id in self.aborted:
            return Decision(Outcome.IGNORE)
        arrived = self.pending.setdefault(checkpoint_id, set())
        if channel in arrived:
            raise ValueError(f"channel {channel} brought barrier {checkpoint_id} twice")
        arrived.add(channel)
        if len(arrived) < self.channels:
            return Decision(Outcome.WAIT)
        self.last = checkpoint_id
        self.pending = {i: channels for i, channels in self.pending.items() if i > checkpoint_id}
        self.aborted = {aborted for aborted in self.aborted if aborted > checkpoint_id}
        return Decision(Outcome.COMPLETE)

    def abort(self, checkpoint_id: int) -> frozenset[int]:
        self.pending.pop(checkpoint_id, None)
        if checkpoint_id > self.last:
            self.aborted.add(checkpoint_id)
        return frozenset()
