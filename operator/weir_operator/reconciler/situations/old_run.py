"""The run that a change would end: whether it runs, and whether it may help itself if it does not."""

from __future__ import annotations

from weir_operator.reconciler.moment import Draft, Moment
from weir_operator.reconciler.situations.phases import asked
from weir_operator.upgrade.liveness import Liveness, liveness, may_come_back


def of_old_run(moment: Moment, draft: Draft) -> Liveness:
    """What it can still do."""
    upgrade = draft.upgrade
    assert upgrade is not None
    run = moment.run(upgrade.from_run)
    return liveness(run, asked(upgrade), draft.status.not_running_since, moment.now)


def may_help_itself(moment: Moment, draft: Draft) -> bool:
    """Whether it does not run for moments only: it has not ended, and what it lost may be given back to it."""
    upgrade = draft.upgrade
    assert upgrade is not None
    return may_come_back(moment.run(upgrade.from_run), draft.status.not_running_since, moment.now)
