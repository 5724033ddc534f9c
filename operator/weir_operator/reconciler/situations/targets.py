"""Which revision should run now: that of the spec, or the one that it was rolled back to; None for a suspended job.

A revision is a spec in what reaches pods and the objects around them. The same spec again is the same revision, so
taking a change back is no new one.
"""

from __future__ import annotations

from weir_operator.models import Nonces, Pin, PinReason, Revision
from weir_operator.reconciler.actions import DeleteRevision, SaveRevision
from weir_operator.reconciler.diff import Difference, Weight, classify, spec_hash
from weir_operator.reconciler.moment import Draft, Moment

#: So many revisions can be gone back to.
KEPT_REVISIONS = 10


def settle_target(moment: Moment, draft: Draft) -> int:
    """The revision that should run when the job runs; saved if it is new."""
    own = spec_hash(moment.spec)
    revision = _revision_of(own, draft)
    if revision is None:
        revision = _add(moment, draft, own)
    if revision not in moment.observed.revisions:
        draft.do(
            SaveRevision(revision=revision, spec_hash=own, spec=moment.spec.written())
        )  # absent, or not seen yet: creating it again changes nothing
    _forget_old(moment, draft)
    _pin_as_asked(moment, draft, own)
    pin = draft.status.pin
    if pin is not None and pin.against != own and not moment.faults:
        draft.record(pin=None)
        pin = None
    return revision if pin is None else pin.revision


def goal(moment: Moment, target: int) -> int | None:
    """The revision whose pods should be there now."""
    return target if moment.wanted else None


def needs_another_run(moment: Moment, draft: Draft, runs: int, target: int) -> bool:
    """Whether a revision cannot be applied in place to a run of another one."""
    found = _difference(moment, draft, runs, target)
    return found is None or found.weight >= Weight.UPGRADE


def apply_in_place(moment: Moment, draft: Draft, target: int) -> None:
    """The run that should be there is one of this revision from now on; what it has shown of itself still holds."""
    deployed = draft.deployed
    assert deployed is not None
    found = _difference(moment, draft, deployed.revision, target)
    assert found is not None
    if is_stable(draft, deployed.revision):
        mark(draft, target, stable=True)
    draft.record(revision=target, deployed=deployed.model_copy(update={"revision": target}))
    draft.say(
        "AppliedInPlace",
        f"revision {target} differs from {deployed.revision} in {found.text}: no pod is replaced",
    )


def mark(draft: Draft, revision: int, **changes: object) -> None:
    """Change the entry of a revision in ``status.revisions``."""
    draft.record(
        revisions=tuple(
            entry.model_copy(update=changes) if entry.revision == revision else entry
            for entry in draft.status.revisions
        )
    )


def is_stable(draft: Draft, revision: int | None) -> bool:
    """Whether a revision ran well once: what is wrong now did not come with it."""
    return any(entry.stable for entry in draft.status.revisions if entry.revision == revision)


def last_stable(draft: Draft, *, besides: int | None) -> int | None:
    """The newest revision that was stable, but for one."""
    stable = [
        entry.revision for entry in draft.status.revisions if entry.stable and entry.revision != besides
    ]
    return stable[-1] if stable else None


def _difference(moment: Moment, draft: Draft, runs: int, target: int) -> Difference | None:
    """None: one of the two specs is not known."""
    before, after = moment.revision_spec(runs), moment.revision_spec(target)
    if after is None and draft.status.pin is None:
        after = moment.spec
    return None if before is None or after is None else classify(before, after)


def _revision_of(own: str, draft: Draft) -> int | None:
    return next(
        (entry.revision for entry in reversed(draft.status.revisions) if entry.spec_hash == own), None
    )


def _add(moment: Moment, draft: Draft, own: str) -> int:
    known = [entry.revision for entry in draft.status.revisions]
    number = max([*known, *moment.observed.revisions], default=0) + 1
    entry = Revision(
        revision=number, spec_hash=own, generation=moment.job.metadata.generation, created_at=moment.now
    )
    entries = [*draft.status.revisions, entry]
    deployed = draft.deployed.revision if draft.deployed else None
    spare = [old for old in entries[:-1] if old.revision not in {deployed, last_stable(draft, besides=None)}]
    for old in spare[: max(0, len(entries) - KEPT_REVISIONS)]:
        entries.remove(old)
    draft.record(revisions=tuple(entries))
    return number


def _forget_old(moment: Moment, draft: Draft) -> None:
    """Revisions that the status does not list any more go; one that is newer than all in it is of a status that was not seen yet."""
    known = {entry.revision for entry in draft.status.revisions}
    old = (number for number in moment.observed.revisions if number not in known and number < max(known))
    draft.do(*(DeleteRevision(revision=number) for number in sorted(old)))


def _pin_as_asked(moment: Moment, draft: Draft, own: str) -> None:
    wanted = moment.spec.upgrade.rollback_to
    nonces = draft.status.nonces or Nonces()
    if nonces.rollback_to == wanted:
        return
    known = {entry.revision for entry in draft.status.revisions}
    if wanted in known and wanted not in moment.observed.revisions:
        draft.block(
            "UpgradeBlocked",
            "RevisionLost",
            f"upgrade.rollbackTo asks for revision {wanted}, whose ControllerRevision does not exist; set it to another one of "
            f"{', '.join(map(str, sorted(known & set(moment.observed.revisions))))}, or to 0",
        )
        return
    draft.record(nonces=nonces.model_copy(update={"rollback_to": wanted}))
    if wanted in known:
        draft.record(pin=Pin(revision=wanted, against=own, reason=PinReason.ROLLBACK_TO))
        draft.say("RollbackRequested", f"upgrade.rollbackTo asks for revision {wanted}")
    elif wanted != 0:
        choices = ", ".join(map(str, sorted(known)))
        draft.say(
            "RollbackRefused",
            f"upgrade.rollbackTo asks for revision {wanted}, which is not kept; there are {choices}",
            warning=True,
        )
    elif draft.status.pin is not None and draft.status.pin.reason is PinReason.ROLLBACK_TO:
        draft.record(pin=None)
