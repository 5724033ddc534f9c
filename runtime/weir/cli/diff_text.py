"""What ``weir diff`` looks at and prints."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from weir.checkpoint import store
from weir.checkpoint.metadata import label_of
from weir.errors import SnapshotError
from weir.ids import OperatorId, operator_id_of_uid
from weir.state import reserved
from weir.state_reader import differences
from weir.state_reader.differences import Change, OperatorDifference, SnapshotDifference, StateDifference
from weir.storage.opening import absolute_uri


def compared(before: str, after: str, uid: str | None, limit: int) -> SnapshotDifference:
    """Raises ``SnapshotError`` when nothing of ours is there, or no such operator; ``StorageError``."""
    first, second = store.load(absolute_uri(before)), store.load(absolute_uri(after))
    only = None
    if uid is not None:
        only = operator_id_of_uid(uid)
        known = [state for one in (first, second) for state in one.metadata.operators]
        if only not in {state.operator_id for state in known}:
            uids = ", ".join(sorted({repr(state.uid or state.name) for state in known}))
            raise SnapshotError(f"neither snapshot has an operator of uid {uid!r}; they have {uids}")
    return differences.compare(first, second, limit, only)


def text_of(found: SnapshotDifference, *, json: bool) -> str:
    """For people, or as JSON."""
    if json:
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    return "".join(f"{line}\n" for operator in found.operators for line in _operator(operator))


def _operator(found: OperatorDifference) -> Iterator[str]:
    before, after = found.parallelism
    where = "" if before and after else ", only in the first" if before else ", only in the second"
    yield label_of(found.uid, found.name, OperatorId("")).removesuffix(" (id )") + where
    if before and after and before != after:
        yield f"  parallelism {before} -> {after}"
    if 0 not in found.max_parallelism and found.max_parallelism[0] != found.max_parallelism[1]:
        yield f"  max parallelism {found.max_parallelism[0]} -> {found.max_parallelism[1]}"
    for state in found.states:
        yield from _state(state)


def _state(found: StateDifference) -> Iterator[str]:
    was, now = found.types
    type_ = was if was == now else f"{was or 'nothing'} -> {now or 'nothing'}"
    counts = (
        f"{count} {what}"
        for count, what in ((found.added, "added"), (found.removed, "removed"), (found.changed, "changed"))
        if count
    )
    told = ", ".join(filter(None, [", ".join(counts), found.note])) or "another type"
    timers = found.kind in (reserved.EVENT_TIMERS, reserved.PROCESSING_TIMERS)
    yield f"  {found.name}: {told}" if timers else f"  {found.name} ({found.kind}, {type_}): {told}"
    yield from (_timer(change) if timers else _change(change) for change in found.changes)
    left = found.added + found.removed + found.changed - len(found.changes)
    if left and found.changes:
        yield f"    and {left:,} more; --limit shows more of them"


def _timer(change: Change) -> str:
    return f"    {'+' if change.before is None else '-'} {change.key}"


def _change(change: Change) -> str:
    if change.before is None:
        return f"    + {change.key}: {change.after}"
    if change.after is None:
        return f"    - {change.key}: {change.before}"
    return f"    ~ {change.key}: {change.before} -> {change.after}"
