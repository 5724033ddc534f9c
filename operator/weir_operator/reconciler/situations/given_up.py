"""Pods that will not be seen to end: their node does not answer. The fence log keeps what they still do from counting."""

from __future__ import annotations

from datetime import timedelta

from weir_operator.reconciler.moment import Moment

#: A pod that should be gone for this long counts as gone.
AFTER = timedelta(seconds=60)


def given_up(moment: Moment) -> tuple[str, ...]:
    """UIDs of pods that should be gone for long."""
    return tuple(
        pod.uid
        for run in moment.observed.runs.values()
        for pod in run.pods
        if pod.deleted_by is not None and moment.now - pod.deleted_by >= AFTER
    )
