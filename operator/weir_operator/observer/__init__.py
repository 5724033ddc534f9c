"""Reads the world into ``Observed``; never acts.

Watch events end as small facts in ``children`` (no body is kept), a ``census`` corrects them from lists, and ``job``
puts together what is known of one StreamJob, its JobManager asked. Where a step is destructive, ``live`` reads again.
"""

from __future__ import annotations
