"""Which snapshots have had their time: by number and age, of those alone that the operator made for this job.

The newest complete one always stays, and so does every one that something starts from, whatever their age.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime

from weir_operator.models import SnapshotPhase
from weir_operator.models.operations import Keep
from weir_operator.observed import SnapshotResource

#: Attempts that failed tell something for a while: so many are kept, the newest.
FAILED_KEPT = 3


def surplus(
    snapshots: Iterable[SnapshotResource], keep: Keep, in_use: AbstractSet[str], now: datetime
) -> tuple[SnapshotResource, ...]:
    """Those to delete, oldest first. ``in_use``: paths that something starts from or may have to."""
    owned = sorted(
        (found for found in snapshots if found.owned and not found.deleting),
        key=lambda found: (_since(found), found.name),
    )
    complete = [found for found in owned if found.phase == SnapshotPhase.COMPLETED]
    failed = [found for found in owned if found.phase == SnapshotPhase.FAILED]
    beyond = complete[: max(0, len(complete) - keep.count)] if keep.count is not None else []
    old = [found for found in complete[:-1] if keep.age is not None and now - _since(found) > keep.age.delta]
    # Either limit is enough, and the newest is beyond neither: count is at least one.
    gone = [found for found in complete[:-1] if found in beyond or found in old]
    spare = [found for found in gone if found.path not in in_use]
    return (*spare, *failed[: max(0, len(failed) - FAILED_KEPT)])


def next_expiry(snapshots: Iterable[SnapshotResource], keep: Keep, now: datetime) -> float | None:
    """Seconds until the age of one of them says that it goes; None: none will by itself."""
    if keep.age is None:
        return None
    owned = [
        found
        for found in snapshots
        if found.owned and not found.deleting and found.phase == SnapshotPhase.COMPLETED
    ]
    owned.sort(key=lambda found: (_since(found), found.name))
    ahead = [(_since(found) + keep.age.delta - now).total_seconds() for found in owned[:-1]]
    return min((seconds for seconds in ahead if seconds > 0), default=None)


def _since(found: SnapshotResource) -> datetime:
    return found.completed_at or found.created
