"""Asking the bucket, by a short-lived pod, when no JobManager lives that could be asked.

The errand carries the number of the highest run in its name: an answer that was given before a later run lived is never
taken for the truth of now.
"""

from __future__ import annotations

from weir_operator.observed import BucketFacts
from weir_operator.reconciler.actions import DeleteErrand, ErrandKind, RunSnapshotsPod
from weir_operator.reconciler.moment import Draft, Moment


def known(moment: Moment, draft: Draft) -> BucketFacts | None:
    """What the bucket said since the last run ended, if it was asked."""
    errand = moment.observed.errands.get(_purpose(draft))
    return errand.bucket if errand is not None else None


def ask(moment: Moment, draft: Draft) -> BucketFacts | None:
    """What the bucket says; None: not yet."""
    purpose = _purpose(draft)
    errand = moment.observed.errands.get(purpose)
    if errand is None:
        draft.do(RunSnapshotsPod(purpose=purpose, kind=ErrandKind.INSPECT))
        draft.wait("a pod that looks in the bucket for what the job left there", at_most=15)
    elif not errand.ended:
        trouble = f" ({errand.trouble})" if errand.trouble else ""
        draft.wait(
            f"pod {errand.pod}, which looks in the bucket for what the job left there{trouble}", at_most=15
        )
    elif errand.bucket is None:
        draft.do(DeleteErrand(purpose=purpose))
        draft.block(
            "RestoreBlocked",
            "BucketUnreadable",
            f"pod {errand.pod} could not read what the job left in the bucket: {errand.failure}; it is tried again. "
            "See to the bucket or to storage.s3",
        )
        draft.wait("the bucket", at_most=30)
    else:
        return errand.bucket
    return None


def forget(draft: Draft) -> None:
    """The answer was used and stands in the status."""
    draft.do(DeleteErrand(purpose=_purpose(draft)))


def _purpose(draft: Draft) -> str:
    return f"inspect-{draft.status.highest_run}"
