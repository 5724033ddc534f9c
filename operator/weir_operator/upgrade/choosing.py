"""Which state the next run starts from, decided in one place: ``choose_snapshot``.

The answer always says why, and is never silently empty: an empty start is an answer of its own that only a request for
it can bring. Where nothing safe is left to choose, the answer is that the old job stays (``UpgradeBlocked``) or that a
person must choose (``RestoreBlocked``).

The log's tail in the bucket is the newest safe state by construction: the last checkpoint, the stop's savepoint, or
what the last run itself started from. So "go on from the tail" is right whenever no process of the job can append any
more, whether or not the operator knows what the tail is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from weir_operator.models import UpgradeMode
from weir_operator.observed import RestoreHeld, SnapshotFacts
from weir_operator.upgrade.liveness import Liveness


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, and what is known of the state."""

    mode: UpgradeMode
    liveness: Liveness
    now: datetime
    #: Restore this one: ``restore.from`` at the first start or by its nonce.
    restore_from: str | None = None
    #: No run follows: the state is kept for a later one.
    suspending: bool = False
    #: The job never claimed its log, so it has no state of its own.
    unborn: bool = False
    checkpointing: bool = True
    last_checkpoint: SnapshotFacts | None = None
    max_checkpoint_age: timedelta | None = None
    #: What a start from the tail restores, as far as it is known.
    newest: SnapshotFacts | None = None
    held: RestoreHeld | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSavepoint:
    """Stop the running job with a savepoint; the next run goes on from it."""

    mode: UpgradeMode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOnFromTail:
    """Stop whatever is left; the next run goes on from the tail of the log."""

    mode: UpgradeMode
    reason: str
    snapshot: SnapshotFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreNamed:
    """The next run starts from this snapshot."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartEmpty:
    """The next run starts without state, as somebody asked."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Nothing is done; ``condition`` and ``reason`` say so on the resource, ``message`` says what helps."""

    condition: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """It is too early to say."""

    reason: str


Choice = TakeSavepoint | GoOnFromTail | RestoreNamed | StartEmpty | Blocked | Undecided

RESTORE_ASKED = "restore.nonce was changed: restore.from is restored now"
RESTORE_BLOCKED = "RestoreBlocked"
UPGRADE_BLOCKED = "UpgradeBlocked"


def choose_snapshot(request: Request) -> Choice:
    """What the next run starts from, and what has to happen to the old one for that."""
    if request.restore_from is not None and not request.suspending:
        return RestoreNamed(
            path=request.restore_from,
            reason="restore.from is restored at the first start" if request.unborn else RESTORE_ASKED,
        )
    if request.unborn:
        return GoOnFromTail(
            mode=request.mode,
            reason="the first start: restore.policy decides about state under this name",
            snapshot=None,
        )
    if request.liveness is Liveness.UNSURE:
        return Undecided(
            reason="the old job neither runs nor is it down: wait until its JobManager answers or its pods end"
        )
    if request.mode is UpgradeMode.STATELESS and not request.suspending:
        return StartEmpty(reason="upgrade.mode is Stateless: the job starts without state, as asked")
    if request.liveness is Liveness.RUNNING:
        return _of_running(request)
    return _of_down(request)


def _of_running(request: Request) -> Choice:
    if request.suspending:
        return TakeSavepoint(
            mode=UpgradeMode.SAVEPOINT, reason="job.state is Suspended: the job stops with a savepoint"
        )
    if request.mode is UpgradeMode.SAVEPOINT:
        return TakeSavepoint(
            mode=UpgradeMode.SAVEPOINT, reason="the job runs and upgrade.mode is Savepoint: it stops with one"
        )
    # Without a checkpoint of its own the log's tail is what the run restored: nothing was committed since.
    newest = (request.last_checkpoint or request.newest) if request.checkpointing else None
    if newest is None:
        return TakeSavepoint(
            mode=UpgradeMode.SAVEPOINT,
            reason="upgrade.mode is LastState but the running job has completed no checkpoint: it stops with a savepoint",
        )
    age = age_of(newest, request.now)
    limit = request.max_checkpoint_age
    if limit is not None and (age is None or age > limit):
        return TakeSavepoint(
            mode=UpgradeMode.SAVEPOINT,
            reason=f"upgrade.mode is LastState but checkpoint {newest.path} is "
            f"{_seconds(age)} old, more than upgrade.maxCheckpointAge {_seconds(limit)}: the job stops with a savepoint",
        )
    return GoOnFromTail(
        mode=UpgradeMode.LAST_STATE,
        reason="upgrade.mode is LastState: the next run goes on from the newest checkpoint",
        snapshot=newest,
    )


def _of_down(request: Request) -> Choice:
    if request.suspending:
        return GoOnFromTail(
            mode=UpgradeMode.LAST_STATE,
            reason="job.state is Suspended and the job does not run: it will go on from its newest safe snapshot",
            snapshot=request.newest,
        )
    if request.held is not None:
        choices = "; ".join(request.held.choices) or "none is named"
        return Blocked(
            condition=RESTORE_BLOCKED,
            reason="NoSafeSnapshot",
            message=f"{request.held.reason}; choices: {choices}. Set restore.from and change restore.nonce",
        )
    if not request.checkpointing and request.newest is None:
        return Blocked(
            condition=RESTORE_BLOCKED,
            reason="NothingToRestore",
            message="the job is down and never completed a checkpoint or savepoint, since checkpoints.interval is not set; "
            "set upgrade.mode to Stateless to start it without state, or set restore.from and change restore.nonce",
        )
    why = (
        "the job is down: it goes on from its newest safe snapshot, whatever its age"
        if request.liveness is Liveness.DOWN
        else "no run exists: the job goes on from where it ended"
    )
    return GoOnFromTail(mode=UpgradeMode.LAST_STATE, reason=why, snapshot=request.newest)


def age_of(snapshot: SnapshotFacts, now: datetime) -> timedelta | None:
    """How long ago a snapshot was completed, if that is known."""
    return None if snapshot.completed_at is None else max(now - snapshot.completed_at, timedelta())


def _seconds(duration: timedelta | None) -> str:
    return "of unknown age" if duration is None else f"{duration.total_seconds():.0f}s"
