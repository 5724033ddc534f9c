"""Where keyed state belongs: what a backend is told when it makes some."""

from __future__ import annotations

from dataclasses import dataclass, field

from weir.clock import Clock, SystemClock


@dataclass(frozen=True)
class KeyedPlace:
    """Whose state it is."""

    label: str  #: how messages name the operator
    operator_id: str
    subtask: int
    max_parallelism: int
    key_groups: range
    clock: Clock = field(default_factory=SystemClock)
