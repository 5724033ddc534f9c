"""The phases of a change from one run to the next, as a table. An illegal move raises and changes nothing.

``status.upgrade`` holds the phase, so that an operator that was killed anywhere goes on with it. What is done in a phase
goes by names and trigger ids, and may be repeated for ever. ::

    Preflight --> Preparing --> Stopping --> Draining --> Starting --> Stabilizing --> (the end)

Phases that a change does not need are passed over. Another target sends it back to Preflight while the old job still
runs; once that has been stopped, the new target takes over the state that was saved for the other one.
"""

from __future__ import annotations

from collections.abc import Mapping

from weir_operator.models import UpgradePhase

_P, _R, _S, _D, _N, _V = UpgradePhase

#: From a phase to those that may follow it; None: the change is at its end.
MOVES: Mapping[UpgradePhase, frozenset[UpgradePhase | None]] = {
    # The end: the target was taken back before anything was done.
    _P: frozenset({_R, _S, _D, None}),
    # Back to Preflight: another target.
    _R: frozenset({_P, _S, _D, None}),
    # Starting: a standby takes over at once. Back to Preflight, or the end: the savepoint failed and the target changed.
    _S: frozenset({_P, _D, _N, None}),
    # The end: nothing is to follow (suspended).
    _D: frozenset({_N, None}),
    # Back to Draining: another target, a refused start, or back to the last stable revision.
    _N: frozenset({_D, _V, None}),
    # Back to any: another change begins before the job was stable.
    _V: frozenset({_P, _R, _S, _D, None}),
}


class IllegalMove(Exception):
    """A phase cannot follow that one: a fault of the operator."""


def move(current: UpgradePhase, following: UpgradePhase | None) -> UpgradePhase | None:
    """``following``, if it may come after ``current``."""
    if following is not current and following not in MOVES[current]:
        allowed = ", ".join(sorted(phase or "the end" for phase in MOVES[current]))
        raise IllegalMove(f"a change of the run cannot go from {current} to {following}, only to {allowed}")
    return following
