"""When a barrier may overtake: the alignment of a subtask under unaligned checkpoints, as a pure state machine.

Barriers are *announced* when they arrive, and *brought* (``on_barrier``) when what stood before them was processed. As long as
nobody overtakes it is :class:`ExactlyOnce`. The newest announced checkpoint may be snapshotted at once (``overtake``) when
all channels that cannot be overtaken have brought its barrier; what the others still hold before it is recorded,
until each of them has announced it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from weir.taskmanager.alignment import ExactlyOnce


class Announcement(Enum):
    """What an arriving barrier meant."""

    FIRST = auto()  #: of its checkpoint
    KNOWN = auto()  #: another channel announced it, too
    RECORDED = auto()  #: it ends the recording of its channel, and is not to be queued
    IGNORE = auto()  #: of a checkpoint that is over, aborted, or older than another that is announced


@dataclass(frozen=True)
class Overtaken:
    """Channels at the moment of an overtaking."""

    #: Their barrier was brought: nothing of theirs is recorded, and they may be read again.
    unblock: frozenset[int]
    #: Their barrier waits in their queue: what is before it is recorded.
    queued: frozenset[int]
    #: What they hold is recorded, and what comes until their barrier does.
    missing: frozenset[int]


@dataclass
class Unaligned(ExactlyOnce):
    """``overtakable``: the channels whose barriers may overtake."""

    overtakable: frozenset[int] = frozenset()
    #: The newest checkpoint that was announced, and by which channels.
    candidate: int = 0
    announced: set[int] = field(default_factory=set)
    #: The checkpoint that overtook last, and the channels that have not announced it.
    recording: int = 0
    missing: set[int] = field(default_factory=set)

    def announce(self, channel: int, checkpoint_id: int) -> Announcement:
        """A barrier arrived at the end of a channel's queue."""
        if checkpoint_id == self.recording and channel in self.missing:
            self.missing.remove(channel)
            return Announcement.RECORDED
        if self._is_over(checkpoint_id) or checkpoint_id < self.candidate:
            return Announcement.IGNORE
        if checkpoint_id == self.candidate:
            self.announced.add(channel)
            return Announcement.KNOWN
        self.candidate, self.announced = checkpoint_id, {channel}
        return Announcement.FIRST

    @property
    def waiting(self) -> bool:
        """Whether the candidate is neither snapshotted nor aborted."""
        return not self._is_over(self.candidate)

    @property
    def may_overtake(self) -> bool:
        """Whether every channel that cannot be overtaken has brought the candidate's barrier."""
        if not self.waiting or (self.arrived and self.current > self.candidate):
            return False
        arrived = self.arrived if self.current == self.candidate else set()
        return all(channel in arrived or channel in self.overtakable for channel in range(self.channels))

    def overtake(self) -> Overtaken:
        """The candidate is snapshotted now. Raises ``ValueError`` unless it ``may_overtake``."""
        if not self.may_overtake:
            raise ValueError(f"checkpoint {self.candidate} cannot overtake now")
        arrived = self.arrived if self.current == self.candidate else set()
        unblock = frozenset(self.arrived)
        queued = frozenset(self.announced - arrived)
        self.recording, self.missing = self.candidate, set(self.overtakable - arrived - queued)
        self._over(self.candidate)
        return Overtaken(unblock, queued, frozenset(self.missing))

    def abort(self, checkpoint_id: int) -> frozenset[int]:
        if checkpoint_id == self.recording:
            self.recording, self.missing = 0, set()
        return super().abort(checkpoint_id)

    def _is_over(self, checkpoint_id: int) -> bool:
        return checkpoint_id <= self.last or checkpoint_id in self.aborted
