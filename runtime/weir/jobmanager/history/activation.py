"""How a job of a cluster begins: the operator's directive, whether it waits for one, and what the log said to it.

``Job`` holds one; ``POST /activate`` and the operator's report read and change it through the job. A job that people run
has an empty one.
"""

from __future__ import annotations

import structlog
from msgspec import structs

from weir.checkpoint.start_directive import StartDirective, StartMode, StartRefused
from weir.errors import RestoreBlocked, WrongState
from weir.jobmanager.history.journal import AlreadyEnded, Claim
from weir.rpc.messages import JobSpec

log = structlog.get_logger()


class Activation:
    """See the module."""

    def __init__(
        self, directive: StartDirective | None = None, *, standby: bool = False, run: int = 0
    ) -> None:
        """``standby``: planned and with its TaskManagers, the job waits for its directive. ``run``: of this process."""
        self.directive = None if standby else directive
        self.run = run
        #: Whether it waits to be told, from the beginning on.
        self.standby = standby
        #: What stands in the way of the last attempt to begin.
        self.refused: StartRefused | None = None
        self.blocked: RestoreBlocked | None = None
        #: Why the claim takes its time; "": it does not.
        self.waiting = ""
        #: Where the log of a job is that had ended before.
        self.ended: AlreadyEnded | None = None

    def applied_to(self, spec: JobSpec) -> JobSpec:
        """The job with what the directive says about its state."""
        directive = self.directive
        if directive is None:
            return spec
        changes: dict[str, object] = {}
        if directive.allow_non_restored_state:
            changes["allow_non_restored_state"] = True
        if directive.mode is not StartMode.TAIL:
            changes["restore_from"] = directive.path
        return structs.replace(spec, **changes)

    def take(self, directive: StartDirective, *, waiting: bool) -> bool:
        """Whether the job is to begin now; repeating the order that is being carried out changes nothing.

        ``waiting``: whether the job stands by. Raises ``WrongState`` when it began as another order said.
        """
        if directive.run != self.run:
            raise WrongState(f"this is run {self.run}; run {directive.run} is not begun here")
        if not waiting:
            if directive != self.directive:
                raise WrongState(
                    f"this job was activated already, by {self.directive}, and not by {directive}; start a new run"
                )
            return False
        self.directive = directive
        self.refused = self.blocked = None
        return True

    def waits(self, reason: str) -> None:
        """Storage does not answer, and the claim is tried again."""
        self.waiting = reason

    def failed(self, error: Exception) -> None:
        """Nothing was claimed."""
        self.waiting = ""
        self.blocked = error if isinstance(error, RestoreBlocked) else None

    def answered(self, outcome: Claim | AlreadyEnded | StartRefused) -> None:
        """What became of the claim."""
        self.waiting = ""
        self.ended = outcome if isinstance(outcome, AlreadyEnded) else None
        self.refused = outcome if isinstance(outcome, StartRefused) else None
        if self.refused is not None:
            log.warning("start refused", expected=self.refused.expected, found=self.refused.found)
