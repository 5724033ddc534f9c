"""Long actions that people start and poll for: a trigger id each, and how it ended. Bounded; decides nothing.

Flow: ``begin`` with the caller's trigger id (so that repeating the call repeats nothing) or a new one -> the job works ->
``finish`` -> ``get`` tells. What has ended is forgotten, oldest first, when there are many.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from weir.ids import CheckpointId

#: Ended operations that are remembered.
REMEMBERED: Final = 100


class OperationKind(enum.StrEnum):
    """What was asked for."""

    CHECKPOINT = "checkpoint"
    SAVEPOINT = "savepoint"  #: with or without a stop of the job
    RESCALE = "rescale"
    DISPOSAL = "disposal"  #: of a savepoint


@dataclass(frozen=True)
class Operation:
    """One action; in progress until ``done``."""

    kind: OperationKind
    trigger: str  #: 32 lower-case hex digits
    done: bool = False
    checkpoint: CheckpointId | None = None
    path: str | None = None
    #: Why it failed.
    failure: str | None = None
    #: Wall time.
    began_ms: int = 0
    ended_ms: int = 0


class Operations:
    """The operations of one job."""

    def __init__(self, wall_ms: Callable[[], int] = lambda: 0) -> None:
        """``wall_ms``: the clock, where somebody asks for times."""
        self._wall_ms = wall_ms
        self._known: dict[tuple[OperationKind, str], Operation] = {}
        #: Ended, and nobody asked since.
        self._untold: set[tuple[OperationKind, str]] = set()

    def begin(self, kind: OperationKind, trigger: str | None = None) -> tuple[Operation, bool]:
        """The operation of that trigger id, and whether it is new and has to be carried out."""
        trigger = trigger or secrets.token_hex(16)
        known = self._known.get((kind, trigger))
        if known is not None:
            return known, False
        made = self._known[kind, trigger] = Operation(kind, trigger, began_ms=self._wall_ms())
        self._forget()
        return made, True

    def finish(
        self,
        operation: Operation,
        *,
        checkpoint: CheckpointId | None = None,
        path: str | None = None,
        failure: str | None = None,
    ) -> None:
        """It ended, well or with ``failure``."""
        ended = replace(
            operation,
            done=True,
            checkpoint=checkpoint,
            path=path,
            failure=failure,
            ended_ms=self._wall_ms(),
        )
        # Last in the order of forgetting: who waits for it asks soon after this.
        self._known.pop((operation.kind, operation.trigger), None)
        self._known[operation.kind, operation.trigger] = ended
        self._untold.add((operation.kind, operation.trigger))
        self._forget()

    @property
    def untold(self) -> bool:
        """Whether something ended of which nobody asked since."""
        return bool(self._untold)

    def known(self) -> tuple[Operation, ...]:
        """All that are remembered; those that ended last come last. Nobody counts as told by this."""
        return tuple(self._known.values())

    def get(self, kind: OperationKind, trigger: str) -> Operation | None:
        """How it fares; ``None``: never heard of, or forgotten."""
        self._untold.discard((kind, trigger))
        return self._known.get((kind, trigger))

    def _forget(self) -> None:
        ended = [key for key, operation in self._known.items() if operation.done]
        for key in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._known[key]
            self._untold.discard(key)
